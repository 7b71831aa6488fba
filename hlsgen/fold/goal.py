"""What a folding is asked for, and how much of a board it may take."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from hlsgen.boards import Flow, Resources
from hlsgen.errors import OptionError
from hlsgen.fold.program import Vector
from hlsgen.fold.use import KINDS, Use

# Shares of a device up to which designs are usually routed at their clock. Source: FINN's guide
# limits are 70 % of LUTs and 80 % of DSPs and memories; these are for a design that has it alone.
DEFAULT_UTIL = {"lut": 0.8, "ff": 0.8, "dsp": 0.95, "bram18": 0.95, "uram": 0.95}
SPELLED = {"bram": "bram18"}  # how users may call a kind

# What stands around the kernel: on Zynq its AXI masters, the interconnect and the reset, on Alveo
# its AXI masters alone, for the rest of the shell is not in the board's budget. Assumed, by the
# size of designs that others published; nothing of it was built here.
SHELL = {Flow.VIVADO: Use(6000, 8000, 2, 12), Flow.VITIS: Use(4000, 6000, 0, 30)}


@dataclass(frozen=True, slots=True)
class Goal:
    """Frames a second to reach, with least use of one kind or of all; 0 for as many as can be had.

    `max_util` are shares of the board by kind, "" for all kinds.
    """

    target_fps: float = 0.0
    maximise: bool = False
    minimise: str = ""
    max_util: Mapping[str, float] = field(default_factory=dict[str, float])

    @property
    def asked(self) -> bool:
        """Whether a folding is to be searched."""
        return bool(self.target_fps or self.maximise or self.minimise or self.max_util)

    def checked(self) -> Goal:
        """Errors: OptionError for what contradicts itself or no board has."""
        if self.maximise and self.target_fps:
            raise OptionError("--maximise fps and --target-fps: give one of them")
        if self.minimise and not self.target_fps:
            raise OptionError("--minimise needs --target-fps: the least use is no folding at all")
        names = [SPELLED.get(k, k) for k in (*self.max_util, self.minimise) if k]
        wrong = next((name for name in names if name not in KINDS), None)
        if wrong is not None:
            raise OptionError(f"no resource {wrong!r}: known are {', '.join(KINDS)}")
        for name, share in self.max_util.items():
            if not 0 < share <= 1 or math.isnan(share):
                raise OptionError(f"--max-util {name}={share:g}: needed is over 0, up to 1")
        return self

    @property
    def util(self) -> dict[str, float]:
        """The share of each kind that designs may take, in the order of KINDS."""
        util = {k: self.max_util.get("", DEFAULT_UTIL[k]) for k in KINDS}
        return util | {SPELLED.get(k, k): v for k, v in self.max_util.items() if k}

    def limits(self, room: Resources) -> Vector:
        """How many of each kind a design may take of a device, its shell included."""
        return np.array(
            [share * count for share, count in zip(self.util.values(), room.counts, strict=True)]
        )

    def prices(self, room: Resources) -> Vector:
        """What one of each kind costs: its share of the board, or nearly all of one kind.

        Flip-flops are as good as free, for a design runs out of them last.
        """
        counts = Use(*(float(c) for c in room.counts)).vector
        weights = np.array([1.0, 0.1, 1.0, 1.0, 1.0])
        if self.minimise:
            kind = SPELLED.get(self.minimise, self.minimise)
            weights = np.where(np.array(KINDS) == kind, weights, weights * 1e-3)
        return weights / np.maximum(counts, 1.0)
