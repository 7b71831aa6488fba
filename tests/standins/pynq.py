"""Stand-in for PYNQ: the parts of Overlay, DefaultIP and allocate that the driver uses."""

from __future__ import annotations

import numpy as np
import simulated


class PynqBuffer(np.ndarray):
    """Host memory with a copy on the device; only the sync calls move bytes between them."""

    device_address = 0

    def sync_to_device(self) -> None:
        simulated.memory[self.device_address][:] = np.asarray(self).reshape(-1)

    def sync_from_device(self) -> None:
        np.asarray(self).reshape(-1)[:] = simulated.memory[self.device_address]


def allocate(shape: tuple[int, ...], dtype: type = np.uint32) -> PynqBuffer:
    buffer = np.full(shape, 0x5A, dtype).view(PynqBuffer)
    buffer.device_address = simulated.allocate(buffer.nbytes)
    return buffer


class DefaultIP:
    """Registers of an HLS kernel: control at 0, then the arguments."""

    def __init__(self, bit: dict) -> None:
        self.bit = bit
        self.registers, self.state, self.offsets = {}, "idle", {}
        self.end = "_r" if bit["behaviour"] == "renamed" else ""
        at = 0x10
        for name in bit["ports"]:
            if bit["behaviour"] == "narrow":
                self.offsets[name] = at
            else:
                self.offsets |= {f"{name}{self.end}_1": at, f"{name}{self.end}_2": at + 4}
            at += 12
        self.offsets[bit["frames"] + self.end] = at

    def write(self, offset: int, value: int) -> None:
        assert type(value) is int, "PYNQ's MMIO takes ints"
        assert 0 <= value < 1 << 32
        assert offset % 4 == 0
        if offset != 0:
            assert offset in self.offsets.values(), hex(offset)
            self.registers[offset] = value
        elif value & 0x10:
            self.state = "idle"
        elif value & 1:
            assert self.state == "idle", "started before the last run was taken"
            if self.bit["behaviour"] != "hang":
                self._run()
            self.state = "done"

    def read(self, offset: int) -> int:
        assert offset == 0
        if self.state != "done" or self.bit["behaviour"] == "hang":
            return 1
        if self.bit["behaviour"] != "chain":  # ap_ctrl_hs: cleared when read
            self.state = "idle"
        return 2

    def _run(self) -> None:
        def pointer(name: str) -> int:
            if self.bit["behaviour"] == "narrow":
                return self.registers[self.offsets[name]]
            low, high = (self.registers[self.offsets[f"{name}{self.end}_{k}"]] for k in (1, 2))
            return low | high << 32

        addresses = [pointer(name) for name in self.bit["ports"]]
        frames = self.registers[self.offsets[self.bit["frames"] + self.end]]
        assert frames > 0
        simulated.run(self.bit, addresses, frames)


class Overlay:
    def __init__(self, path: str) -> None:
        bit = simulated.bitstream(path)
        (unit,) = bit["units"]
        ip = DefaultIP(bit)
        setattr(self, unit, ip)
        registers = {n: {"address_offset": at} for n, at in {"CTRL": 0, **ip.offsets}.items()}
        self.ip_dict = {unit: {"registers": registers}}
