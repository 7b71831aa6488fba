"""Element by element operators as units: a token of each operand in, a token of the result out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.processes import each_step
from hlsgen.emit.rtl.builder import Builder
from hlsgen.emit.rtl.cells import Term
from hlsgen.emit.rtl.stairs import stair
from hlsgen.emit.rtl.stream.functions import Part, function
from hlsgen.emit.rtl.stream.lookup import chosen, stair_at
from hlsgen.emit.rtl.stream.unit import Unit, bits_for, period
from hlsgen.emit.rtl.sums import total, weighted
from hlsgen.emit.streaming import fields, stream_order
from hlsgen.emit.views import Operator
from hlsgen.errors import Unsupported
from hlsgen.ir.hw import HwOp, IntArray, IntType
from hlsgen.ops.hw.clamp import Clamp
from hlsgen.ops.hw.extremum import Extremum
from hlsgen.ops.hw.linear import Linear
from hlsgen.ops.hw.product import Product
from hlsgen.ops.hw.staircase import Staircase

Values = tuple[int, ...]  # of a constant, place by place


def map_unit(
    operator: Operator, name: str, reads: Sequence[str], write: str, clock_ns: float
) -> Unit:
    """The unit of an element by element operator; its constants may depend on the place."""
    op, y = operator.node.op, operator.y[0]
    tables = constants(op, y.shape, y.lanes)
    places = period(*tables) if tables else 1
    operands = {f"x{k}": _token(v.type, v.lanes) for k, v in enumerate(operator.x)}
    if places > 1:
        operands["place"] = IntType.of((1,), 0, places - 1)
    parts = [
        _lane(op, lane, [tuple(t[:places, lane].tolist()) for t in tables], len(operator.x))
        for lane in range(y.lanes)
    ]
    f = function(f"{name}_f", operator.title, operands, _token(y.type, y.lanes), parts, clock_ns)
    numbers = {"operator": operator, "places": places, "place_bits": bits_for(places), "f": f}
    return Unit(
        name, operator.title, name, each_step(y.beats, reads=len(reads)), tuple(reads), (write,),
        1 + f.latency, frame="rtl/stream/map.sv.j2", numbers=numbers, functions=(f,),
    )  # fmt: skip


def _token(of: IntType, lanes: int) -> IntType:
    return IntType.of((lanes,), of.min, of.max)


def constants(op: HwOp, shape: tuple[int, ...], lanes: int) -> list[IntArray]:
    """The operator's constants as (tokens, lanes), in the order of the stream."""
    order = stream_order(shape)
    found: list[IntArray] = []
    for field in _fields(op):
        wide = np.broadcast_to(field, shape).reshape(-1)[order]
        found.append(wide.reshape(-1, lanes))
    return found


def _fields(op: HwOp) -> list[IntArray]:
    match op:
        case Clamp(lo, hi):
            return [lo, hi]
        case Linear(factors, bias):
            return [bias, *factors]
        case Staircase(row=row) if fields(op):
            return [row]
        case _:
            return []


def _lane(op: HwOp, lane: int, values: Sequence[Values], operands: int) -> Part:
    """One lane; lanes with the same constants are copies of one kernel."""
    where = [(0,)] if values and len(values[0]) > 1 else []
    reads = (*((lane,) for _ in range(operands)), *where)
    return Part(tuple(values), reads, (lane,), _weave(op, values, operands))


def _weave(op: HwOp, values: Sequence[Values], operands: int) -> Any:
    def weave(b: Builder, ports: Sequence[int]) -> list[int]:
        place = ports[operands] if len(ports) > operands else b.literal(0)
        return [_result(op)(b, ports[:operands], place, values)]

    return weave


def _result(op: HwOp) -> Callable[[Builder, Sequence[int], int, Sequence[Values]], int]:
    """How the operator's result is made of operands, the place, and constants by place."""

    def result(b: Builder, x: Sequence[int], place: int, values: Sequence[Values]) -> int:
        match op:
            case Staircase(realisation=how):
                if not values:
                    return stair(b, x[0], how, 0, Arithmetic.TOOL)
                return stair_at(b, place, x[0], how, values[0])
            case Clamp():
                low, high = (chosen(b, place, v) for v in values)
                floor = b.extremum(x[0], low, greatest=True)
                return b.extremum(floor, high, greatest=False)
            case Linear():
                return _linear(b, x, place, values)
            case Extremum(greatest):
                return b.extremum(x[0], x[1], greatest=greatest)
            case Product(zeros):
                left, right = (b.sum([Term(w)], -z) for w, z in zip(x, zeros, strict=True))
                return b.product(left, right)
            case _:
                raise Unsupported(f"{type(op).__name__} is no element by element operator")

    return result


def _linear(b: Builder, x: Sequence[int], place: int, values: Sequence[Values]) -> int:
    bias, *factors = values
    if all(len(set(v)) == 1 for v in values):
        known = [f[0] for f in factors]
        return weighted(b, x, known, bias[0], Arithmetic.TOOL)
    terms = [Term(b.product(w, chosen(b, place, f))) for w, f in zip(x, factors, strict=True)]
    return total(b, [Term(chosen(b, place, bias)), *terms], products=True)
