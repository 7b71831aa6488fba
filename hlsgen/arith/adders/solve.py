"""A constant matrix as the smallest graph of adders that the effort finds."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.adders import native
from hlsgen.arith.adders.digits import digit_trees
from hlsgen.arith.adders.graph import Adder, AdderGraph, Range, Term, coefficients
from hlsgen.arith.signed_digit import csd_weight
from hlsgen.compiler import cache_dir
from hlsgen.errors import HlsgenError, OptionError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Options:
    """How to search; equal options give equal graphs at any load, as no clock is read.

    `max_depth` bounds the adders on any way from an input to an output, None for no bound.
    `effort` scales the count of improvement steps, which grows with the matrix: 0 is one greedy
    pass, 1 the default. `three_input` permits adders of three operands.
    """

    max_depth: int | None = None
    effort: float = 1.0
    seed: int = 0
    three_input: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.effort <= 1e6:
            raise OptionError(f"effort must be from 0 to 1e6, got {self.effort}")
        if not 0 <= self.seed < 1 << 63:
            raise OptionError(f"seed must be from 0 to 2^63 - 1, got {self.seed}")

    @property
    def radix(self) -> int:
        """Operands of an adder at most."""
        return 3 if self.three_input else 2


def solve(
    matrix: Array,
    input_ranges: Sequence[Range],
    *,
    max_depth: int | None = None,
    effort: float = 1.0,
    seed: int = 0,
    three_input: bool = False,
    cached: bool = True,
) -> AdderGraph:
    """y = x @ matrix by shifts and adds: exact, within the depth, at little cost.

    An input whose range is [0, 0] takes no part, whatever stands in its row. Where sums leave the
    search's 62 bits, it sees coarser ranges, which only costs it some precision about widths;
    where coefficients do, each column is the tree of its digits (`AdderGraph.searched` says no).
    Shapes: matrix (n_in, n_out), integers; `input_ranges` (lo, hi) for each input.
    Every graph, found or read from the cache, is multiplied out and compared with the matrix.
    Errors: OptionError for a depth below `least_depth`, or arguments that do not fit together;
    ToolMissing without a C++ compiler.
    Source: greedy sharing of two-term patterns (Hartley 1996), applied to terms and, transposed,
    to rows; depth by Kraft's inequality; improvement by ruin and recreate (Schrimpf et al. 2000).
    """
    options = Options(max_depth, effort, seed, three_input)
    whole, shifts, ranges = _checked(matrix, input_ranges)
    wanted = whole.copy()
    wanted[[k for k, r in enumerate(ranges) if r == (0, 0)]] = 0
    if not wanted.any():
        return AdderGraph(ranges, (), (None,) * wanted.shape[1])
    least = least_depth(wanted, three_input=three_input)
    if max_depth is not None and max_depth < least:
        raise OptionError(f"max_depth must be {least} or more for this matrix, got {max_depth}")
    if _largest(wanted) < _LIMIT:
        graph = _solved(wanted.astype(np.int64), ranges, options, cached)
    else:
        graph = digit_trees(wanted, ranges, options.radix)
    outputs = tuple(
        None if t is None else replace(t, shift=t.shift + by)
        for t, by in zip(graph.outputs, shifts, strict=True)
    )
    return replace(graph, outputs=outputs)


def _solved(matrix: Array, ranges: tuple[Range, ...], options: Options, cached: bool) -> AdderGraph:
    path = _cache_path(matrix, ranges, options)
    kept = _read(path) if cached else None
    if kept is not None:
        graph = _accepted(kept, matrix, ranges, options)
        if graph is not None:
            return graph
    made = _search(matrix, _coarse(ranges, _LIMIT // _largest(matrix)), options)
    graph = _accepted(made, matrix, ranges, options)
    if graph is None:
        raise HlsgenError("adder graphs: the search returned a graph of another matrix or depth")
    if cached:
        _write(path, made)
    return graph


def least_depth(matrix: Array, *, three_input: bool = False) -> int:
    """Levels without which no graph exists: the least d with operands^d >= digits of a column.

    A value d levels deep is a sum of at most operands^d signed powers of two times inputs, and
    the non-adjacent form of a column has the fewest; as a balanced tree it takes that many levels.
    """
    columns = np.asarray(matrix).T.tolist()
    most = max((sum(csd_weight(m) for m in column) for column in columns), default=0)
    depth, reach = 0, 1
    while reach < most:
        depth, reach = depth + 1, reach * (3 if three_input else 2)
    return depth


def _checked(
    matrix: Array, input_ranges: Sequence[Range]
) -> tuple[Array, list[int], tuple[Range, ...]]:
    """The matrix without the powers of two common to a column, their exponents, and the ranges."""
    given = np.asarray(matrix)
    if given.ndim != 2 or given.shape[0] != len(input_ranges):
        raise OptionError(
            f"a matrix of shape (n_in, n_out) and n_in ranges are needed, "
            f"got shape {given.shape} and {len(input_ranges)} ranges"
        )
    ranges = tuple((int(lo), int(hi)) for lo, hi in input_ranges)
    for k, (lo, hi) in enumerate(ranges):
        if lo > hi:
            raise OptionError(f"input {k} needs lo <= hi, got [{lo}, {hi}]")
    if given.dtype.kind not in "iub" and not all(isinstance(v, int) for v in given.flat):
        raise OptionError(f"the matrix must hold integers, got {given.dtype}")
    columns: list[list[int]] = [[int(v) for v in column] for column in given.T.tolist()]
    shifts = [_power_of_two(column) for column in columns]
    columns = [[v >> by for v in c] for c, by in zip(columns, shifts, strict=True)]
    odd = np.array(columns, dtype=object).reshape(given.shape[::-1])
    return np.ascontiguousarray(odd.T), shifts, ranges


# Partial sums of signed digits stay below 5/3 of a column's magnitudes, differences of two columns
# below twice that; the search has 62 bits for them.
_LIMIT = 1 << 60


def _largest(matrix: Array) -> int:
    """The greatest sum of the magnitudes in a column."""
    return max(sum(abs(v) for v in column) for column in matrix.T.tolist())


def _coarse(ranges: tuple[Range, ...], most: int) -> tuple[Range, ...]:
    """The ranges over a power of two, so that their magnitudes stay below `most`.

    None becomes [0, 0]: such an input would take no part.
    """
    greatest = max(abs(v) for r in ranges for v in r)
    by = next(s for s in range(greatest.bit_length() + 1) if (greatest >> s) + 1 <= max(most, 1))
    if not by:
        return ranges
    return tuple(
        r if r == (0, 0) else (r[0] >> by, max(r[1] >> by, 1 if r[0] >= 0 else 0)) for r in ranges
    )


def _power_of_two(column: Sequence[int]) -> int:
    """The greatest s such that 2^s divides every element; 0 for zeros."""
    bits = 0
    for value in column:
        bits |= value
    return (bits & -bits).bit_length() - 1 if bits else 0


def _accepted(
    flat: Array, matrix: Array, ranges: tuple[Range, ...], options: Options
) -> AdderGraph | None:
    """The graph that an answer describes, or None if it is not one for this matrix and depth."""
    try:
        graph = _graph(flat.tolist(), ranges, matrix.shape[1])
    except (ValueError, IndexError):
        return None
    if options.max_depth is not None and graph.depth > options.max_depth:
        return None
    if not options.three_input and any(len(adder) > 2 for adder in graph.adders):
        return None
    return graph if np.array_equal(coefficients(graph), matrix) else None


def _graph(flat: list[int], ranges: tuple[Range, ...], outputs: int) -> AdderGraph:
    """Adders as count, then node, shift, negative of each term; then the same of each output.

    The answer numbers live inputs only.
    """
    live = _live(ranges)
    names = [*live, *range(len(ranges), len(ranges) + flat[0])]

    def term(at: int) -> Term:
        return Term(names[flat[at]], flat[at + 1], bool(flat[at + 2]))

    at = 1
    adders: list[Adder] = []
    for _ in range(flat[0]):
        end = at + 1 + 3 * flat[at]
        adders.append(tuple(term(k) for k in range(at + 1, end, 3)))
        at = end
    ports = [term(k) if flat[k] >= 0 else None for k in range(at, len(flat), 3)]
    if len(ports) != outputs:
        raise ValueError("another number of outputs")
    return AdderGraph(ranges, tuple(adders), tuple(ports))


def _live(ranges: Sequence[Range]) -> list[int]:
    """Inputs that are not always 0."""
    return [k for k, r in enumerate(ranges) if r != (0, 0)]


# Memory grows with the square of the digits in a row: 512 x 512 entries of 4 bits, 4.5e5 digits,
# took 1.9 GB.
_MOST_DIGITS = 600_000


def _search(matrix: Array, ranges: tuple[Range, ...], options: Options) -> Array:
    """The core's answer; a matrix too large for it in blocks of columns that share nothing."""
    part = matrix[_live(ranges)]
    digits = sum(csd_weight(m) for row in part.tolist() for m in row)
    blocks = min(part.shape[1], -(-digits // _MOST_DIGITS))
    answers = [
        _search_block(block, ranges, options) for block in np.array_split(part, blocks, axis=1)
    ]
    return answers[0] if blocks == 1 else _joined(answers, len(part))


def _joined(answers: list[Array], inputs: int) -> Array:
    """One answer from several over the same inputs, nodes numbered on."""
    adders: list[int] = []
    ports: list[int] = []
    before = 0
    for answer in answers:
        flat = answer.tolist()
        at, end = 1, len(flat)
        for _ in range(flat[0]):
            adders.append(flat[at])
            for term in range(at + 1, at + 1 + 3 * flat[at], 3):
                adders += [_moved(flat[term], inputs, before), *flat[term + 1 : term + 3]]
            at += 1 + 3 * flat[at]
        for term in range(at, end, 3):
            ports += [_moved(flat[term], inputs, before), *flat[term + 1 : term + 3]]
        before += flat[0]
    return np.array([before, *adders, *ports], dtype=np.int64)


def _moved(node: int, inputs: int, before: int) -> int:
    return node + before if node >= inputs else node


def _search_block(part: Array, ranges: tuple[Range, ...], options: Options) -> Array:
    live = _live(ranges)
    wide = 4 * int(np.abs(part).sum(axis=0).max(initial=0)) >= 1 << 31
    depth = 1 << 20 if options.max_depth is None else options.max_depth
    numbers = [*part.shape, depth, options.radix, options.seed, round(options.effort * 1000)]
    lo, hi = (np.array([ranges[k][i] for k in live], dtype=np.int64) for i in (0, 1))
    return native.search(np.array(numbers), part, lo, hi, wide=wide)[1:]


def _cache_path(matrix: Array, ranges: tuple[Range, ...], options: Options) -> Path:
    key = f"{native.digest()}\0{matrix.shape}\0{ranges}\0{options}\0".encode()
    name = hashlib.sha256(key + matrix.tobytes()).hexdigest()[:40]
    return cache_dir(native.KIND) / f"{name}.npy"


def _read(path: Path) -> Array | None:
    try:
        flat = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return flat if flat.dtype == np.int64 and flat.ndim == 1 and flat.size else None


def _write(path: Path, flat: Array) -> None:
    """Whole or not at all; a cache that cannot be written is no error."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix="new-", suffix=".npy")
        with os.fdopen(handle, "wb") as file:
            np.save(file, flat)
        Path(name).replace(path)
    except OSError:
        return
