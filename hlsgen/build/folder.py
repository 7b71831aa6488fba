"""A project's folder: written beside its place, then put there whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from hlsgen.build.steps import keep_steps, refuse_locked
from hlsgen.errors import HlsgenError, OptionError, reason_of

MARKER = "project.json"


def check_target(folder: Path) -> None:
    """OptionError where a project may not be put: a file, a folder of others, one in use."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OptionError(f"{folder} is a file; give another -o")
    if any(folder.iterdir()) and not _is_project(folder):
        raise OptionError(
            f"{folder} exists and is not a project that hlsgen wrote; give another -o or empty it"
        )
    refuse_locked(folder)


def _is_project(folder: Path) -> bool:
    try:
        return "hlsgen" in json.loads((folder / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


class staged:  # noqa: N801 - used as a function in `with`
    """A temporary neighbour of the target: on the same file system, removed unless published."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __enter__(self) -> Path:
        parent = self.target.resolve().parent
        try:
            parent.mkdir(parents=True, exist_ok=True)
            self.path = Path(tempfile.mkdtemp(prefix=f".{self.target.name}-", dir=parent))
        except OSError as error:
            raise OptionError(f"cannot write into {parent}: {reason_of(error)}") from error
        return self.path

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Every file by its name in the folder; HlsgenError where the disk does not take it."""
    try:
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            data = content if isinstance(content, bytes) else content.encode()
            path.write_bytes(data)
    except OSError as error:
        raise HlsgenError(f"cannot write the project: {reason_of(error)}") from error


def publish(stage: Path, folder: Path) -> None:
    """Put the finished folder in the place of an older one, never mixing the two."""
    old = stage.with_name(stage.name + "-old")
    try:
        if folder.exists():
            folder.rename(old)
            keep_steps(old, stage)
        stage.rename(folder)
    except OSError as error:
        raise HlsgenError(f"cannot put the project at {folder}: {reason_of(error)}") from error
    shutil.rmtree(old, ignore_errors=True)
    folder.chmod(0o755)
