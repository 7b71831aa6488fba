"""The rtl/ folder of a project: the SystemVerilog, a self-checking test bench and its vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.rtl.emit import Rtl, bits_of
from hlsgen.ir.hw import HwGraph, IntType

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class _Port:
    name: str
    low: int
    bits: int


def rtl_folder(
    rtl: Rtl, graph: HwGraph, inputs: Mapping[str, Array], outputs: Mapping[str, Array],
    templates: Path | None = None,
) -> dict[str, str]:  # fmt: skip
    """Path to content of everything below rtl/; arrays have a leading sample axis."""
    count = max((len(x) for x in outputs.values()), default=0)
    into, out_of = _ports(rtl.inputs), _ports(rtl.outputs)
    text = environment(templates).get_template("rtl/testbench.sv.j2").render(
        rtl=rtl, samples=count, inputs=into, outputs=out_of,
        in_bits=max(1, sum(p.bits for p in into)), out_bits=max(1, sum(p.bits for p in out_of)),
    )  # fmt: skip
    files = {f"rtl/{name}": content for name, content in rtl.files.items()}
    files["rtl/testbench.sv"] = tidy(text)
    files["rtl/inputs.hex"] = _hex([inputs[n] for n in graph.inputs], rtl.inputs, count)
    files["rtl/expected.hex"] = _hex([outputs[n] for n in graph.outputs], rtl.outputs, count)
    return files


def _ports(ports: Sequence[tuple[str, IntType]]) -> tuple[_Port, ...]:
    found: list[_Port] = []
    low = 0
    for name, of in ports:
        found.append(_Port(name, low, bits_of(of)))
        low += bits_of(of)
    return tuple(found)


def _hex(arrays: Sequence[Array], ports: Sequence[tuple[str, IntType]], count: int) -> str:
    """A line a sample, all ports in one number."""
    lines: list[str] = []
    for k in range(count):
        total = low = 0
        for array, (_, of) in zip(arrays, ports, strict=True):
            width = of.format.width
            mask = (1 << width) - 1
            for i, code in enumerate(array[k].reshape(-1).tolist()):
                total |= (int(code) & mask) << (low + i * width)
            low += bits_of(of)
        lines.append(f"{total:x}")
    return "\n".join(lines) + "\n"
