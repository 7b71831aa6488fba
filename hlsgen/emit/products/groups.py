"""Sums of blocks with narrow weights, each multiplied by its block's factor behind the sum.

Two adder graphs, one behind the other: the sums of every block, which share within the block, and
the columns as sums of these times factors.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hlsgen.arith.block_factors import IntArray, block_factors
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.sums import graph_terms, matrix
from hlsgen.errors import OptionError
from hlsgen.ir import field


def groupwise(
    b: Builder, wires: Sequence[int], columns: Sequence[Sequence[int]], constants: Sequence[int]
) -> list[int]:
    """constants[j] + sum over blocks g of factor_gj * (sum over k in g of code_kj * x_k).

    Errors: OptionError for weights without factors in blocks of rows.
    """
    values = [b.value(w) for w in wires]
    free = [k for k, v in enumerate(values) if v is None]
    known = [(k, v) for k, v in enumerate(values) if v is not None]
    found = block_factors(_only(free, columns))
    if found is None:
        raise OptionError(
            "--arithmetic groupwise needs weights with a common factor in each block of rows, as "
            "blockwise quantisation gives them; these have none: give this layer shift-add"
        )
    starts = [
        c + sum(v * column[k] for k, v in known)
        for c, column in zip(constants, columns, strict=True)
    ]
    behind: dict[int, list[int]] = {}  # what each sum of a block is multiplied by in every column
    for g, factors in enumerate(found.factors.tolist()):
        rows = slice(g * found.size, (g + 1) * found.size)
        for j, term in enumerate(graph_terms(b, wires[rows], found.codes[rows])):
            if term is not None:
                row = behind.setdefault(term.wire, [0] * len(columns))
                row[j] += (-factors[j] if term.negative else factors[j]) << term.shift
    outer = list(zip(*behind.values(), strict=True))
    return matrix(b, list(behind), outer, starts, Arithmetic.SHIFT_ADD)


def _only(rows: Sequence[int], columns: Sequence[Sequence[int]]) -> IntArray:
    """The matrix with zeros in all other rows: blocks stay where they are."""
    weights = field.to_int64(np.array(columns, dtype=object).T)
    kept = np.zeros_like(weights)
    kept[rows] = weights[rows]
    return kept
