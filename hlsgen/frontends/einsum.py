"""Einsum of one or two tensors: transpositions, sums, one stack of matrix products."""

from __future__ import annotations

from math import prod

from hlsgen.errors import ModelError, Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.ops.model.linear import MatMul
from hlsgen.ops.model.reduce import ReduceSum


def _terms(call: Call) -> tuple[list[str], str]:
    """The letters of each input and of the result, which may be left to their order."""
    left, arrow, result = call.text("equation").replace(" ", "").partition("->")
    inputs = left.split(",")
    if "." in left or any(len(set(term)) != len(term) for term in (*inputs, result)):
        raise Unsupported(f"the equation '{call.text('equation')}' with '...' or a diagonal")
    if len(inputs) != len(call.inputs) or len(inputs) > 2:
        raise Unsupported(f"an equation of {len(inputs)} terms for {len(call.inputs)} inputs")
    for index, term in enumerate(inputs):
        if len(term) != len(call.shape(index)):
            raise ModelError(f"'{term}' for an input of shape {list(call.shape(index))}")
    everything = "".join(inputs)
    if not arrow:
        result = "".join(sorted(c for c in set(everything) if everything.count(c) == 1))
    if not set(result) <= set(everything):
        raise ModelError(f"'{result}' has letters that no input has")
    return inputs, result


def _summed(call: Call, x: str, term: str, keep: str) -> tuple[str, str]:
    """The sum over the letters that nobody else needs."""
    axes = tuple(axis for axis, letter in enumerate(term) if letter not in keep)
    left = "".join(letter for letter in term if letter in keep)
    return (call.add(ReduceSum(axes, False), x) if axes else x), left


def _ordered(call: Call, x: str, term: str, wanted: str) -> str:
    return call.transpose(x, tuple(term.index(letter) for letter in wanted))


def read_einsum(call: Call) -> None:
    """Letters of both inputs and the result are stacked, those of both inputs only are summed."""
    inputs, result = _terms(call)
    a, left = _summed(call, call.input(0), inputs[0], result + "".join(inputs[1:]))
    if len(inputs) == 1:
        call.give(_ordered(call, a, left, result))
        return
    b, right = _summed(call, call.input(1), inputs[1], result + left)
    size = {
        **dict(zip(right, call.type(b).shape, strict=True)),
        **dict(zip(left, call.type(a).shape, strict=True)),
    }
    for letter, n in zip(right, call.type(b).shape, strict=True):
        if size[letter] != n:
            raise ModelError(f"'{letter}' stands for {size[letter]} and for {n} elements")
    stack = "".join(c for c in left if c in right and c in result)
    inner = "".join(c for c in left if c in right and c not in result)
    rows = "".join(c for c in left if c not in right)
    columns = "".join(c for c in right if c not in left)
    lead, n, k, m = (prod(size[c] for c in part) for part in (stack, rows, inner, columns))
    a = call.reshape(_ordered(call, a, left, stack + rows + inner), (lead, n, k))
    b = call.reshape(_ordered(call, b, right, stack + inner + columns), (lead, k, m))
    have = stack + rows + columns
    y = call.reshape(call.add(MatMul(), a, b), tuple(size[c] for c in have))
    call.give(_ordered(call, y, have, result))


READERS: dict[str, Reader] = {"Einsum": read_einsum}
