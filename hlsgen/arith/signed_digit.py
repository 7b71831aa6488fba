"""Signed-digit forms of integer constants: how many adders a multiplication by a constant takes."""

from __future__ import annotations


def csd_weight(m: int) -> int:
    """The least count of digits +-1 that sum to m: 0 for 0, 1 for a power of two.

    In the non-adjacent form digit e+1 is non-zero exactly where 3m/2 and m/2 differ in bit e.
    """
    return (3 * abs(m) ^ abs(m)).bit_count()


def csd_digits(m: int) -> tuple[tuple[int, int], ...]:
    """The pairs (sign, exponent) with m = sum sign * 2^exponent, no two exponents adjacent.

    Ascending exponents; csd_weight(m) pairs, the fewest there are.
    """
    flip = -1 if m < 0 else 1
    m = abs(m)
    triple = 3 * m
    plus, minus = (triple & ~m) >> 1, (m & ~triple) >> 1
    return tuple(
        (flip if plus >> e & 1 else -flip, e)
        for e in range(triple.bit_length())
        if (plus | minus) >> e & 1
    )


def least_weight(lo: int, hi: int | None) -> int:
    """The integer of [lo, hi] that the most powers of two divide; `hi` None is no upper end.

    No integer of the interval has fewer signed digits. Let z be the answer and 2^e its last digit:
    the multiples of 2^e next to z are multiples of 2^(e+1), hence outside the interval, and any
    other member w, split at 2^e in non-adjacent form, keeps z as upper part or needs a digit more.
    """
    if hi is None:
        return 0 if lo <= 0 else 1 << (lo - 1).bit_length()
    if lo > hi:
        raise ValueError(f"no integer in [{lo}, {hi}]")
    if lo <= 0 <= hi:
        return 0
    if hi < 0:
        return -least_weight(-hi, -lo)
    common = ((lo - 1) ^ hi).bit_length() - 1  # the bits above are the same in lo - 1 and hi
    return hi >> common << common
