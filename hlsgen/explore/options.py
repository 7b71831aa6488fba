"""What a user says of a search, checked."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.emit.arithmetic import FOLDED, SERIAL, Arithmetic
from hlsgen.emit.hls import Io
from hlsgen.errors import OptionError
from hlsgen.explore.cluster import SCHEME
from hlsgen.explore.drivers import Driver
from hlsgen.explore.goal import Objective
from hlsgen.explore.sensitivity import Sensitivity
from hlsgen.quantise.scheme import Scales

UNIFORM = 8  # bits of the design that others are compared with
LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Options:
    """The options of `hlsgen explore`; files apart.

    `budget` is a number of LUTs or, with a per cent sign, a share of the uniform 8-bit design's;
    "" is the board's LUTs for the best accuracy, and no bound for the fewest LUTs. Streamed designs
    are folded for `target_fps`; `clock_ns` 0 takes the board's. `jobs` 0 stands for one a core.
    Errors: OptionError for what cannot be.
    """

    board: str = "ultra96v2"
    objective: Objective = Objective.LUTS
    max_loss: float = 0.5
    min_sqnr_db: float = 30.0
    budget: str = ""
    weights: tuple[WeightFormat, ...] = tuple(map(WeightFormat, (2, 3, 4, 5, 6, 8)))
    activations: tuple[int, ...] = (3, 4, 5, 6, 8)
    scales: tuple[Scales, ...] = (Scales.FREE,)
    arithmetic: Arithmetic = Arithmetic.AUTO
    drivers: tuple[Driver, ...] = (Driver.ILP, Driver.REFINE)
    sensitivity: Sensitivity = Sensitivity.MEASURED
    candidates: int | None = None
    minutes: float | None = None
    jobs: int = 0
    executor: str = LOCAL
    study: Path | None = None
    seed: int = 0
    io: Io = Io.PARALLEL
    target_fps: float = 0.0
    clock_ns: float = 0.0

    def __post_init__(self) -> None:
        for name, value, least in (
            ("--max-loss", self.max_loss, 0),
            ("--candidates", self.candidates, 1),
            ("--minutes", self.minutes, 0),
            ("--jobs", self.jobs, 0),
            ("--target-fps", self.target_fps, 0),
            ("--clock-ns", self.clock_ns, 0),
        ):
            if value is not None and not value >= least:
                raise OptionError(f"{name} must be {least} or more, got {value:g}")
        if self.executor != LOCAL and not self.executor.startswith(SCHEME):
            raise OptionError(f"--executor {self.executor}: needed is {LOCAL} or {SCHEME}HOST:PORT")
        if (self.io is Io.STREAM) != (self.target_fps > 0):
            raise OptionError(
                "--io stream and --target-fps go together: candidates are compared at one rate"
            )
        if self.clock_ns and self.io is Io.PARALLEL:
            raise OptionError(
                "--clock-ns is for --io stream: parallel candidates have no registers"
            )
        streamed = self.arithmetic in (*FOLDED, *SERIAL) and self.io is Io.PARALLEL
        if streamed or self.arithmetic is Arithmetic.TRUTH_TABLE:
            raise OptionError(f"--arithmetic {self.arithmetic} is for single or streamed layers")
        if self.budget and not re.fullmatch(r"\d+(\.\d+)?%?", self.budget):
            raise OptionError(f"--budget {self.budget}: needed is a number of LUTs, or 50%")

    @property
    def searched(self) -> Arithmetic:
        """The arithmetic that candidates are counted in; `auto` is settled for the chosen one."""
        return Arithmetic.SHIFT_ADD if self.arithmetic is Arithmetic.AUTO else self.arithmetic

    def luts(self, uniform: float, board: int) -> float:
        """The budget as a number, infinite without one; a folding keeps to the board by itself."""
        if not self.budget:
            bounded = self.objective is Objective.ACCURACY and self.io is Io.PARALLEL
            return float(board) if bounded else float("inf")
        number = float(self.budget.rstrip("%"))
        return uniform * number / 100 if self.budget.endswith("%") else number

    @property
    def processes(self) -> int:
        """How many processes evaluate on this machine."""
        return self.jobs or len(os.sched_getaffinity(0))
