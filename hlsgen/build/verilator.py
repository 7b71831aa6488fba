"""Verilator: finding one that will do, and compiling a design with it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hlsgen.compiler import run_compiler
from hlsgen.errors import ToolMissing

_OLDEST = (5, 6)  # of those that were tried


@dataclass(frozen=True, slots=True)
class Verilator:
    """An installed Verilator."""

    program: str
    version: str


def find_verilator() -> Verilator | None:
    """$VERILATOR or verilator on PATH; None where it is not installed.

    Errors: ToolMissing where one that was named is not there, or one that is there does not run or
    is too old.
    """
    named = os.environ.get("VERILATOR")
    program = shutil.which(named or "verilator")
    if program is None:
        if named:
            raise ToolMissing(f"VERILATOR={named} is no program: install Verilator or unset it")
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    # The wheel on PyPI leaves out its name: " rev vUNKNOWN-built20260101".
    if said.returncode or not re.match(r"Verilator| *rev v", said.stdout):
        shown = (said.stdout or said.stderr).strip().splitlines()[:1]
        raise ToolMissing(
            f"{program} does not say that it is Verilator ({' '.join(shown)[:80]}): mend it, or "
            "take Yosys by HLSGEN_RTL=yosys"
        )
    release = re.match(r"Verilator (\d+)\.(\d+)", said.stdout)
    if release and tuple(map(int, release.groups())) < _OLDEST:
        raise ToolMissing(
            f"{program} is {' '.join(said.stdout.split()[:2])}, too old: install 5.006 or newer, "
            "or take Yosys by HLSGEN_RTL=yosys"
        )
    return Verilator(program, said.stdout.strip())


def verilate(
    verilator: Verilator,
    top: str,
    files: Iterable[str],
    work: Path,
    *options: str,
    effort: str = "-O1",
) -> Path:
    """The executable of a design whose `files` and harness.cpp lie in `work`.

    `effort` is of the C++ compiler. Errors: HlsgenError with the tool's first error.
    """
    command = [
        verilator.program, "--cc", "--exe", "--build", "-Wno-fatal", "-Wno-lint", "-Wno-style",
        "--x-assign", "0", "--prefix", "Vdesign", "--top-module", top, "-O3", *options,
        "-CFLAGS", effort, "-CFLAGS", f"-I{work}", "-o", "simulation", *files, "harness.cpp",
    ]  # fmt: skip
    made = work / "obj_dir" / "simulation"
    run_compiler(command, "the RTL", folder=work, result=made)
    return made
