"""The kernel of a streamed design: frames from memory through the network and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hlsgen.emit.names import Namer
from hlsgen.emit.streams import port_bits
from hlsgen.emit.views import Value


@dataclass(frozen=True, slots=True)
class KernelPort:
    """A memory of the kernel: `name` is its argument, `bundle` its AXI master.

    Shapes: a frame is `words` words of `word_bits`; a word holds `lanes` neighbours of the tensor
    read as (batch, pixels, channels), element l in bits l * width upwards.
    """

    name: str
    bundle: str
    value: str
    output: bool
    shape: tuple[int, ...]
    batch: int
    channels: int
    pixels: int
    lanes: int
    width: int
    signed: bool
    word_bits: int
    words: int

    @property
    def master(self) -> str:
        """The AXI interface as the tools name it."""
        return f"m_axi_{self.bundle}"

    def facts(self) -> dict[str, Any]:
        """What a driver has to know."""
        return {
            "name": self.name,
            "master": self.master,
            "value": self.value,
            "shape": list(self.shape),
            "batch": self.batch,
            "channels": self.channels,
            "pixels": self.pixels,
            "lanes": self.lanes,
            "width": self.width,
            "signed": self.signed,
            "word_bits": self.word_bits,
            "words": self.words,
        }


@dataclass(frozen=True, slots=True)
class MemoryKernel:
    """Name and arguments: `ports` (inputs first), then the count `frames`."""

    name: str
    ports: tuple[KernelPort, ...]
    frames: str

    @property
    def inputs(self) -> tuple[KernelPort, ...]:
        return tuple(p for p in self.ports if not p.output)

    @property
    def outputs(self) -> tuple[KernelPort, ...]:
        return tuple(p for p in self.ports if p.output)


def memory_kernel(top: str, inputs: tuple[Value, ...], outputs: tuple[Value, ...]) -> MemoryKernel:
    """The kernel around a streamed network."""
    sides = [(v, False) for v in inputs] + [(v, True) for v in outputs]
    ports = tuple(_port(i, v, output) for i, (v, output) in enumerate(sides))
    return MemoryKernel(f"{top}_kernel", ports, _namer(ports).take("frames"))


def kernel_numbers(kernel: MemoryKernel) -> dict[str, Any]:
    """What its template needs: names that meet no other."""
    namer = _namer(kernel.ports)
    frames, frame = namer.take(kernel.frames), namer.take("n")
    words = {p.name: namer.take(f"{p.name}_words") for p in kernel.ports}
    return {"kernel": kernel.name, "frames": frames, "frame": frame, "words": words}


def _namer(ports: tuple[KernelPort, ...]) -> Namer:
    taken = [p.name for p in ports]
    return Namer(taken=[*taken, *(f"{name}_{end}" for name in taken for end in ("t", "word"))])


def _port(index: int, v: Value, output: bool) -> KernelPort:
    return KernelPort(
        name=v.name,
        bundle=f"gmem{index}",
        value=v.onnx,
        output=output,
        shape=v.shape,
        batch=v.batch,
        channels=v.channels,
        pixels=v.pixels,
        lanes=v.lanes,
        width=v.type.format.width,
        signed=v.type.format.signed,
        word_bits=port_bits(v),
        words=v.beats,
    )
