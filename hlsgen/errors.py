"""What a user is told when something cannot be done: one line, located, with the way out."""

from __future__ import annotations

import errno
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loc:
    """Where in the user's file something stands: file, node number and name, ONNX operator."""

    file: str
    index: int | None = None
    name: str = ""
    op: str = ""

    def __str__(self) -> str:
        if self.index is None:
            return f"{self.file}: {self.name}" if self.name else self.file
        return f"{self.file}: node {self.index} '{self.name}' ({self.op})"


class HlsgenError(Exception):
    """Any failure that is not a bug of hlsgen; `exit_status` is what the command line returns."""

    exit_status = 2

    def __init__(self, message: str, loc: Loc | None = None) -> None:
        self.message = " ".join(message.split())
        self.loc = loc
        super().__init__(str(self))

    def __str__(self) -> str:
        return self.message if self.loc is None else f"{self.loc}: {self.message}"

    def at(self, loc: Loc) -> HlsgenError:
        """The same error with a place, unless it has one already."""
        return self if self.loc is not None else type(self)(self.message, loc)


class ModelError(HlsgenError):
    """The model file itself is at fault: not ONNX, not well formed, parameters without meaning."""


class Unsupported(HlsgenError):
    """The model is sound, but hardware cannot hold this part of it (yet)."""


class OptionError(HlsgenError):
    """A command-line option, a config entry or an array file does not fit."""


class ToolMissing(HlsgenError):
    """A program or header that this step needs is not installed."""

    exit_status = 3


class VerificationFailed(HlsgenError):
    """An engine returned something else than the model's own integers."""

    exit_status = 1


def reason_of(error: OSError) -> str:
    """Why a file could not be written, for people."""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return "no space left on the device" if full else error.strerror or str(error)
