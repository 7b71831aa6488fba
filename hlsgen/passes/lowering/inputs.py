"""How network inputs enter: declared formats, integer types, and formats that are assumed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.declared import Declared, parse_format
from hlsgen.arith.rounding import Rounding
from hlsgen.expr import tree
from hlsgen.expr.affine import ZERO
from hlsgen.expr.tree import Apply, Expr, Param, Source
from hlsgen.ir.hw import IntType
from hlsgen.ir.model import Model, ModelType
from hlsgen.ops.model.elementwise import Fn
from hlsgen.passes.lowering.emission import Builder

DEFAULT_FORMAT = "fixed<16,6>"
INTEGER_NETWORK_FORMAT = "int16"
WIDTH = 16


def network_input(
    b: Builder, name: str, item: ModelType, how: Declared | None
) -> tuple[Expr, Expr | None]:
    """(value, rounded value); the second where the network computes with rounded numbers.

    A declared or integer input is hardware at once; another waits for its quantiser.
    """
    source = Source(name, item.shape)
    if how is not None:
        return _declared(b, source, how, item)
    if item.dtype == "bool":
        return b.input(source, IntType.of(item.shape, 0, 1), name), None
    if item.is_integer:
        codes = parse_format(item.dtype).codes
        return b.input(source, IntType.of(item.shape, codes.lo, codes.hi), name), None
    return source, None


def _declared(
    b: Builder, source: Source, how: Declared, item: ModelType
) -> tuple[Expr, Expr | None]:
    low, high = (Param.of(np.array(v, dtype=object)) for v in (how.codes.lo, how.codes.hi))
    scaled = tree.mul(source, Param.of(1 / how.unit))
    whole = tree.apply(Rounding.HALF_UP, scaled)
    codes = tree.apply(Fn.MIN, tree.apply(Fn.MAX, whole, low), high)
    bounds = IntType.of(item.shape, how.codes.lo, how.codes.hi)
    leaf = b.input(codes, bounds, source.name)
    unit = Param.of(how.unit)
    rounded = None if item.is_integer else tree.mul(codes, unit)
    return tree.affine(leaf, unit, ZERO), rounded


def choices(prologue: Expr) -> frozenset[int] | None:
    """The only integers of an input whose quantiser chooses among constants; else None.

    A BipolarQuant is one: 1 where x >= 0, else -1, never 0. The host can hand over nothing else.
    """
    match prologue:
        case Param(values=values) if tree.is_integer(prologue):
            return frozenset(int(v) for v in values.flat)
        case Apply(fn=Fn.WHERE, args=(_, yes, no)):
            among, others = choices(yes), choices(no)
            return None if among is None or others is None else among | others
        case _:
            return None


@dataclass(frozen=True, slots=True)
class Spread:
    """Least and greatest value of the data at hand, and whether all are whole numbers."""

    low: float
    high: float
    whole: bool


def assumed(model: Model, name: str, data: Spread | None) -> tuple[Declared, str]:
    """The format of an input that nothing declares, and the line that says so."""
    integers = _whole_numbers(model) and (data is None or data.whole)
    default = INTEGER_NETWORK_FORMAT if integers else DEFAULT_FORMAT
    text, why = default, ""
    if data is not None and _saturates(parse_format(default), data):
        text = f"fixed<{WIDTH},{_integer_bits(data)}>"
        why = f" because the data reach from {data.low:g} to {data.high:g}"
    note = (
        f"input '{name}' has no quantiser and no declared format: taken as {text}{why} "
        f"(rounded and saturated); --input {name}=FORMAT says otherwise"
    )
    return parse_format(text), note


def _whole_numbers(model: Model) -> bool:
    """An integer network in plain operators: every constant is a whole number."""
    return all(
        bool(np.all(v == np.floor(v))) for v in model.constants.values() if v.dtype.kind == "f"
    )


def _saturates(how: Declared, data: Spread) -> bool:
    low, high = (float(v * how.unit) for v in (how.codes.lo, how.codes.hi + 1))
    return data.low < low or data.high >= high


def _integer_bits(data: Spread) -> int:
    """Bits before the point, the sign's included, that hold the data."""
    low, high = data.low, data.high
    bits = 1
    if math.isfinite(low) and math.isfinite(high):
        while low < -(2.0 ** (bits - 1)) or high >= 2.0 ** (bits - 1):
            bits += 1
    return bits
