"""The one template environment: strict, trimmed, with the filters that write C++ numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.data import templates_dir
from hlsgen.ir.hw import IntType

_COLUMNS = 100


class Sized(Protocol):
    """A tensor in a vector file."""

    @property
    def size(self) -> int: ...

    @property
    def limbs(self) -> int: ...


def cpp_type(of: IntFormat | IntType) -> str:
    """The C++ type of a format, or of a tensor's elements."""
    return of.cpp if isinstance(of, IntFormat) else of.format.cpp


def wire_type(of: IntFormat) -> str:
    """The C++ type of a wire inside an adder graph."""
    return f"wire<{of.width}>::{'s' if of.signed else 'u'}"


def literal(value: int) -> str:
    """An integer constant of any size: beyond 64 bits a vendor integer made from decimal text."""
    value = int(value)
    if -(1 << 31) < value < 1 << 31:
        return str(value)
    if -(1 << 63) < value < 1 << 63:
        return f"{value}LL"
    fmt = IntFormat.of_range(value, value)
    return f'{fmt.cpp}("{value}", 10)'


def typed(value: int) -> str:
    """A constant of the narrowest format: `ap_uint<2>(3)`."""
    fmt = IntFormat.of_range(value, value)
    return literal(value) if fmt.width > 64 else f"{fmt.cpp}({literal(value)})"


def comment(text: object) -> str:
    """Text that stays inside a `//` comment: one line, printable, no line splice."""
    line = re.sub(r"[^\x20-\x7e]", "?", " ".join(str(text).split()))
    return line.replace("\\", "/").replace("??/", "?/")


def c_string(text: object) -> str:
    """A C string literal."""
    escaped = re.sub(r"[^\x20-\x7e]", "?", str(text)).replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("?", "\\?") + '"'


def tcl_string(text: object) -> str:
    """A Tcl word that is taken literally."""
    return "{" + re.sub(r"[^\x20-\x7e]|[{}\\]", "_", str(text)) + "}"


def number_lines(values: NDArray[np.generic], indent: str = "  ") -> list[str]:
    """The initialiser of an array as lines of at most 100 columns, elements in row-major order."""
    flat: list[int] = values.reshape(-1).tolist()
    small = values.dtype != object and bool((np.abs(values) < 1 << 30).all())
    texts = list(map(str, flat)) if small else [literal(v) for v in flat]
    widest = max(map(len, texts), default=1)
    each = max(1, (_COLUMNS - len(indent)) // (widest + 2))
    return [
        indent + ", ".join(texts[i : i + each]) + ("," if i + each < len(texts) else "")
        for i in range(0, len(texts), each)
    ]


def index_of(shape: Sequence[int], places: Sequence[str | int]) -> str:
    """The row-major offset of an element; axes of size 1 stand still (broadcasting)."""
    terms: list[str] = []
    stride = 1
    for size, place in zip(reversed(shape), reversed(places), strict=True):
        if size != 1 and str(place) != "0":
            atom = str(place) if re.fullmatch(r"\w+", str(place)) else f"({place})"
            terms.append(atom if stride == 1 else f"{atom} * {stride}")
        stride *= size
    return " + ".join(reversed(terms)) or "0"


def sum_words(values: Iterable[Sized]) -> int:
    """64-bit words of one sample of some tensors."""
    return sum(v.size * v.limbs for v in values)


@cache
def environment(folder: Path | None = None) -> Environment:
    """Templates are found below `folder` (by default the shipped ones)."""
    # Generated text is C++, Tcl and make, never HTML, so nothing is escaped here.
    env = Environment(
        loader=FileSystemLoader(folder or templates_dir()),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        extensions=["jinja2.ext.do", "jinja2.ext.loopcontrols"],
    )
    filters: dict[str, Any] = {
        "cpp": cpp_type,
        "wire": wire_type,
        "lit": literal,
        "typed": typed,
        "number_lines": number_lines,
        "comment": comment,
        "cstr": c_string,
        "tclstr": tcl_string,
        "sum_words": sum_words,
    }
    known: dict[str, Any] = {"at": index_of}
    env.filters.update(filters)
    env.globals.update(known)
    return env


def tidy(text: str) -> str:
    """Generated C++ with directives at the margin and no runs of empty lines."""
    text = re.sub(r"(?m)^[ \t]+(?=#)", "", text)
    text = re.sub(r"(?m)[ \t]+$", "", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip("\n") + "\n"
