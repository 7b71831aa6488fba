"""What a command prints and writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hlsgen.errors import OptionError, reason_of

if TYPE_CHECKING:  # heavy modules are imported by the commands that need them
    from hlsgen.expr.network import Network


def notes(network: Network, *warnings: str) -> None:
    """What lowering and verification have to say, a line each on standard error."""
    for note in (*network.notes, *warnings):
        print(f"warning: {note}", file=sys.stderr)  # noqa: T201 - the command line speaks here


def say(line: str) -> None:
    """A line of progress on standard error."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def print_json(value: Any) -> None:
    """JSON for scripts on standard output."""
    print(json.dumps(value, indent=2, default=str))  # noqa: T201


def write_text(path: Path, text: str) -> None:
    """Errors: OptionError where the file cannot be written."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Errors: OptionError where the file cannot be written."""
    try:
        path.write_bytes(content)
    except OSError as error:
        raise OptionError(f"cannot write {path}: {reason_of(error)}") from error
