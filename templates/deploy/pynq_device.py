"""The kernel in the fabric of a Zynq through PYNQ: registers, and memory that both sides see."""

import time

import numpy as np

from .packing import frame_bytes

CONTROL, START, DONE, CONTINUE = 0x00, 0x01, 0x02, 0x10  # s_axi_control of an HLS kernel


class PynqDevice:
    """One compute unit. Errors: TimeoutError where it does not finish."""

    units = 1

    def __init__(self, folder, interface, design, batch, timeout):
        import pynq

        overlay = pynq.Overlay(str(folder / design["bitstream"]))
        self.overlay = overlay  # keeps the bitstream loaded
        self.names = design["units"]
        self.ip = getattr(overlay, design["units"][0])
        registers = overlay.ip_dict[design["units"][0]]["registers"]
        self.at = {name: r["address_offset"] for name, r in registers.items()}
        self.frames_register = interface["frames"]
        self.timeout = timeout
        sides = [interface["ports"][side] for side in ("in", "out")]
        self.inputs, self.outputs = (
            [(p, pynq.allocate((batch, frame_bytes(p)), np.uint8)) for p in ports]
            for ports in sides
        )
        for port, buffer in self.inputs + self.outputs:
            self._point(port["name"], buffer.device_address)

    def start(self, unit, memories, frames):
        for (_, buffer), memory in zip(self.inputs, memories):
            buffer[:frames] = memory
            buffer.sync_to_device()
        self.ip.write(self._register(self.frames_register), frames)
        self.ip.write(CONTROL, START)

    def finish(self, unit, frames):
        limit = time.monotonic() + self.timeout
        while not self.ip.read(CONTROL) & DONE:
            if time.monotonic() > limit:
                raise TimeoutError(
                    f"the kernel did not finish {frames} frames in {self.timeout} s: is the PL "
                    "clock running, and was the bitstream loaded by this process?"
                )
        self.ip.write(CONTROL, CONTINUE)
        found = []
        for _, buffer in self.outputs:
            buffer.sync_from_device()
            found.append(np.array(buffer[:frames]))
        return found

    def _point(self, name, address):
        """A 64-bit address takes two registers, which PYNQ calls NAME_1 and NAME_2."""
        halves = self._register(name, "_1"), self._register(name, "_2")
        if None not in halves:
            self.ip.write(halves[0], address & 0xFFFFFFFF)
            self.ip.write(halves[1], address >> 32)
        elif address >> 32 == 0:
            self.ip.write(self._register(name), address)
        else:
            raise ValueError(f"register {name} holds 32 bits, the buffer lies at {address:#x}")

    def _register(self, name, part=""):
        """The offset of a register, if there is one; HLS writes NAME_r for a word of VHDL."""
        return self.at.get(f"{name}{part}", self.at.get(f"{name}_r{part}"))
