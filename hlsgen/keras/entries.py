"""Kinds of JSON values, told apart so that the type checker follows."""

from __future__ import annotations

from typing import Any, TypeGuard


def is_object(value: Any) -> TypeGuard[dict[str, Any]]:
    """An object with keys."""
    return isinstance(value, dict)


def is_list(value: Any) -> TypeGuard[list[Any]]:
    """A list, or a tuple, which JSON does not tell from it."""
    return isinstance(value, list | tuple)
