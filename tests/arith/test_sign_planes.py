"""Sign planes: exactly the weights, and no decomposition by other means has fewer planes."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hlsgen.arith.sign_planes import fewest_planes
from hlsgen.errors import OptionError


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=12))
def test_they_sum_to_the_weights(weights: list[int]) -> None:
    planes = fewest_planes(np.array(weights))
    for k, weight in enumerate(weights):
        column = planes.signs[:, k].tolist()
        total = planes.offset + sum(s << e for s, e in zip(column, planes.shifts, strict=True))
        assert total == 2 * weight
        assert {abs(s) for s in column} <= ({1} if planes.offset else {0, 1})
        assert weight == 0 or 0 not in column


def sums(scales: Iterable[int]) -> set[int]:
    """+-s_0 +-s_1 .."""
    found = {0}
    for scale in scales:
        found = {f + s for f in found for s in (scale, -scale)}
    return found


def fewest(values: set[int], most: int) -> int:
    """By trying all scales of 1/2 to 16, equal ones too, and all offsets, in units of 1/2."""
    doubled = {2 * v for v in values}
    for count in range(most):
        for scales in itertools.combinations_with_replacement([1, 2, 4, 8, 16, 32], count):
            made = sums(scales)
            if doubled - {0} <= made or any(
                {v - z for v in doubled} <= made for z in {min(doubled) - s for s in made}
            ):
                return count
    return most


@given(st.sets(st.integers(-9, 9), min_size=1, max_size=6))
def test_none_has_fewer(values: set[int]) -> None:
    found = len(fewest_planes(np.array(sorted(values))).shifts)
    assert found == fewest(values, found)


@pytest.mark.parametrize("bits", [2, 3, 4, 8])
def test_uniform_weights_are_a_special_case(bits: int) -> None:
    """w = (sum of 2^i s_i - 1) / 2 for two's complement of so many bits."""
    half = 1 << (bits - 1)
    planes = fewest_planes(np.arange(-half, half))
    assert (planes.shifts, planes.offset) == (tuple(range(bits)), -1)


@pytest.mark.parametrize(
    ("weights", "shifts", "offset"),
    [
        ([0, 0], (), 0),
        ([7, 7, 7], (), 14),  # no plane: the sum of the operands, seven times
        ([-4, 0, 4, 0], (3,), 0),  # ternary: zeros take no part
        ([-1, 1], (1,), 0),
        ([9, 7, -7, -9], (1, 4), 0),  # 8 +-1
        ([3, 8], (0, 2), 11),
        ([3 << 30, 8 << 30], (30, 32), 11 << 30),  # zeros that all have in common are no bits
    ],
)
def test_known_forms(weights: list[int], shifts: tuple[int, ...], offset: int) -> None:
    planes = fewest_planes(np.array(weights))
    assert (planes.shifts, planes.offset) == (shifts, offset)


def test_weights_that_lie_too_far_apart() -> None:
    with pytest.raises(OptionError, match="10 bits at most, these lie within -5 and 4096"):
        fewest_planes(np.array([-5, 4096]))
