"""Layers whose weights are replaced later: their ranges come from a budget, not from weights."""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter

import numpy as np

from hlsgen.arith.budget import Budget, Reloadable, Units, least_bits
from hlsgen.arith.format import IntFormat
from hlsgen.errors import OptionError
from hlsgen.expr.constant import gcd_of
from hlsgen.expr.tree import Expr, Leaf, Param
from hlsgen.ir.field import to_int64, to_object
from hlsgen.ir.hw import IntArray
from hlsgen.ops.hw._exact import product
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.passes.lowering.affine import rational
from hlsgen.passes.lowering.emission import Builder
from hlsgen.passes.lowering.weights import weights

ALL = ""  # the key that stands for every layer without an entry of its own
_NARROW = 15  # bits of the greatest magnitude in weights of 16 bits


def layer_weights(b: Builder, e: Expr, kept: int) -> tuple[IntArray, Expr]:
    """(integers, unit) of a layer's weights, outputs along the axis `kept`.

    A reloadable layer keeps the unit that it was built with, whatever its new weights have in
    common. It is one for all outputs where weights of at most 16 bits come of that.

    Errors: OptionError with the first output whose weights are no multiples of its unit.
    """
    values, unit = weights(b, e, (kept,))
    asked = _asked(b)
    if asked is None:
        return values, unit
    exact = rational(unit, "reloadable weights", values.ndim)
    shape = [-1 if axis == kept else 1 for axis in range(values.ndim)]
    wanted = np.array(asked.units or _units(values, exact, kept), dtype=object).reshape(shape)
    ratio = np.asarray(exact / wanted, dtype=object)
    top, bottom = (
        np.frompyfunc(get, 1, 1)(ratio)
        for get in (attrgetter("numerator"), attrgetter("denominator"))
    )
    scaled = product(values, top)
    wrong = np.moveaxis(np.broadcast_to(scaled % bottom != 0, scaled.shape), kept, 0)
    if wrong.any():
        channel = int(np.argwhere(wrong)[0][0])
        raise OptionError(
            f"{b.loc.name or b.hint}: the weights of channel {channel} are no multiples of the "
            f"unit {wanted.flat[channel % wanted.size]} of this design; keep the scales"
        )
    return to_int64(np.asarray(scaled // bottom, dtype=object)), Param.of(wanted)


def _units(values: IntArray, exact: IntArray, kept: int) -> Units:
    """One unit for all outputs if weights stay narrow, else one for each."""
    common = gcd_of(exact.flat)
    other = tuple(axis for axis in range(values.ndim) if axis != kept)
    sizes = np.abs(to_object(values)).max(axis=other, keepdims=True) * exact / common
    return (common,) if sizes.max(initial=0) < 1 << _NARROW else tuple(exact.flat)


def _asked(b: Builder) -> Reloadable | None:
    """What is said of the layer that is being lowered, if it is reloadable."""
    keys = [key for key in (b.loc.name, b.hint, ALL) if key in b.reloadable]
    return b.reloadable[keys[0]] if keys else None


def budgeted(b: Builder, op: MatMul | Conv, x: Leaf, unit: Expr, *, zero: bool) -> MatMul | Conv:
    """The operator with its budget, where it was asked for; `zero`: the operand's zero is code 0.

    Errors: OptionError where anything but the weights would change with them, or the weights at
    hand are over the budget that was given.
    """
    layer = b.loc.name or b.hint
    b.weighted |= {b.loc.name: layer, b.hint: layer}
    asked = _asked(b)
    if asked is None:
        return op
    if not zero:
        raise OptionError(
            f"--reloadable {layer}: zero of its operand is not code 0, so that its bias changes "
            "with the weights; quantise the operand with zero point 0"
        )
    rows, reach = op.output_rows, op.reach(b.type_of(x))
    bits = asked.bits or least_bits(rows, reach)
    units = tuple(rational(unit, "reloadable weights").flat)
    budget = Budget.of(layer, asked.format or _format(rows), bits, reach, units)
    budget.check(rows)
    return replace(op, budget=budget)


def _format(rows: IntArray) -> IntFormat:
    most = max(abs(int(rows.min(initial=0))), abs(int(rows.max(initial=0))), 1)
    return IntFormat.of_range(-most, most)


def check_reloadable(b: Builder) -> None:
    """Errors: OptionError for a layer that is not there, or has no constant weights."""
    for name in b.reloadable:
        if name != ALL and name not in b.weighted:
            there = ", ".join(dict.fromkeys(b.weighted.values())) or "none"
            raise OptionError(
                f"--reloadable {name}: no layer of this name has constant weights in {b.loc.file}; "
                f"those that have: {there}"
            )
