"""Weights behind ports of a streamed design, one word a clock, instead of in ROMs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hlsgen.arith.budget import Budget
from hlsgen.emit.arithmetic import FOLDED, Arithmetic, arithmetic_of
from hlsgen.emit.folded import stream_numbers
from hlsgen.emit.streaming import Way, way
from hlsgen.emit.views import Operator
from hlsgen.errors import OptionError
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwOp, IntArray
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul

LIMB = 64
WEIGHTS_FILE = "data/weights.bin"


@dataclass(frozen=True, eq=False)
class WeightPort:
    """An array argument of the top function: what one layer reads, a word for each clock.

    Shapes: rows (words, weights a word), weight l of a word in bits l * width upwards.
    """

    name: str
    budget: Budget
    rows: IntArray

    @property
    def words(self) -> int:
        return len(self.rows)

    @property
    def bits(self) -> int:
        """A power of two, a byte at least."""
        return max(8, 1 << (self.rows.shape[1] * self.budget.format.width - 1).bit_length())

    @property
    def limbs(self) -> int:
        """64-bit words of the file that one word takes."""
        return -(-self.bits // LIMB)

    @property
    def parameter(self) -> str:
        """The declaration inside the layer's function."""
        return f"const ap_uint<{self.bits}> weights[{self.words}]"

    @property
    def argument(self) -> str:
        """The declaration in the top function."""
        return f"const ap_uint<{self.bits}> {self.name}[{self.words}]"

    @property
    def note(self) -> str:
        """What may be written there, for people."""
        b = self.budget
        return (
            f"weights of {b.layer}: {self.rows.shape[1]} {b.format} a word; absolute sum of an "
            f"output's at most {b.l1}"
        )

    def facts(self) -> dict[str, Any]:
        """What project.json says of it."""
        b = self.budget
        return {
            "layer": b.layer,
            "port": self.name,
            "format": str(b.format),
            "accumulator_bits": b.bits,
            "l1_budget": b.l1,
            "units": [str(unit) for unit in b.units],
            "words": self.words,
            "word_bits": self.bits,
            "weights_a_word": self.rows.shape[1],
        }

    def packed(self) -> bytes:
        """The words as a file, each as little-endian 64-bit words."""
        width = self.budget.format.width
        mask = (1 << width) - 1
        found = bytearray()
        for row in self.rows:
            word = sum((int(w) & mask) << (k * width) for k, w in enumerate(row))
            found += word.to_bytes(self.limbs * LIMB // 8, "little")
        return bytes(found)


def weight_ports(
    operators: Sequence[Operator], choices: Mapping[str, Arithmetic]
) -> dict[str, WeightPort]:
    """The ports of the reloadable layers of a streamed design, by their function.

    Errors: OptionError for a layer that is not folded, or keeps its weights as codes.
    """
    found: dict[str, WeightPort] = {}
    for o in operators:
        op = o.node.op
        if not isinstance(op, MatMul | Conv) or op.budget is None:
            continue
        x, y = (tuple(v.type for v in side) for side in (o.x, o.y))
        if way(op, x, y) is Way.WHOLE:
            raise OptionError(
                "reloadable weights need a folded unit: a volume has none", o.node.loc
            )
        how = arithmetic_of(choices, o.node)
        if how in FOLDED:
            raise OptionError(
                f"reloadable weights are multiplied as they are: give tool, dsp or lut, not {how}",
                o.node.loc,
            )
        rows = stream_numbers(o)["folded_weights"]
        found[o.function] = WeightPort(f"{o.function}_weights", op.budget, rows)
    return found


def packed_weights(ports: Mapping[str, WeightPort]) -> bytes:
    """The content of data/weights.bin: the words of one port after another."""
    return b"".join(port.packed() for port in ports.values())


def refuse_reloadable(node: Node[HwOp]) -> None:
    """Errors: OptionError for a reloadable layer of a parallel design."""
    if isinstance(node.op, MatMul | Conv) and node.op.budget is not None:
        raise OptionError("reloadable weights are for streams: give --io stream", node.loc)


def port_numbers(port: WeightPort | None) -> dict[str, Any]:
    """What a layer's template needs to know of its port."""
    return {"port": port, "weight": None if port is None else port.budget.format}
