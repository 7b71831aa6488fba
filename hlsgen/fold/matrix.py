"""What a folded matrix unit takes: PE x SIMD products a clock, with weights from a memory."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from hlsgen.arith.encodings.encoding import Encoding
from hlsgen.arith.encodings.khot import Khot
from hlsgen.arith.encodings.sherry import Sherry
from hlsgen.arith.encodings.shift import Shift
from hlsgen.arith.encodings.ternary import Ternary
from hlsgen.arith.encodings.xnor import Xnor
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.memories import MemoryKind, bram18, in_luts, ram_luts, rom_luts
from hlsgen.emit.packing import Packing
from hlsgen.fold.prices import dsp_tiles, luts
from hlsgen.fold.use import Use

_CONTROL = 60  # counters of rows, folds and steps, and the handshakes


@dataclass(frozen=True, slots=True)
class MatrixUnit:
    """One folded unit; `words` are weights or codes for each of PE outputs a clock.

    `rom_words` rows of weights, one a clock; `tree_bits` are the widths of all adders of one tree.
    `held` says how many clocks' operands are kept for later folds, 0 for a single fold.
    """

    pe: int
    simd: int
    words: int
    rom_words: int
    bias_words: int
    held: int
    operand_bits: int
    weight_bits: int
    bias_bits: int
    term_bits: int
    tree_bits: int
    acc_bits: int
    arithmetic: Arithmetic
    encoding: Encoding | None
    memory: MemoryKind
    packing: Packing | None = None

    @property
    def use(self) -> Use:
        """Estimated resources."""
        pieces: defaultdict[str, float] = defaultdict(float)
        count = self.pe * self.words
        for kind, amount in self._product().items():
            pieces[kind] += count * amount
        pieces["additions"] += self.pe * (self.tree_bits + self.acc_bits)
        pieces["control"] += _CONTROL
        lut = luts(pieces) + rom_luts(self.bias_words, self.pe * self.bias_bits)
        held = self.simd * self.operand_bits
        lut += ram_luts(self.held, held) if self.held > 1 else 0.0
        weights = self._weights()
        return Use(lut, self._flipflops(), self._dsps()) + weights

    def _product(self) -> dict[str, float]:
        """The pieces of one product, without the adders behind it."""
        if self.encoding is not None:
            return self._decoded(self.encoding)
        if self.arithmetic is Arithmetic.LUT:
            return {"products": self.operand_bits * self.weight_bits}
        if self.packing is not None:  # what fields borrowed is given back to all but one
            given = (1 - 1 / self.packing.count) / self.packing.chunk
            return {"additions": self.packing.field * given}
        return {}

    def _decoded(self, encoding: Encoding) -> dict[str, float]:
        """The pieces of one product by a code."""
        match encoding:
            case Shift():
                return {"shifts": self.term_bits * _levels(encoding), "signs": self.term_bits}
            case Khot():
                k, each = encoding.digits, self.term_bits * _levels(encoding)
                return {
                    "shifts": k * each,
                    "signs": self.term_bits,
                    "additions": (k - 1) * self.term_bits,
                }
            case Ternary():
                return {"signs": self.term_bits}
            case Sherry():
                return {
                    "choices": 3 * self.operand_bits,
                    "signs": self.term_bits,
                    "additions": 2 * self.term_bits,
                }
            case Xnor():
                return {"agreements": self.simd}
            case other:
                raise AssertionError(f"{type(other).__name__} has no price")

    def _dsps(self) -> int:
        if self.encoding is not None or self.arithmetic is Arithmetic.LUT:
            return 0
        if self.packing is not None:
            return self.packing.rounded(self.pe) // self.packing.count * self.words
        return self.pe * self.words * dsp_tiles(self.operand_bits, self.weight_bits)

    def _weights(self) -> Use:
        bits = self.pe * self.words * self.weight_bits
        if self.memory is MemoryKind.BRAM and self.rom_words > 1:
            return Use(bram18=bram18(self.rom_words, bits))
        return Use(lut=rom_luts(self.rom_words, bits))

    def _flipflops(self) -> float:
        """Registers behind operands, products in LUTs, adders and weights: one stage each."""
        products = 0 if self._dsps() else self.pe * self.words * self.term_bits
        weights = self.pe * self.words * self.weight_bits
        sums = self.pe * (self.tree_bits + 2 * self.acc_bits)
        return products + weights + sums + 2 * self.simd * self.operand_bits + _CONTROL


def cheaper_memory(words: int, bits: int) -> MemoryKind:
    """Where a ROM stands if nobody says: about what the tools do."""
    return (
        MemoryKind.LUTRAM
        if in_luts(rom_luts(words, bits), bram18(words, bits))
        else (MemoryKind.BRAM)
    )


def _levels(encoding: Shift | Khot) -> int:
    """4:1 stages of a barrel shifter."""
    return max(1, -(-encoding.field_bits // 2))
