"""Constant matrices as shifts and adds: the graph, what it computes, its widths and its cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Range = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Term:
    """(-1)^negative * value(node) * 2^shift; inputs are nodes 0.., adders follow in their order."""

    node: int
    shift: int = 0
    negative: bool = False


Adder = tuple[Term, ...]


@dataclass(frozen=True)
class AdderGraph:
    """y = x @ W, every node an integer: the sum of the two or three terms of its adder.

    Shapes: `inputs` n_in; `outputs` n_out, None for a column of zeros. Node k is input k below
    n_in and adder k - n_in from there; an adder refers to earlier nodes only.
    Units: `inputs` holds the least and the greatest integer of each input, both attained, inputs
    independent of each other.
    Hardware: no adder has only negative terms, since -a-b takes two adders. A negative output is a
    negation, an adder of its own behind the node, shared by all outputs that negate that node.
    `searched` is whether adders that columns could share were looked for.
    Errors: ValueError where one of these does not hold.
    """

    inputs: tuple[Range, ...]
    adders: tuple[Adder, ...]
    outputs: tuple[Term | None, ...]
    searched: bool = True

    def __post_init__(self) -> None:
        for k, (lo, hi) in enumerate(self.inputs):
            if lo > hi:
                raise ValueError(f"input {k} has the empty range [{lo}, {hi}]")
        for k, adder in enumerate(self.adders):
            if len(adder) not in (2, 3) or all(t.negative for t in adder):
                raise ValueError(f"adder {k} needs 2 or 3 terms, one of them positive: {adder}")
            _check(adder, len(self.inputs) + k, f"adder {k}")
        terms = [t for t in self.outputs if t is not None]
        _check(terms, len(self.inputs) + len(self.adders), "outputs")

    @cached_property
    def levels(self) -> tuple[int, ...]:
        """Adders on the longest way from an input to each node; 0 for inputs."""
        levels = [0] * len(self.inputs)
        for adder in self.adders:
            levels.append(1 + max(levels[t.node] for t in adder))
        return tuple(levels)

    @cached_property
    def ranges(self) -> tuple[Range, ...]:
        """The least and greatest value of every node, both attained.

        From the coefficients c over the inputs, min = sum c*lo where c > 0 plus c*hi where c < 0,
        and not from the operands' ranges, which would lose what cancels.
        """
        return tuple(zip(*_ranges(self), strict=True))

    @property
    def depth(self) -> int:
        """Adders on the longest way to an output; negations at outputs are not counted."""
        return max((self.levels[t.node] for t in self.outputs if t is not None), default=0)

    @cached_property
    def negated(self) -> tuple[int, ...]:
        """Nodes that outputs negate, ascending: one negation for each."""
        return tuple(sorted({t.node for t in self.outputs if t is not None and t.negative}))

    def adder_luts(self, index: int, *, strict: bool = False) -> int:
        """LUTs of adder `index`: its exact width, less low bits that are wires, plus 1 for three.

        Low bits below every term are constant zeros; those which only the lowest term reaches
        pass through unless it is subtracted. Two added terms whose bits do not overlap, the lower
        one never negative, are a concatenation and cost 0. `strict` gives a three-input adder its
        full width + 1: no credit for bits that pass.
        """
        adder = self.adders[index]
        low, *rest = sorted(adder, key=lambda t: (t.shift, t.negative))
        wires = low.shift if low.negative else rest[0].shift
        node = len(self.inputs) + index
        if len(adder) == 3:
            return max(1, width(*self.ranges[node]) + 1 - (low.shift if strict else wires))
        lo, hi = self.ranges[low.node]
        if not (low.negative or rest[0].negative) and lo >= 0 and hi << low.shift < 1 << wires:
            return 0
        return max(0, width(*self.ranges[node]) - wires)

    def negation_luts(self, node: int) -> int:
        """LUTs of -value(node): its full width."""
        lo, hi = self.ranges[node]
        return width(-hi, -lo)

    def cost(self, *, strict: bool = False) -> int:
        """LUTs of all adders and of the negations at outputs."""
        adders = sum(self.adder_luts(k, strict=strict) for k in range(len(self.adders)))
        return adders + sum(self.negation_luts(node) for node in self.negated)


def width(lo: int, hi: int) -> int:
    """Bits of the integers lo..hi: two's complement where lo < 0, otherwise unsigned; 0 for 0."""
    if lo < 0:
        return max((-lo - 1).bit_length(), hi.bit_length()) + 1
    return hi.bit_length()


