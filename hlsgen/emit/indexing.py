"""Loops over the axes of tensors, and the offsets that they visit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.emit.jinja import index_of
from hlsgen.ir.model import Shape

Loops = list[tuple[str, int]]


def axis_loops(prefix: str, sizes: Sequence[int]) -> Loops:
    """A loop for each axis longer than 1: i0, i2, ..."""
    return [(f"{prefix}{a}", n) for a, n in enumerate(sizes) if n != 1]


def axis_vars(prefix: str, sizes: Sequence[int]) -> list[str]:
    """The place on each axis, "0" where it is 1 long."""
    return [f"{prefix}{a}" if n != 1 else "0" for a, n in enumerate(sizes)]


def counted(prefix: str, sizes: Sequence[int]) -> Loops:
    """A loop for every axis, also for those of size 1."""
    return [(f"{prefix}{a}", n) for a, n in enumerate(sizes)]


def indexed(prefix: str, sizes: Sequence[int]) -> list[str]:
    """The variables of `counted`."""
    return [f"{prefix}{a}" for a in range(len(sizes))]


@dataclass(frozen=True, slots=True)
class Walk:
    """One pass over a tensor: its loops, and the offset into each operand that broadcasts to it."""

    loops: Loops
    at: list[str]


def walk(shape: Shape, *operands: Shape) -> Walk:
    """Loops over `shape`, with neighbouring axes merged where every operand allows it."""
    rank = len(shape)
    wide = [(1,) * (rank - len(s)) + tuple(s) for s in (shape, *operands)]
    groups: list[tuple[int, tuple[bool, ...]]] = []  # merged size, which operands vary along it
    for axis in range(rank):
        if shape[axis] == 1:
            continue
        moves = tuple(s[axis] != 1 for s in wide)
        if groups and groups[-1][1] == moves:
            groups[-1] = (groups[-1][0] * shape[axis], moves)
        else:
            groups.append((shape[axis], moves))
    single = len(groups) == 1
    variables = ["i" if single else f"i{g}" for g in range(len(groups))]
    loops = [(v, n) for v, (n, _) in zip(variables, groups, strict=True)]
    at = [
        index_of([n if moves[k] else 1 for n, moves in groups], variables) for k in range(len(wide))
    ]
    return Walk(loops, at)


@dataclass(frozen=True, slots=True)
class Parts:
    """A tensor as (before, axis, after)."""

    before: int
    size: int
    after: int

    @property
    def loops(self) -> Loops:
        return [("i", self.before), ("j", self.size), ("k", self.after)]

    @property
    def at(self) -> str:
        return index_of((self.before, self.size, self.after), ("i", "j", "k"))

    def place(self, size: int, start: int) -> str:
        """The offset in a tensor whose axis has `size` elements, ours beginning at `start`."""
        return index_of((self.before, size, self.after), ("i", f"j + {start}", "k"))

    def picked(self, size: int, table: str) -> str:
        """The offset in a tensor of which `table` names our elements."""
        return index_of((self.before, size, self.after), ("i", f"{table}[j]", "k"))


def parts(shape: Shape, axis: int) -> Parts:
    """The shape split at an axis."""
    sizes = [1, shape[axis], 1]
    for n in shape[:axis]:
        sizes[0] *= n
    for n in shape[axis + 1 :]:
        sizes[2] *= n
    return Parts(*sizes)
