"""Stand-in for pyxrt with the signatures of XRT's pyxrt.cpp: device, xclbin, kernel, bo, run."""

from __future__ import annotations

from enum import Enum, auto
from typing import Any

import numpy as np
import simulated

log: list[tuple[str, int]] = []  # compute unit and frames of every run
flying: list[str] = []  # units that run and were not waited for
most_flying = [0]


class xclBOSyncDirection(Enum):
    XCL_BO_SYNC_BO_TO_DEVICE = auto()
    XCL_BO_SYNC_BO_FROM_DEVICE = auto()


class ert_cmd_state(Enum):
    ERT_CMD_STATE_COMPLETED = auto()
    ERT_CMD_STATE_ERROR = auto()
    ERT_CMD_STATE_TIMEOUT = auto()


class xclbin:
    def __init__(self, path: str) -> None:
        self.bit = simulated.bitstream(path)


class device:
    def __init__(self, index: int) -> None:
        assert index == 0

    def load_xclbin(self, x: xclbin) -> dict[str, Any]:
        return x.bit


class kernel:
    def __init__(self, d: device, uuid: dict[str, Any], name: str) -> None:
        self.bit = uuid
        self.unit = name.removeprefix(f"{uuid['top']}_kernel:{{").removesuffix("}")
        assert self.unit in uuid["units"], name

    def group_id(self, argument: int) -> int:
        """A memory bank of its own for each argument of each unit."""
        return 100 * self.bit["units"].index(self.unit) + argument

    def __call__(self, *arguments: Any) -> run:
        *buffers, frames = arguments
        assert type(frames) is int
        assert frames > 0
        assert [b.group for b in buffers] == [self.group_id(k) for k in range(len(buffers))]
        assert self.unit not in flying, "its buffers are in use"
        log.append((self.unit, frames))
        flying.append(self.unit)
        most_flying[0] = max(most_flying[0], len(flying))
        return run(self.bit, self.unit, [b.at for b in buffers], frames)


class run:
    """Computes when it is waited for: what is written to its buffers meanwhile would be seen."""

    def __init__(self, bit: dict[str, Any], unit: str, addresses: list[int], frames: int) -> None:
        self.unit, self.call = unit, (bit, addresses, frames)

    def wait(self, timeout_ms: int) -> ert_cmd_state:
        """Behaviours "hang" and "error" of all units, "error cu_1" of one."""
        assert timeout_ms > 0, "0 waits for ever"
        flying.remove(self.unit)
        what, _, unit = self.call[0]["behaviour"].partition(" ")
        if what in ("hang", "error") and unit in ("", self.unit):
            hang = what == "hang"
            return (
                ert_cmd_state.ERT_CMD_STATE_TIMEOUT if hang else ert_cmd_state.ERT_CMD_STATE_ERROR
            )
        simulated.run(*self.call)
        if what == "wrong" and unit == self.unit:
            simulated.memory[self.call[1][-1]][0] ^= 1
        return ert_cmd_state.ERT_CMD_STATE_COMPLETED


class bo:
    normal = "normal"

    def __init__(self, d: device, size: int, flags: str, group: int) -> None:
        assert flags == "normal"
        self.group, self.at = group, simulated.allocate(size)
        self.host = np.full(size, 0x5A, np.uint8)

    def write(self, data: np.ndarray, seek: int) -> None:
        flat = np.frombuffer(memoryview(data).cast("B"), np.uint8)
        self.host[seek : seek + len(flat)] = flat

    def read(self, size: int, skip: int) -> np.ndarray:
        return self.host[skip : skip + size].astype(np.int8)  # array of char

    def sync(self, direction: xclBOSyncDirection, size: int, offset: int) -> None:
        span = slice(offset, offset + size)
        device = simulated.memory[self.at]
        if direction is xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE:
            device[span] = self.host[span]
        else:
            self.host[span] = device[span]
