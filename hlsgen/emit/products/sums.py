"""The implementations of a constant linear operator, each built from cells of `emit/rtl`.

SystemVerilog has these cells in its modules; the HLS back-end prints the same ones as C++
(`hlsgen.emit.products.lines`), so the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import assert_never

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.products.compress import compressed, popcounts
from hlsgen.emit.products.groups import groupwise
from hlsgen.emit.products.packed import packed
from hlsgen.emit.products.planes import sign_planes
from hlsgen.emit.products.tables import lutgemm, tables
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.sums import matrix


def product_sums(  # noqa: C901 - one case an arithmetic
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int],
    how: Arithmetic, step: int,
) -> list[int]:  # fmt: skip
    """constants[j] + sum of columns[j][k] * x_k, for every j.

    `step`: two codes of one operand always differ by a multiple of it. Errors: OptionError for an
    arithmetic that these weights and operands cannot have.
    """
    match how:
        case Arithmetic.TOOL | Arithmetic.DSP | Arithmetic.LUT | Arithmetic.SHIFT_ADD:
            return matrix(b, wires, columns, constants, how)
        case Arithmetic.DSP_PACKED:
            return packed(b, wires, columns, constants)
        case Arithmetic.POPCOUNT:
            return popcounts(b, wires, columns, constants, step)
        case Arithmetic.COMPRESS:
            return compressed(b, wires, columns, constants, step)
        case Arithmetic.LUTGEMM:
            return lutgemm(b, wires, columns, constants, step)
        case Arithmetic.TABLE:
            return tables(b, wires, columns, constants, step)
        case Arithmetic.BCQ:
            return sign_planes(b, wires, columns, constants)
        case Arithmetic.GROUPWISE:
            return groupwise(b, wires, columns, constants)
        case (
            Arithmetic.KHOT | Arithmetic.SHIFT | Arithmetic.TERNARY | Arithmetic.SHERRY
            | Arithmetic.XNOR | Arithmetic.TRUTH_TABLE | Arithmetic.AUTO | Arithmetic.SERIAL_1
            | Arithmetic.SERIAL_2 | Arithmetic.SERIAL_3 | Arithmetic.SERIAL_4 | Arithmetic.SERIAL_6
            | Arithmetic.SERIAL_8
        ):  # fmt: skip
            raise ValueError(
                f"{how} makes no products of a whole vector: check_parallel comes first"
            )
        case _:
            assert_never(how)
