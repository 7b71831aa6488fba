"""x * constant as Yosys makes it: the bits of each place, full adders down to two words, a chain.

Followed bit by bit, since much falls away: equal bits of a place are one bit of the next, and what
has no second operand is a wire. Bits are numbers, 0 a zero, ONE a one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

ONE = 1
_FIRST = 2  # of the bits of x


@dataclass(frozen=True, slots=True)
class CarrySave:
    """What takes LUTs: places of the `chain`, `last` adders of bits before it, `full` others.

    The chain takes over one of the two LUTs of a last adder. Adders of two bits in the rows before
    come to nothing: they are part of the LUTs behind them.
    """

    full: int
    last: int
    chain: int


@cache
def constant_product(bits: int, signed: bool, factor: int, width: int) -> CarrySave:
    """What the lowest `width` bits of x * factor take, x of so many bits, `factor` positive."""
    made = _Adders()
    words = _words(_places(bits, signed, factor, width))
    while len(words) > 2:
        made.row_starts(last=len(words) == 3)
        whole = len(words) // 3 * 3
        joined = [w for k in range(0, whole, 3) for w in made.row(*words[k : k + 3])]
        words = joined + words[whole:]
    pairs = {*zip(words[0], words[1], strict=True)} if len(words) == 2 else {(0, 0)}
    chain = sum(a > ONE and b > ONE for a, b in pairs)
    return CarrySave(made.full, made.last, chain)


def _places(bits: int, signed: bool, factor: int, width: int) -> list[set[int]]:
    """The bits to be added in each place."""
    places: list[set[int]] = [set() for _ in range(width)]
    for place, bit in _summands(bits, signed, factor, width):
        while place < width and bit in places[place]:
            places[place].remove(bit)
            place += 1
        if place < width:
            places[place].add(bit)
    return places


def _summands(bits: int, signed: bool, factor: int, width: int) -> Iterator[tuple[int, int]]:
    """Place and bit of every partial product; the wider operand is the one that is repeated."""
    ones = [e for e in range(factor.bit_length()) if factor >> e & 1]
    if bits >= factor.bit_length() + signed:
        for e in ones:
            for place in range(e, width if signed else min(width, e + bits)):
                yield place, _FIRST + min(place - e, bits - 1)
        return
    for k in range(bits - signed):
        yield from ((k + e, _FIRST + k) for e in ones)
    if signed:  # the top bit takes factor << k off: all places inverted, and one more
        k = bits - 1
        yield from ((p, _FIRST + k) for p in range(k, width) if not factor >> (p - k) & 1)
        yield k, _FIRST + k


def _words(places: list[set[int]]) -> list[tuple[int, ...]]:
    left = [sorted(p) for p in places]
    count = max((len(p) for p in left), default=0)
    return [tuple(p[k] if k < len(p) else 0 for p in left) for k in range(count)]


@dataclass
class _Adders:
    """Adders of single bits, each made once."""

    full: int = 0
    last: int = 0
    _in_last: bool = False
    _known: dict[tuple[int, ...], tuple[int, int]] = field(
        default_factory=dict[tuple[int, ...], tuple[int, int]]
    )

    def row_starts(self, *, last: bool) -> None:
        self._in_last = last

    def row(self, *words: tuple[int, ...]) -> list[tuple[int, ...]]:
        """Three words as two of the same sum: the sums of all places, and the carries."""
        made = [self._add(bits) for bits in zip(*words, strict=True)]
        return [tuple(s for s, _ in made), (0, *(c for _, c in made[:-1]))]

    def _add(self, bits: tuple[int, ...]) -> tuple[int, int]:
        some = tuple(sorted(b for b in bits if b))
        for bit in some:
            if some.count(bit) > 1:
                rest = sum(some) - 2 * bit
                return rest, bit
        if len(some) < 2:
            return (some[0] if some else 0), 0
        if some not in self._known:
            variable = sum(b > ONE for b in some)
            self.full += variable == 3 and not self._in_last
            self.last += variable >= 2 and self._in_last
            free = variable == 1  # a bit and a one: its opposite, and itself
            new = 1000 + 2 * len(self._known)
            self._known[some] = (new, some[1] if free else new + 1)
        return self._known[some]
