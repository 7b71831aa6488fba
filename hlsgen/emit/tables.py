"""Constant tables as C++ text, in files of their own where they are large."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.emit.jinja import number_lines
from hlsgen.ir.field import to_int64, to_object

_INLINE = 256  # elements that stay in the text of the operator
_FILE_BYTES = 4 << 20


@dataclass(slots=True)
class Tables:
    """The tables of one operator; `files` collects what goes beside it, path below src/ to text."""

    stem: str
    files: dict[str, str] = field(default_factory=dict[str, str])
    declared: dict[str, str] = field(default_factory=dict[str, str])

    def rom(self, name: str, values: NDArray[np.int64] | Sequence[int]) -> str:
        """Declarations of `name` and of its element type `name_t`, as narrow as the values."""
        if name in self.declared:
            return self.declared[name]
        array = _integers(values)
        fmt = IntFormat.of_range(int(array.min(initial=0)), int(array.max(initial=0)))
        element = f"rom<{fmt.width}>::{'s' if fmt.signed else 'u'}"
        shape = " x ".join(map(str, array.shape))
        lines = number_lines(array, "    ")
        text = (
            f"  // {name}: {shape} of {fmt}\n"
            f"  typedef {fmt.cpp} {name}_t;\n"
            f"  static const {element} {name}[{max(1, array.size)}] = {{\n"
        )
        body = lines if array.size <= _INLINE else self._beside(name, lines)
        self.declared[name] = text + "\n".join(body or ["    0"]) + "\n  };"
        return self.declared[name]

    def _beside(self, name: str, lines: list[str]) -> list[str]:
        """The lines that include the initialiser from files of limited size."""
        per_file = max(1, _FILE_BYTES // (max(map(len, lines)) + 1))
        includes: list[str] = []
        for part, start in enumerate(range(0, len(lines), per_file)):
            suffix = f"_{part}" if len(lines) > per_file else ""
            path = f"weights/{self.stem}_{name}{suffix}.inc"
            self.files[path] = "\n".join(lines[start : start + per_file]) + "\n"
            includes.append(f'#include "../{path}"')
        return includes


def _integers(values: NDArray[np.int64] | Sequence[int]) -> NDArray[np.int64]:
    """An array of int64, or of Python ints where 62 bits do not suffice."""
    if isinstance(values, np.ndarray):
        return values if values.dtype == np.int64 else to_int64(to_object(values))
    column = np.empty(len(values), dtype=object)
    column[:] = [int(v) for v in values]
    return to_int64(column)
