"""Array files: plain npz, one array per network input or output."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError

Array = NDArray[Any]


def load_arrays(path: Path) -> dict[str, Array]:
    """All arrays of an npz file; pickled objects are never loaded.

    Errors: OptionError naming the file.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except OSError as error:
        raise OptionError(f"{path}: {error.strerror or error}") from error
    except (ValueError, AttributeError, EOFError, BadZipFile, KeyError) as error:
        raise OptionError(f"{path}: not a readable npz file of plain arrays") from error


def save_arrays(path: Path, arrays: Mapping[str, Array]) -> None:
    """Write an npz file, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **arrays)  # pyright: ignore[reportArgumentType]
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OptionError(f"cannot write {path}: {error.strerror or error}") from error
