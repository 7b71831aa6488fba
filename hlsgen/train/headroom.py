"""Whether float64 holds every sum of a network exactly: why evaluation is exact."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import Tensor, fx, nn

from hlsgen.train.layers import QuantisedNorm, QuantisedProduct
from hlsgen.train.operators import (
    Add,
    AveragePool,
    Concat,
    Elementwise,
    Function,
    GlobalAveragePool,
    Norm,
    Operator,
    Output,
    Product,
    Quantisation,
    Reshape,
)
from hlsgen.train.precision_gate import GatedProduct
from hlsgen.train.quantisers.quantiser import Quantiser
from hlsgen.train.reading import read, refuse
from hlsgen.train.tracing import modules_of

MOST_BITS = 50  # a quotient of so wide a number rounds to an integer as the exact one does


@dataclass(frozen=True, slots=True)
class Extent:
    """A value is a multiple of 2**unit, its size at most `most`."""

    unit: int
    most: float

    @property
    def bits(self) -> int:
        """How many bits its size takes."""
        return math.frexp(self.most)[1] - self.unit

    def __add__(self, other: Extent) -> Extent:
        return Extent(min(self.unit, other.unit), self.most + other.most)

    def __mul__(self, other: Extent) -> Extent:
        return Extent(self.unit + other.unit, self.most * other.most)


_NOTHING = Extent(64, 0.0)
_EXACT = (Function.RELU, Function.CLIP, Function.LEAKY_RELU)


def check_headroom(body: fx.GraphModule) -> None:
    """Whether evaluation mode rounds no sum on its way to a quantiser or out of the network.

    Errors: Unsupported naming the value that float64 might round.
    """
    modules, extents = modules_of(body), dict[fx.Node, Extent | None]()
    for node in body.graph.nodes:
        operator = read(node, modules)
        if isinstance(operator, (Quantisation, Output)):
            for source in node.all_input_nodes:
                _check(source, extents[source])
        extents[node] = _extent(operator, node, [extents[n] for n in node.all_input_nodes])


def _check(node: fx.Node, extent: Extent | None) -> None:
    if extent is not None and extent.bits > MOST_BITS:
        raise refuse(
            node,
            f"sums of {extent.bits} bits, of which float64 holds {MOST_BITS} with certainty; "
            "take fewer bits, or scales that are powers of two (Qfx)",
        )


def _extent(operator: Operator, node: fx.Node, sources: list[Extent | None]) -> Extent | None:
    """The extent of a node's value, None where it is no sum of products (inputs, curves)."""
    match operator:
        case Reshape():
            return sources[0]
        case Quantisation(module):
            return _codes(module)
        case Elementwise(function) if function not in _EXACT:
            return None
        case _:
            known = [source for source in sources if source is not None]
            if not known or len(known) < len(sources):
                return None
            return _exact(operator, node, known)


def _exact(  # noqa: C901 - one case an operator
    operator: Operator, node: fx.Node, sources: list[Extent]
) -> Extent:
    x = sources[0]
    match operator:
        case Product(module):
            return _product(module, x)
        case Norm(module):
            assert isinstance(module, QuantisedNorm)
            a, b = (numbers_extent(t) for t in module.numbers(torch.float64))
            return a * x + b
        case Elementwise(Function.LEAKY_RELU, (slope,)):
            low = x * Extent(_unit(slope), max(abs(slope), 1.0))
            return Extent(min(x.unit, low.unit), low.most)
        case Elementwise(Function.CLIP, bounds):
            return x + Extent(min(_unit(b) for b in bounds), 0.0)
        case AveragePool(window, _):
            return _mean(x, math.prod(window.kernel))
        case GlobalAveragePool():
            return _mean(x, math.prod(node.meta["source_shape"][2:]))
        case Add():
            return x + sources[-1]
        case Concat():
            return Extent(min(s.unit for s in sources), max(s.most for s in sources))
        case _:
            return x


def _mean(x: Extent, count: int) -> Extent:
    """The sum is exact, its quotient rounded once: as near to a tie as bits of the count allow."""
    return Extent(x.unit - count.bit_length(), x.most * count)


def _codes(module: nn.Module) -> Extent:
    assert isinstance(module, Quantiser)
    grid = module.grid()
    most = max(-grid.low, grid.high) * float(grid.scale.abs().max())
    return Extent(numbers_extent(grid.scale).unit, most)


def _product(module: nn.Module, x: Extent) -> Extent:
    assert isinstance(module, QuantisedProduct)
    if isinstance(module, GatedProduct):
        x = _codes(module.input_quantiser)
    w, b = module.weight(torch.float64).detach(), module.bias(torch.float64)
    rows = float(w.abs().reshape(len(w), -1).sum(1).max())
    unit = numbers_extent(w).unit
    y = Extent(x.unit + unit, x.most * rows)
    return y if b is None else y + numbers_extent(b)


def numbers_extent(numbers: Tensor) -> Extent:
    """The extent of a tensor of known numbers."""
    values = cast("Iterable[float]", np.unique(numbers.detach().cpu().numpy()).tolist())
    found = [Extent(_unit(v), abs(v)) for v in values if v]
    if not found:
        return _NOTHING
    return Extent(min(e.unit for e in found), max(e.most for e in found))


def _unit(value: float) -> int:
    """The exponent of the least power of two that a number is a multiple of."""
    top, bottom = value.as_integer_ratio()
    return (top & -top).bit_length() - bottom.bit_length() if top else _NOTHING.unit
