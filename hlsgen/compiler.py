"""The C++ compiler at hand, and the cache of what it made."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from hlsgen.errors import HlsgenError, ToolMissing, reason_of


def cache_dir(kind: str) -> Path:
    """Where finished files of a kind are kept: below $XDG_CACHE_HOME, or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "hlsgen" / kind


def compiler(what: str) -> str:
    """The program that $CXX or g++ names; `what` says who needs it.

    Errors: ToolMissing where there is none.
    """
    name = os.environ.get("CXX") or "g++"
    found = shutil.which(name)
    if found is None:
        raise ToolMissing(f"{what} needs the C++ compiler {name}: install g++ or set CXX")
    return found


@cache
def compiler_version(path: str) -> str:
    """The first line of what a compiler says about itself."""
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]


@cache
def processor() -> str:
    """What -march=native depends on."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    lines = re.findall(r"(?m)^(?:flags|model name|Features|CPU part)\s*:.*$", text)
    return "\n".join(sorted(set(lines)))


def run_compiler(
    command: Sequence[str | Path],
    what: str,
    *,
    text: str | None = None,
    folder: Path | None = None,
    result: Path | None = None,
) -> None:
    """Runs a compiler in `folder`, with `text` as its standard input; it leaves `result`.

    Errors: HlsgenError with the first error that it names, or the signal that ended it, or where
    it says that all is well and `result` is not there; `what` says what was compiled.
    """
    done = subprocess.run(
        command, input=text, cwd=folder, capture_output=True, text=True, check=False
    )
    lines = [*done.stderr.splitlines(), *done.stdout.splitlines()]
    if done.returncode:
        wrong = [line for line in lines if re.search(r"error|No space", line, re.IGNORECASE)]
        if done.returncode < 0:
            lines = [f"ended by signal {-done.returncode} (memory used up?)"]
        first = (wrong or lines or [f"exit status {done.returncode}, no message"])[0]
        raise HlsgenError(f"{Path(command[0]).name} could not compile {what}: {first}")
    if result is not None and not result.is_file():
        said = f"; it said: {lines[0]}" if lines else ""
        raise HlsgenError(f"{command[0]} compiled {what} and left no {result.name}{said}")


def digest(parts: Iterable[str | bytes]) -> str:
    """A file name for everything that a result depends on."""
    made = hashlib.sha256()
    for part in parts:
        made.update(part.encode() if isinstance(part, str) else part)
        made.update(b"\0")
    return made.hexdigest()[:32]


def kept(target: Path, what: str, make: Callable[[Path], None]) -> Path:
    """The file `target`, which `make` writes where there is none; it appears whole or not at all.

    Errors: those of `make`; HlsgenError where its folder cannot be written, naming `what`.
    """
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=target.parent, prefix="new-", suffix=target.suffix)
    except OSError as error:
        raise HlsgenError(f"cannot keep {what} in {target.parent}: {reason_of(error)}") from error
    os.close(handle)
    fresh = Path(name)
    try:
        make(fresh)
        fresh.replace(target)
    finally:
        fresh.unlink(missing_ok=True)
    return target
