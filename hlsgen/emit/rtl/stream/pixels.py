"""Units that look at all pixels of an image, or put channels side by side."""

from __future__ import annotations

from collections.abc import Sequence

from hlsgen.arith.format import IntFormat
from hlsgen.emit.processes import in_turns, operator_pattern
from hlsgen.emit.rtl.stream.unit import Unit
from hlsgen.emit.views import Operator
from hlsgen.ops.hw.reduce import Reduce


def places_unit(operator: Operator, name: str, read: str, write: str) -> Unit:
    """Sum, greatest or least element of each channel over all pixels.

    The results so far may need fewer bits than the sum's own partial sums: those are exact modulo
    the width of the result, and so is the last one.
    """
    op, x = operator.node.op, operator.x[0]
    assert isinstance(op, Reduce)
    numbers = {
        "operator": operator, "kind": op.kind.value, "pixels": x.pixels,
        "chunks": x.channels // x.lanes,
    }  # fmt: skip
    return Unit(
        name, operator.title, name, operator_pattern(operator), (read,), (write,), 1,
        frame="rtl/stream/places.sv.j2", numbers=numbers,
    )  # fmt: skip


def concat_unit(
    operator: Operator, name: str, reads: Sequence[str], write: str, lanes: int,
    tokens: Sequence[int],
) -> Unit:  # fmt: skip
    """So many tokens of each operand in turn, every element in the result's format."""
    y = operator.y[0]
    listed = ", ".join(f"32'd{n}" for n in reversed(tokens))
    parameters: dict[str, int | str] = {
        "OPERANDS": len(reads), "WIDTH": lanes * y.type.format.width, "TOKENS": f"{{{listed}}}",
    }  # fmt: skip
    return Unit(
        name, operator.title, "stream_concat", in_turns(y.size // lanes // sum(tokens), tokens),
        tuple(reads), (write,), 1, parameters,
        numbers={"operands": [
            extended(f"{read}__out", lanes, v.type.format, y.type.format)
            for read, v in zip(reads, operator.x, strict=True)
        ]},
    )  # fmt: skip


def extended(token: str, lanes: int, given: IntFormat, wanted: IntFormat) -> str:
    """A token with its elements in a format that holds all of their values."""
    more = wanted.width - given.width
    if more <= 0:
        assert more == 0, "a result holds its operands"
        return token
    parts: list[str] = []
    for lane in reversed(range(lanes)):
        low = lane * given.width
        sign = f"{{{more}{{{token}[{low + given.width - 1}]}}}}" if given.signed else f"{more}'d0"
        parts.append(f"{sign}, {token}[{low} +: {given.width}]")
    return f"{{{', '.join(parts)}}}"