def evaluate(graph: AdderGraph, x: Array) -> Array:
    """y = x @ W, adder by adder, exactly.

    Shapes: x (..., n_in), y (..., n_out). Formats: int64, or Python integers (object) where some
    node might leave int64 or x is of that kind itself.
    """
    x = np.asarray(x)
    flat = x.reshape(-1, len(graph.inputs)).T
    most = max((abs(int(v)) for v in (x.min(), x.max())), default=0) if x.size else 0
    nodes = _propagate(graph, flat, most)
    return _outputs(graph, nodes).T.reshape(*x.shape[:-1], len(graph.outputs))


def coefficients(graph: AdderGraph) -> Array:
    """W, rebuilt from the adders: output j is the sum over i of W[i, j] * input i.

    Shapes: (n_in, n_out). Formats: int64, or Python integers (object) where those might not do.
    """
    blocks = [_outputs(graph, nodes) for _, nodes in _coefficients(graph)]
    if not blocks:
        return np.zeros((0, len(graph.outputs)), dtype=np.int64)
    return np.concatenate(blocks, axis=1).T


def _check(terms: Sequence[Term], nodes: int, where: str) -> None:
    for t in terms:
        if not 0 <= t.node < nodes or t.shift < 0:
            raise ValueError(f"{where}: {t} needs a node below {nodes} and a shift of 0 or more")


# Coefficients are made for this many inputs at a time: a graph of 10^5 adders over 10^3 inputs
# would take a gigabyte as one matrix.
_BLOCK = 64


def _coefficients(graph: AdderGraph) -> Iterator[tuple[slice, Array]]:
    """Each block of inputs with the coefficients of all nodes over it, (nodes, inputs)."""
    n = len(graph.inputs)
    for start in range(0, n, _BLOCK):
        block = slice(start, min(start + _BLOCK, n))
        unit = np.zeros((n, block.stop - start), dtype=np.int64)
        unit[np.arange(start, block.stop), np.arange(block.stop - start)] = 1
        yield block, _propagate(graph, unit, 1)


def _ranges(graph: AdderGraph) -> tuple[list[int], list[int]]:
    nodes = len(graph.inputs) + len(graph.adders)
    most = max((abs(v) for r in graph.inputs for v in r), default=0)
    kind = np.int64 if _fits(graph, most) else object
    lo, hi = np.zeros(nodes, dtype=kind), np.zeros(nodes, dtype=kind)
    for block, c in _coefficients(graph):
        least, greatest = (np.array(v, dtype=kind) for v in zip(*graph.inputs[block], strict=True))
        positive, negative = np.maximum(c, 0).astype(kind), np.minimum(c, 0).astype(kind)
        lo += positive @ least + negative @ greatest
        hi += positive @ greatest + negative @ least
    return lo.tolist(), hi.tolist()


def _fits(graph: AdderGraph, most: int) -> bool:
    """Whether inputs of magnitude `most` keep every sum of magnitudes within int64."""
    norms = [most] * len(graph.inputs)
    for adder in graph.adders:
        norms.append(sum(norms[t.node] << t.shift for t in adder))
    outputs = (norms[t.node] << t.shift for t in graph.outputs if t is not None)
    return max([*norms, *outputs], default=0) < 1 << 63


def _propagate(graph: AdderGraph, inputs: Array, most: int) -> Array:
    """Values of all nodes, (nodes, samples), from those of the inputs, one level at a time."""
    n = len(graph.inputs)
    kind = np.int64 if inputs.dtype != object and _fits(graph, most) else object
    values = np.zeros((n + len(graph.adders), inputs.shape[1]), dtype=kind)
    values[:n] = inputs
    levels = np.array(graph.levels[n:], dtype=np.int64)
    sizes = np.array([len(adder) for adder in graph.adders], dtype=np.int64)
    for level in range(1, int(levels.max(initial=0)) + 1):
        for size in (2, 3):
            which = np.flatnonzero((levels == level) & (sizes == size))
            for k in range(size):
                terms = [graph.adders[i][k] for i in which]
                values[n + which] += _scaled(terms, values)
    return values


def _scaled(terms: Sequence[Term], values: Array) -> Array:
    factors = [-1 << t.shift if t.negative else 1 << t.shift for t in terms]
    nodes = np.array([t.node for t in terms], dtype=np.int64)
    return values[nodes] * np.array(factors, dtype=values.dtype)[:, None]


def _outputs(graph: AdderGraph, values: Array) -> Array:
    result = np.zeros((len(graph.outputs), values.shape[1]), dtype=values.dtype)
    which = [j for j, t in enumerate(graph.outputs) if t is not None]
    result[which] = _scaled([t for t in graph.outputs if t is not None], values)
    return result
