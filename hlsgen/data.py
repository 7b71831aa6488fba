"""Finds the templates and the board files: at the top of a checkout, or inside the wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder that holds `hls/` and its siblings."""
    return _folder("templates")


def boards_dir() -> Path:
    """The folder that holds one TOML file a board."""
    return _folder("boards")


def _folder(name: str) -> Path:
    shipped = _PACKAGE / "_data" / name
    return shipped if shipped.is_dir() else _PACKAGE.parent / name
