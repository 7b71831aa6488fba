"""What a vendor tool's log says went wrong first."""

from __future__ import annotations

import re
from pathlib import Path

# Vivado, Vitis HLS and v++ mark errors so; these only say that there were some.
_ERROR = re.compile(r"^\s*(?:ERROR|FATAL): ?\[", re.IGNORECASE)
_FOLLOWS = re.compile(r"due to earlier errors|failed to finish|see the log|failed with errors")
_OWN = re.compile(r"^hlsgen: .*failed: ")
_FULL = re.compile(r"no space left on device|disk quota exceeded", re.IGNORECASE)
_LONGEST = 300


def first_error(log: str) -> str:
    """The line that says why, or the last one where none is marked."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    marked = [line for line in lines if _ERROR.match(line)]
    causes = [line for line in marked if not _FOLLOWS.search(line)]
    full = [line for line in lines if _FULL.search(line)]
    own = [line for line in lines if _OWN.match(line)]
    for found in (full, causes, own, marked, lines[-1:]):
        if found:
            return found[0][:_LONGEST]
    return "it printed nothing"


def last_line(path: Path) -> str:
    """What a tool that still runs said last."""
    with path.open("rb") as log:
        size = log.seek(0, 2)
        log.seek(max(0, size - 4096))
        text = log.read().decode(errors="replace")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:_LONGEST] if lines else "nothing said yet"
