"""One network on one board: arrays in, arrays out. Written by hlsgen.

    from deploy import Accelerator
    y = Accelerator("deploy").predict(x)

numpy is all it needs, beside pynq (Zynq boards) or pyxrt (Alveo) where the board is.
"""

import contextlib
import hashlib
import importlib.util
import itertools
import json
import time
from collections import deque
from pathlib import Path

import numpy as np

from .feeds import checked
from .packing import frame_bytes, pack, read_vectors, unpack

FORMAT = 1
MOST_FRAMES = 4096
BUFFER_BYTES = 1 << 22


class WrongBitstream(RuntimeError):
    """The bitstream in the folder was made from another design than this driver."""


class SelfTestFailed(RuntimeError):
    """The hardware returned something else than the network's own integers."""


class Accelerator:
    """The network of a deploy folder, loaded onto its board.

    `batch` is how many frames go to the hardware at once (0 chooses by their size), `timeout` how
    many seconds a call may take. `device` replaces the board's own (see `open_device`).
    Errors: FileNotFoundError without a bitstream, WrongBitstream for one of another design.
    """

    def __init__(self, folder=".", *, batch=0, timeout=30.0, device=None):
        self.folder = Path(folder)
        self.interface = json.loads((self.folder / "interface.json").read_text(encoding="utf-8"))
        if self.interface["format"] > FORMAT:
            raise ValueError(f"{folder} was written by a newer hlsgen")
        self.inputs, self.outputs = self.interface["ports"]["in"], self.interface["ports"]["out"]
        largest = max(map(frame_bytes, self.inputs + self.outputs))
        self.batch = batch or max(1, min(MOST_FRAMES, BUFFER_BYTES // largest))
        if not 1 <= self.batch < 1 << 31:
            raise ValueError(f"batch must be 1 or more (below 2^31), got {batch}")
        self.host = _module(self.folder / "host.py")
        if device is None:
            design = checked_design(self.folder, self.interface)
            device = open_device(self.folder, self.interface, design, self.batch, timeout)
        self.device = device

    def predict(self, x):
        """The network's outputs for samples: an array where it has one output, else a dict.

        Shapes: `x` is (samples, *input shape), a dict of such arrays where there are several
        inputs; a model batch of one may be left out, and is then left out of the results.
        """
        feeds, bare = checked(x, self.interface["inputs"])
        samples = len(next(iter(feeds.values())))
        starts, size = self._shares(samples)
        parts = (
            self.host.codes_of({name: v[start : start + size] for name, v in feeds.items()})
            for start in starts
        )
        results = {}
        for start, codes in zip(starts, self._stream(parts)):
            for name, y in self.host.values_of(codes).items():
                whole = results.setdefault(name, np.empty((samples, *y.shape[1:]), y.dtype))
                whole[start : start + len(y)] = y
        results = {n: y[:, 0] if bare and y.shape[1:2] == (1,) else y for n, y in results.items()}
        return results if len(results) > 1 else next(iter(results.values()))

    def hardware(self, codes):
        """Output codes for input codes, both by value; any number of frames."""
        frames = {len(v) for v in codes.values()}
        if len(frames) != 1 or frames == {0}:
            raise ValueError(f"codes need one number of frames above 0, got {sorted(frames)}")
        starts, size = self._shares(frames.pop())
        return self._whole(self._stream(_parts(codes, starts, size)))

    def self_test(self):
        """Stored vectors on each compute unit, together and one by one, then shared by all.

        How many vectors there are. Errors: SelfTestFailed with the first element that differs.
        """
        codes = read_vectors(self.folder / "inputs.bin", self.inputs)
        want = read_vectors(self.folder / "expected.bin", self.outputs)
        frames = len(next(iter(want.values())))
        for unit in range(self.device.units):
            place = f"compute unit {self.device.names[unit]}: " if self.device.units > 1 else ""
            for size in (self.batch, 1):
                parts = _parts(codes, range(0, frames, size), size)
                self._compare(self._whole(self._stream(parts, [unit])), want, place)
        if self.device.units > 1:
            self._compare(self.hardware(codes), want, "all compute units: ")
        return frames

    def throughput(self, frames=0):
        """Frames a second: of the hardware with its transfers, and with packing on the host.

        `frames` 0 takes eight batches for each compute unit. Stored vectors are repeated.
        """
        frames = frames or 8 * self.batch * self.device.units
        codes = read_vectors(self.folder / "inputs.bin", self.inputs)
        tiled = {n: np.resize(v, (self.batch, *v.shape[1:])) for n, v in codes.items()}
        packed = [pack(tiled[p["value"]], p) for p in self.inputs]
        calls = -(-frames // self.batch)
        started = time.perf_counter()
        for _ in self._calls(itertools.repeat((packed, self.batch), calls)):
            pass
        device = time.perf_counter() - started
        started = time.perf_counter()
        for _ in self._stream(itertools.repeat(tiled, calls)):
            pass
        whole = time.perf_counter() - started
        done = calls * self.batch
        return {
            "frames": done,
            "batch": self.batch,
            "device_frames_per_second": done / device,
            "frames_per_second": done / whole,
        }

    def _shares(self, samples):
        """Where batches start and how large they are: as many as there are units, or more."""
        size = min(self.batch, -(-samples // self.device.units))
        return range(0, samples, size), size

    def _stream(self, parts, units=()):
        """Output codes of batches in order; the host packs one while the hardware has another."""
        packed = (
            ([pack(codes[p["value"]], p) for p in self.inputs], len(next(iter(codes.values()))))
            for codes in parts
        )
        for memories in self._calls(packed, units):
            yield {p["value"]: unpack(m, p) for p, m in zip(self.outputs, memories)}

    def _calls(self, batches, units=()):
        """Memories of the outputs, in order; compute units (all, or those named) take turns.

        However it ends, no unit is left running: its memories are those of the next call.
        """
        units = list(units) or range(self.device.units)
        running, turns = deque(), itertools.cycle(units)
        try:
            for memories, frames in batches:
                done = None
                if len(running) == len(units):
                    done = self.device.finish(*running.popleft())
                unit = next(turns)
                self.device.start(unit, memories, frames)
                running.append((unit, frames))
                if done is not None:  # looked at while the hardware has the next batch
                    yield done
            while running:
                yield self.device.finish(*running.popleft())
        finally:
            for unit, frames in running:  # the first error is the one that is told
                with contextlib.suppress(TimeoutError, RuntimeError):
                    self.device.finish(unit, frames)

    def _whole(self, parts):
        """Batches of codes as one."""
        found = list(parts)
        return {name: np.concatenate([part[name] for part in found]) for name in found[0]}

    @staticmethod
    def _compare(got, want, unit):
        for name, w in want.items():
            wrong = np.argwhere(np.asarray(got[name] != w, bool))
            if len(wrong):
                at = tuple(map(int, wrong[0]))
                place = f"vector {at[0]}, element {at[1:]}"
                raise SelfTestFailed(f"{unit}{name}: {place}: got {got[name][at]}, want {w[at]}")


def _parts(codes, starts, size):
    return ({name: v[start : start + size] for name, v in codes.items()} for start in starts)


def checked_design(folder, interface):
    """What is known of the bitstream, after its hash and its design's were compared.

    Errors: FileNotFoundError where there is none, WrongBitstream where one differs.
    """
    path = folder / "design.json"
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no bitstream yet; run  hlsgen bitstream  on the project")
    design = json.loads(path.read_text(encoding="utf-8"))
    if design["build"] != interface["build"]:
        raise WrongBitstream(
            f"the bitstream was made from build {design['build'][:12]}, this driver is of build "
            f"{interface['build'][:12]}: copy the whole deploy folder, or run hlsgen bitstream"
        )
    for name, digest in design["files"].items():
        if hashlib.sha256((folder / name).read_bytes()).hexdigest() != digest:
            raise WrongBitstream(f"{name} is not the file that design.json describes")
    return design


def open_device(folder, interface, design, batch, timeout):
    """The board's device: `units`, their `names`, `start(unit, memories, frames)` and
    `finish(unit, frames)`.

    Memories are byte arrays (frames, frame bytes), one a port; `finish` returns those of the
    outputs and raises TimeoutError where the hardware does not come to an end.
    """
    if interface["flow"] == "vivado":
        from .pynq_device import PynqDevice as Device
    else:
        from .xrt_device import XrtDevice as Device
    return Device(folder, interface, design, batch, timeout)


def _module(path):
    spec = importlib.util.spec_from_file_location(f"_hlsgen_{abs(hash(path))}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
