"""Outcomes that no other beats."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

Item = TypeVar("Item")


def undominated(items: Iterable[Item], of: Callable[[Item], tuple[float, float]]) -> list[Item]:
    """Those for which no other has less of both numbers, by the first; one of equal ones."""
    kept: list[Item] = []
    for item in sorted(items, key=of):
        if not kept or of(item)[1] < of(kept[-1])[1]:
            kept.append(item)
    return kept
