"""Greatest and least elements: trees of comparisons and sorting by insertion."""

from __future__ import annotations

from collections.abc import Sequence

from hlsgen.emit.rtl.builder import Builder


def extreme(b: Builder, wires: Sequence[int], *, greatest: bool) -> int:
    """The greatest (least) of the wires, by a balanced tree."""
    level = list(wires)
    while len(level) > 1:
        rest = level[len(level) & ~1 :]
        pairs = zip(level[0::2], level[1::2], strict=False)
        level = [b.extremum(p, q, greatest=greatest) for p, q in pairs] + rest
    return level[0]


def place(b: Builder, wires: Sequence[int], *, greatest: bool, last: bool) -> int:
    """The place of the greatest (least) wire: among equals the first, or the last."""
    level = [(wire, b.literal(k)) for k, wire in enumerate(wires)]
    while len(level) > 1:
        rest = level[len(level) & ~1 :]
        pairs = zip(level[0::2], level[1::2], strict=False)
        level = [_better(b, p, q, greatest, last) for p, q in pairs] + rest
    return level[0][1]


def _better(
    b: Builder, p: tuple[int, int], q: tuple[int, int], greatest: bool, last: bool
) -> tuple[int, int]:
    """The winner of two (value, place); p stands before q."""
    low, high = (p, q) if greatest else (q, p)
    takes_q = b.less(low[0], high[0], or_equal=last)
    return b.pick(takes_q, q[0], p[0]), b.pick(takes_q, q[1], p[1])


def leading(
    b: Builder, wires: Sequence[int], count: int, *, greatest: bool
) -> tuple[list[int], list[int]]:
    """Values and places of the `count` greatest (least) wires in order; of equals the first counts.

    Each element is put at its place among those before it and shifts the rest.
    """
    best: list[tuple[int, int]] = []
    for k, wire in enumerate(wires):
        item = (wire, b.literal(k))
        ahead = [
            b.less(*((old[0], wire) if greatest else (wire, old[0]))) for old in best
        ]  # ahead[r]: the new element comes before best[r]; once true it stays true
        grown: list[tuple[int, int]] = []
        for r in range(min(len(best) + 1, count)):
            kept = best[r] if r < len(best) else item
            new = _pick(b, ahead[r], item, kept) if r < len(best) else item
            grown.append(new if r == 0 else _pick(b, ahead[r - 1], best[r - 1], new))
        best = grown
    return [v for v, _ in best], [p for _, p in best]


def _pick(b: Builder, bit: int, yes: tuple[int, int], no: tuple[int, int]) -> tuple[int, int]:
    return b.pick(bit, yes[0], no[0]), b.pick(bit, yes[1], no[1])
