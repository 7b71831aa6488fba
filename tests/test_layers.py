"""The import rule: every folder imports only folders below it (CONTRIBUTING, "Layers")."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1] / "hlsgen"
LEVEL = {
    "errors": 0,
    "compiler": 1,
    "data": 1,
    "arith": 1,
    "boards": 2,
    "ir": 2,
    "keras": 2,
    "ops": 3,
    "schedule": 2,
    "train": 2,
    "expr": 4,
    "frontends": 5,
    "passes": 5,
    "sim": 5,
    "emit": 6,
    "fold": 7,
    "quantise": 6,
    "explore": 7,
    "build": 7,
    "reload": 8,
    "report": 8,
    "cli": 9,
}


def modules() -> list[Path]:
    return [p for p in sorted(ROOT.rglob("*.py")) if p.parent != ROOT or p.stem in LEVEL]


def folder_of(parts: tuple[str, ...]) -> str:
    return parts[1] if len(parts) > 1 else parts[0]


def imports(path: Path) -> set[str]:
    """The folders of hlsgen that a module names, type checking only or not."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("hlsgen."):
            found.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("hlsgen.")}
    return found


@pytest.mark.parametrize("path", modules(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_downward(path: Path) -> None:
    here = path.relative_to(ROOT).with_suffix("").parts[0]
    for there in imports(path):
        assert there in LEVEL, f"{path}: hlsgen.{there} has no place in the import rule"
        assert LEVEL[there] <= LEVEL[here], f"{path}: {here} must not import {there}"


def test_every_folder_has_a_level() -> None:
    folders = {p.name for p in ROOT.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))}
    assert folders <= set(LEVEL)
