"""Compute units of an Alveo card through XRT's pyxrt, each with its own memories."""

import numpy as np

from .packing import frame_bytes


class XrtDevice:
    """All compute units of an xclbin on card 0. Errors: TimeoutError, RuntimeError of a run."""

    def __init__(self, folder, interface, design, batch, timeout):
        import pyxrt

        self.xrt = pyxrt
        self.timeout_ms = max(1, int(timeout * 1000))
        device = pyxrt.device(0)
        uuid = device.load_xclbin(pyxrt.xclbin(str(folder / design["bitstream"])))
        self.device = device
        self.inputs, self.outputs = interface["ports"]["in"], interface["ports"]["out"]
        self.names = design["units"]
        self.units = len(self.names)
        of = interface["kernel"]
        self.kernels = [pyxrt.kernel(device, uuid, f"{of}:{{{name}}}") for name in self.names]
        self.buffers = [
            [
                pyxrt.bo(device, batch * frame_bytes(p), pyxrt.bo.normal, kernel.group_id(k))
                for k, p in enumerate(self.inputs + self.outputs)
            ]
            for kernel in self.kernels
        ]
        self.runs = [None] * self.units

    def start(self, unit, memories, frames):
        for buffer, memory in zip(self.buffers[unit], memories):
            data = np.ascontiguousarray(memory)
            buffer.write(data, 0)
            to_device = self.xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_TO_DEVICE
            buffer.sync(to_device, data.nbytes, 0)
        self.runs[unit] = self.kernels[unit](*self.buffers[unit], frames)

    def finish(self, unit, frames):
        state = self.runs[unit].wait(self.timeout_ms)
        states = self.xrt.ert_cmd_state
        if state == states.ERT_CMD_STATE_TIMEOUT:
            raise TimeoutError(
                f"compute unit {self.names[unit]} did not finish {frames} frames in "
                f"{self.timeout_ms} ms"
            )
        if state != states.ERT_CMD_STATE_COMPLETED:
            raise RuntimeError(f"compute unit {self.names[unit]} ended in state {state}")
        found = []
        for port, buffer in zip(self.outputs, self.buffers[unit][len(self.inputs) :]):
            size = frames * frame_bytes(port)
            buffer.sync(self.xrt.xclBOSyncDirection.XCL_BO_SYNC_BO_FROM_DEVICE, size, 0)
            found.append(np.asarray(buffer.read(size, 0)).view(np.uint8).reshape(frames, -1))
        return found
