"""How many parts of the fabric a memory takes: LUTs, block RAMs of 18 Kbit, UltraRAMs."""

from __future__ import annotations

import math
from enum import StrEnum

from hlsgen.arith.unit_cost import BRAM18_SHAPES

# Words x bits of an UltraRAM port. Source: AMD UG573, UltraRAM.
_URAM_WORDS, _URAM_BITS = 4096, 72
# LUTs that are as dear as a block RAM: about their shares of the devices of Zynq UltraScale+.
_LUTS_PER_BRAM18 = 160


class MemoryKind(StrEnum):
    """Where a memory stands; values are the names of the HLS tools' BIND_STORAGE."""

    LUTRAM = "lutram"
    BRAM = "bram"
    URAM = "uram"


class FifoKind(StrEnum):
    """What a FIFO is made of; values as above."""

    SRL = "srl"
    LUTRAM = "lutram"
    BRAM = "bram"


def rom_luts(words: int, bits: int) -> float:
    """A ROM in LUTs of six inputs: a 64 x 1 table each, joined by multiplexers.

    One word is wires, two are inputs of what reads them.
    """
    if words <= 2:
        return 0.0 if words <= 1 else bits / 2
    tables = math.ceil(words / 64)
    return bits * (tables + _join(tables))


def ram_luts(words: int, bits: int) -> float:
    """A RAM of one write and one read port in LUTs.

    A column of 8 LUTs holds 32 x 14 or 64 x 7 bits. Source: AMD UG574, RAM32M16 and RAM64M8.
    """
    if words <= 32:
        return 8 * math.ceil(bits / 14)
    tables = math.ceil(words / 64)
    return tables * 8 * math.ceil(bits / 7) + bits * _join(tables)


def shift_luts(words: int, bits: int) -> float:
    """A FIFO in shift registers: 32 x 1 in a LUT, joined by multiplexers."""
    tables = math.ceil(words / 32)
    return bits * (tables + _join(tables))


def fifo_kind(words: int, bits: int) -> FifoKind:
    """Where a FIFO takes the least, block RAMs counted as LUTs."""
    in_shifts, in_ram = shift_luts(words, bits), ram_luts(words, bits)
    if not in_luts(min(in_shifts, in_ram), bram18(words, bits)):
        return FifoKind.BRAM
    return FifoKind.SRL if in_shifts <= in_ram else FifoKind.LUTRAM


def bram18(words: int, bits: int) -> int:
    """Block RAMs of 18 Kbit, all of one shape, the best one."""
    return min(math.ceil(words / deep) * math.ceil(bits / wide) for deep, wide in BRAM18_SHAPES)


def uram(words: int, bits: int) -> int:
    """UltraRAMs; these cannot start with contents, so they are for buffers alone."""
    return math.ceil(words / _URAM_WORDS) * math.ceil(bits / _URAM_BITS)


def in_luts(luts: float, blocks: int) -> bool:
    """Whether a buffer that can be either stands in LUTs."""
    return luts <= _LUTS_PER_BRAM18 * blocks


def _join(tables: int) -> float:
    """LUTs for each bit that choose between tables: a 4:1 multiplexer each, three tables less."""
    return (tables - 1) / 3
