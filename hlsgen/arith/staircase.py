"""The hardware forms that compute integer step functions.

A realisation computes several rows (`hlsgen.arith.steps.Steps`) on hardware of one shape, with
constants of its own per row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.arith.steps import (
    INT64_LIMIT,
    IntArray,
    Stack,
    Steps,
    int_array,
    magnitude,
    widen,
)
from hlsgen.arith.unit_cost import Cost, multiply_cost, rom_cost
from hlsgen.arith.words import WORDS_LIMIT, Factor, Words


def _width(lo: int, hi: int) -> int:
    return IntFormat.of_range(lo, hi).width


@dataclass(frozen=True, eq=False)
class Affine:
    """f(n) = clip(offset + t, qlo, qhi), t = (m[r] * n + b[r]) >> shift.

    With `tie` = e the unit is convergent: where bits shift-1..e of m[r] * n + b[r] are all 0, the
    last bit of t is cleared. `lo`, `hi` bound n in each row.
    """

    m: tuple[int, ...]
    b: tuple[int, ...]
    shift: int
    qlo: int
    qhi: int
    lo: tuple[int, ...]
    hi: tuple[int, ...]
    tie: int | None = None
    offset: int = 0

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        t = widen(self._shifted(rows, n), max(abs(self.qlo), abs(self.qhi)))
        return np.clip(t + self.offset, self.qlo, self.qhi)

    def _shifted(self, rows: IntArray, n: IntArray) -> IntArray:
        """(m * n + b) >> shift, the last bit cleared where the tie window is 0."""
        whole = max(abs(v) for v in self.m) * magnitude(n) + max(abs(v) for v in self.b)
        narrow = max(whole, 1 << self.shift) < INT64_LIMIT
        if not narrow:
            words = whole < WORDS_LIMIT and whole >> self.shift < INT64_LIMIT
            if words and n.dtype != object:
                return self._shifted_words(rows, n)
            n = n.astype(object)
        v = int_array(self.m)[rows] * n + int_array(self.b)[rows]
        t = v >> self.shift
        if self.tie is None:
            return t
        window = (v & ((1 << self.shift) - 1)) >> self.tie
        return t - (t & 1) * (window == 0)

    def _shifted_words(self, rows: IntArray, n: IntArray) -> IntArray:
        m, b = Factor.of(self.m).at(rows), Factor.of(self.b).at(rows)
        v = Words.sum_of_products([(m, n), (b, np.ones((), np.int64))])
        t = v >> self.shift
        if self.tie is None:
            return t
        return t - (t & 1) * v.clear(self.tie, self.shift)

    @property
    def product(self) -> IntFormat:
        """The narrowest format of m * n + b."""
        ends = self._ends()
        return IntFormat.of_range(min(ends), max(ends))

    @property
    def clips(self) -> tuple[bool, bool]:
        """Whether the lower and the upper comparator are needed."""
        ends = self._ends()
        low, high = min(ends) >> self.shift, max(ends) >> self.shift
        low = low if self.tie is None else low & ~1
        return low + self.offset < self.qlo, high + self.offset > self.qhi

    def _ends(self) -> list[int]:
        rows = zip(self.m, self.b, self.lo, self.hi, strict=True)
        return [m * n + b for m, b, lo, hi in rows for n in (lo, hi)]

    def cost(self) -> Cost:
        """Multiplier, adder, comparators, tie gate, and the ROM of m and b."""
        n_bits, width = _width(min(self.lo), max(self.hi)), self.product.width
        words = len(set(zip(self.m, self.b, strict=True)))
        rom = _width(min(self.m), max(self.m)) * (len(set(self.m)) > 1)
        rom += _width(min(self.b), max(self.b)) * (len(set(self.b)) > 1)
        lut = 0.0 if not any(self.b) else float(width)
        lut += sum(self.clips) * max(0, width - self.shift) / 2
        if self.tie is not None:
            lut += 1 + (self.shift - self.tie) / 6
        return multiply_cost(self.m, n_bits) + rom_cost(words, rom) + Cost(lut=lut)

    def text(self) -> str:
        """One line for reports."""
        bits = max(abs(v) for v in self.m).bit_length()
        name = f"multiply-add-shift m {bits} bits, shift {self.shift}"
        if self.tie is None:
            return name
        return f"{name}, ties to {'odd' if self.offset else 'even'} codes (window {self.tie})"


@dataclass(frozen=True, eq=False)
class Thresholds:
    """f(n) = first[r] + sum_j jump[r, j] * (n >= t[r, j]), all comparisons at once.

    Rows with fewer steps hold t = hi + 1 and jump = 0. A comparator must hold hi + 1, which may
    take a bit more than n.
    """

    first: tuple[int, ...]
    t: IntArray
    jump: IntArray
    lo: int
    hi: int

    @classmethod
    def of(cls, rows: Sequence[Steps]) -> Thresholds:
        """One comparator for each step of the longest row."""
        stack = Stack.of(rows)
        first, lo, hi = (tuple(v.tolist()) for v in (stack.codes[:, 0], stack.lo, stack.hi))
        return cls(first, stack.t, np.diff(stack.codes, axis=1), min(lo), max(hi))

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        rows, n = np.broadcast_arrays(rows, n)
        code = int_array(self.first)[rows]
        for j in range(self.t.shape[1]):
            code = code + self.jump[rows, j] * (n >= self.t[rows, j])
        return code

    @property
    def comparator(self) -> IntFormat:
        """The format of both sides of a comparison."""
        return IntFormat.of_range(self.lo, int(self.t.max(initial=self.hi)))

    def cost(self) -> Cost:
        """Comparators, the adder tree of their outcomes, and the ROM of thresholds."""
        count, width = self.t.shape[1], self.comparator.width
        codes = np.cumsum(self.jump, axis=1)
        bits = _width(int(codes.min(initial=0)), int(codes.max(initial=0)))
        unit = bool((np.abs(self.jump) <= 1).all())
        tree = max(0, count - 1) * (1.0 if unit else float(bits))
        rom = rom_cost(len(self.first), count * width + bits)
        return Cost(lut=count * width / 2 + tree) + rom

    def text(self) -> str:
        """One line for reports."""
        return f"{self.t.shape[1]} thresholds of {self.comparator.width} bits in parallel"


@dataclass(frozen=True, eq=False)
class Table:
    """f(n) = values[r, n - lo]."""

    values: IntArray
    lo: int

    @classmethod
    def of(cls, rows: Sequence[Steps]) -> Table:
        """Every code of every row; outside a row's own range its end codes go on."""
        lo, hi = min(row.lo for row in rows), max(row.hi for row in rows)
        n = widen(np.arange(hi - lo + 1), max(abs(lo), abs(hi))) + lo
        return cls(np.stack([row.evaluate(n) for row in rows]), lo)

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        return self.values[rows, (n - self.lo).astype(np.int64)]

    def cost(self) -> Cost:
        """The ROM, and an adder for the address unless lo is 0 or a power of two below."""
        rows, words = self.values.shape
        bits = _width(int(self.values.min()), int(self.values.max()))
        address = (words - 1).bit_length()
        plain = self.lo == 0 or -self.lo == 1 << (address - 1 if address else 0)
        deep = rows << address if rows > 1 else words
        return rom_cost(deep, bits) + Cost(lut=0.0 if plain else float(address))

    def text(self) -> str:
        """One line for reports."""
        rows, words = self.values.shape
        return f"table of {words} codes" + (f" for each of {rows} rows" if rows > 1 else "")


