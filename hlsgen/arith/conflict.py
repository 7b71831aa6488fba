"""Why no line meets the points of a staircase, and which windows of a convergent unit share that.

With d = 2^-bits the heights of odd codes are raised by d (`hlsgen.arith.slope.Window`). A line
needs g(x) = min(uk - x ut) - max(lk - x lt) > 0 for a slope x > 0, g being a minimum of lines
A - x B. Two of them, one falling and one not, are in conflict unless A1 |B2| + A2 B1 > 0. That is
linear in d, so one conflict rules out every d on one side of a number.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from hlsgen.arith.steps import IntArray, widen


@dataclass(frozen=True, slots=True)
class Piece:
    """A - x B with A = codes * 2^bits + odd."""

    codes: int
    odd: int
    b: int

    def height(self, bits: int) -> int:
        """A, in units of d."""
        return (self.codes << bits) + self.odd


_POSITIVE = Piece(0, 0, -1)  # x > 0


@dataclass(frozen=True, eq=False)
class Row:
    """The points of one row, as `hlsgen.arith.slope.Points` has them: codes, and which are odd.

    Shapes: (points,); heights are codes * 2^bits + odd; products of places and codes stay below
    `bound`.
    """

    lt: IntArray
    lk: IntArray
    l_odd: IntArray
    ut: IntArray
    uk: IntArray
    u_odd: IntArray
    bound: int

    def least_bits(self, bits: int, limit: int) -> int | None:
        """The least number of window bits, from `bits` to `limit`, with which a line exists."""
        while bits <= limit:
            found = self._conflict(bits)
            if found is None:
                return bits
            more = _less_window(*found)
            if more is None:
                return None
            bits = max(more, bits + 1)
        return None

    def _piece(self, i: int, j: int) -> Piece:
        codes, odd = int(self.uk[j]) - int(self.lk[i]), int(self.u_odd[j]) - int(self.l_odd[i])
        return Piece(codes, odd, int(self.ut[j]) - int(self.lt[i]))

    def _conflict(self, bits: int) -> tuple[Piece, Piece] | None:
        arrays = (self.lt, self.lk, self.ut, self.uk)
        lt, lk, ut, uk = (widen(a, self.bound << bits) for a in arrays)
        lk, uk = (lk << bits) + self.l_odd, (uk << bits) + self.u_odd
        ends: list[Piece] = [_POSITIVE]
        for side in (1, -1):
            piece = self._piece(0, -1) if side > 0 else self._piece(-1, 0)
            while piece.b * side > 0:
                p, q = piece.height(bits) * side, piece.b * side
                lower, upper = lk * q - lt * p, uk * q - ut * p
                i, j = int(np.argmax(lower)), int(np.argmin(upper))
                if upper[j] >= lower[i]:
                    ends.append(piece)
                    break
                other = self._piece(i, j)
                if other.b * side <= 0:
                    return (piece, other) if side > 0 else (other, piece)
                piece = other
        falling = [e for e in ends if e.b > 0]
        for first in falling:
            for second in (e for e in ends if e.b <= 0):
                if _room(first, second, bits) <= 0:
                    return first, second
        return None


def _room(first: Piece, second: Piece, bits: int) -> int:
    return first.height(bits) * -second.b + second.height(bits) * first.b


def _less_window(first: Piece, second: Piece) -> int | None:
    """The least bits with C + d D > 0, d = 2^-bits; None where that needs a greater d, or none."""
    c = first.codes * -second.b + second.codes * first.b
    d = first.odd * -second.b + second.odd * first.b
    if second.b == 0:
        c, d = second.codes, second.odd
    if d >= 0 or c <= 0:
        return None
    bits = max(0, (-d).bit_length() - c.bit_length() - 1)
    while (c << bits) + d <= 0:
        bits += 1
    return bits
