"""Counting integer points under lines: exact, in time logarithmic in the size of the box."""

from __future__ import annotations

from typing import TypeAlias

Interval: TypeAlias = tuple[int, int]


def floor_sum(n: int, m: int, a: int, b: int) -> int:
    """Sum over i = 0 .. n-1 of floor((a * i + b) / m), m > 0; the Euclidean algorithm."""
    total = 0
    while n > 0:
        total += (n - 1) * n // 2 * (a // m) + n * (b // m)
        a, b = a % m, b % m
        top = a * n + b
        if top < m:
            break
        n, b, m, a = top // m, top % m, a, m
    return total


def count_at_most(k1: int, a: Interval, k2: int, b: Interval, limit: int) -> int:
    """How many (x, y) of a x b have k1 * x + k2 * y <= limit.

    Source: staircases.md 4.4; each row y allows floor((limit - k2 * y) / k1) + 1 values of x.
    """
    if a[0] > a[1] or b[0] > b[1]:
        return 0
    if k1 < 0:
        k1, a = -k1, (-a[1], -a[0])
    if k2 < 0:
        k2, b = -k2, (-b[1], -b[0])
    width, height = a[1] - a[0] + 1, b[1] - b[0] + 1
    limit -= k1 * a[0] + k2 * b[0]  # now 0 <= x < width, 0 <= y < height
    if k1 == 0 or k2 == 0:
        return _count_flat(k1, width, k2, height, limit)
    if limit < 0:
        return 0
    rows = min(height, limit // k2 + 1)  # rows that allow any x
    whole = limit - k1 * (width - 1)  # rows with k2 * y <= whole allow every x
    full = min(rows, whole // k2 + 1) if whole >= 0 else 0
    # the rest, from the last row upwards: (limit - k2 * (rows - 1 - i)) // k1 + 1
    rest = rows - full
    return full * width + rest + floor_sum(rest, k1, k2, limit - k2 * (rows - 1))


def _count_flat(k1: int, width: int, k2: int, height: int, limit: int) -> int:
    if k1 == 0 and k2 == 0:
        return width * height if limit >= 0 else 0
    k, along, across = (k1, width, height) if k2 == 0 else (k2, height, width)
    return 0 if limit < 0 else min(along, limit // k + 1) * across


def count_between(k1: int, a: Interval, k2: int, b: Interval, low: int, high: int) -> int:
    """How many (x, y) of a x b have low <= k1 * x + k2 * y <= high."""
    return count_at_most(k1, a, k2, b, high) - count_at_most(k1, a, k2, b, low - 1)