@dataclass(frozen=True, eq=False)
class Search:
    """f(n) = codes[r, count of j with t[r, j] <= n], counted by binary search.

    2^depth - 1 thresholds and 2^depth codes a row; unused thresholds are hi + 1.
    """

    t: IntArray
    codes: IntArray
    lo: int
    hi: int

    @classmethod
    def of(cls, rows: Sequence[Steps]) -> Search:
        """As deep as the longest row needs."""
        depth = max(row.t.size for row in rows).bit_length()
        stack = Stack.of(rows, (1 << depth) - 1)
        return cls(stack.t, stack.codes, int(stack.lo.min()), int(stack.hi.max()))

    @property
    def depth(self) -> int:
        """Comparisons one after the other."""
        return self.codes.shape[1].bit_length() - 1

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i], by the walk that hardware does."""
        rows, n = np.broadcast_arrays(rows, n)
        at = np.zeros(n.shape, np.int64)
        for level in reversed(range(self.depth)):
            half = 1 << level
            at = at + half * (n >= self.t[rows, at + (half - 1)])
        return self.codes[rows, at]

    @property
    def counted(self) -> bool:
        """Whether the code is the count itself, plus a constant common to all rows."""
        first = self.codes[0, 0]
        reached = self.t <= self.hi
        return bool((self.codes[:, 0] == first).all()) and bool(
            (np.diff(self.codes, axis=1) == reached).all()
        )

    def cost(self) -> Cost:
        """A comparator and a ROM for each level, and the ROM of codes unless they are counted."""
        rows = self.codes.shape[0]
        width = _width(self.lo, self.hi + 1)
        cost = Cost(lut=self.depth * width / 2)
        for level in range(self.depth):
            cost += rom_cost(rows << level, width)
        if not self.counted:
            bits = _width(int(self.codes.min()), int(self.codes.max()))
            cost += rom_cost(rows << self.depth, bits)
        return cost

    def text(self) -> str:
        """One line for reports."""
        return f"binary search in {self.depth} steps over {self.t.shape[1]} thresholds"


@dataclass(frozen=True, eq=False)
class EstimateCorrect:
    """f(n) = e + (n >= t[r, e - qlo]) with e the code of `estimate`, right or one too low.

    t[r, k - qlo] is the first n with c(n) > k, within [lo, hi + 1].
    """

    estimate: Affine
    t: IntArray

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        code = self.estimate.evaluate(rows, n)
        limit = self.t[rows, (code - self.estimate.qlo).astype(np.int64)]
        return code + (n >= limit)

    def cost(self) -> Cost:
        """The estimate, the ROM of thresholds, a comparator and an increment."""
        low, high = int(self.t.min()), int(self.t.max())
        width = _width(min(low, *self.estimate.lo), max(high, *self.estimate.hi))
        code_bits = _width(self.estimate.qlo, self.estimate.qhi)
        rom = rom_cost(self.t.size, _width(low, high))
        return self.estimate.cost() + rom + Cost(lut=width / 2 + code_bits)

    def text(self) -> str:
        """One line for reports."""
        return f"{self.estimate.text()}, corrected by one of {self.t.shape[1]} thresholds"


@dataclass(frozen=True, eq=False)
class TwoSlope:
    """f(n) = below(n) + above(n) - z, with below clipped to [qlo, z] and above to [z, qhi]."""

    below: Affine
    above: Affine

    @property
    def z(self) -> int:
        """The code at which the slope changes."""
        return self.below.qhi

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        return self.below.evaluate(rows, n) + self.above.evaluate(rows, n) - self.z

    def cost(self) -> Cost:
        """Both sides and an adder."""
        adder = Cost(lut=float(_width(self.below.qlo, self.above.qhi)))
        return self.below.cost() + self.above.cost() + adder

    def text(self) -> str:
        """One line for reports."""
        return f"two slopes at code {self.z}: {self.below.text()} and {self.above.text()}"


@dataclass(frozen=True, eq=False)
class Wrapped:
    """f(n) = the number of [low[r], low[r] + 2^bits[r]) that equals rise(n) modulo 2^bits[r].

    Overflow that wraps: the low bits of an unbounded code, read as unsigned (low = 0) or as two's
    complement (low = -2^(bits - 1)).
    """

    rise: Affine
    bits: tuple[int, ...]
    low: tuple[int, ...]

    def evaluate(self, rows: IntArray, n: IntArray) -> IntArray:
        """The code of row rows[i] at n[i]."""
        low, mask = int_array(self.low)[rows], int_array(self.mask)[rows]
        return ((self.rise.evaluate(rows, n) - low) & mask) + low

    @property
    def mask(self) -> tuple[int, ...]:
        """2^bits - 1 of each row."""
        return tuple((1 << bits) - 1 for bits in self.bits)

    @property
    def uniform(self) -> bool:
        """Whether all rows keep the same bits and read them alike: wiring only."""
        return len(set(zip(self.bits, self.low, strict=True))) == 1

    def cost(self) -> Cost:
        """The line; where rows keep other bits a gate for each bit, two adders, and their ROM."""
        if self.uniform:
            return self.rise.cost()
        width = max(self.bits)
        return self.rise.cost() + rom_cost(len(self.bits), 2 * width) + Cost(lut=3.0 * width)

    def text(self) -> str:
        """One line for reports."""
        least, most = min(self.bits), max(self.bits)
        kept = f"{most}" if least == most else f"{least} to {most}"
        return f"{self.rise.text()}, of which the low {kept} bits are kept (overflow wraps)"


Realisation: TypeAlias = Affine | Thresholds | Table | Search | EstimateCorrect | TwoSlope | Wrapped
