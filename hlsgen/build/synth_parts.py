"""Synthesis of a streaming design part by part: what each unit and each channel takes.

Borders of parts are kept, so nothing is shared or simplified across them, and a network that is too
large for one piece still goes through: Yosys sees one part after the other.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from hlsgen.build.synth import DSPS, FLIP_FLOPS, LUTS, bram18_of, fpga_flow, sum_of
from hlsgen.build.techmaps import TECHMAPS
from hlsgen.build.yosys import ULTRASCALE, find_yosys
from hlsgen.emit.rtl.stream.emit import StreamRtl
from hlsgen.emit.serving import serving
from hlsgen.errors import HlsgenError
from hlsgen.fold.use import Use, total

# LUTs that a cell of distributed memory takes in UltraScale+ (UG974).
_MEMORY_LUTS = {
    "RAM32X1S": 1, "RAM32X1D": 2, "RAM64X1S": 1, "RAM64X1D": 2, "RAM128X1S": 2, "RAM128X1D": 4,
    "RAM256X1S": 4, "RAM256X1D": 8, "RAM512X1S": 8, "RAM32M": 4, "RAM64M": 4, "RAM32M16": 8,
    "RAM64M8": 8, "SRL16E": 1, "SRLC32E": 1,
}  # fmt: skip


def layer_uses(
    rtl: StreamRtl, functions: Mapping[str, str], *, dsp: bool = False
) -> dict[str, Use]:
    """What each operator takes by Yosys, with the helpers and channels that serve it.

    What serves only a port is under "".

    Args:
        rtl: the design.
        functions: the operators, by the names of their functions in it.
        dsp: whether the tool may take DSPs for `*`.

    Errors: as of `part_uses`.
    """
    processes = rtl.plan.processes
    serves = serving(processes, {f"{rtl.top}_{name}": node for name, node in functions.items()})
    reader = {name: p.name for p in processes for name in p.reads}
    serves |= {name: serves[process] for name, process in reader.items()}
    found: dict[str, list[Use]] = {}
    for part, use in part_uses(rtl, dsp=dsp).items():
        found.setdefault(serves.get(part.removeprefix("unit_"), ""), []).append(use)
    return {node: total(uses) for node, uses in found.items()}


def part_uses(rtl: StreamRtl, *, dsp: bool = False) -> dict[str, Use]:
    """What each instance in the top module takes; memories in LUTs count as LUTs.

    Inverters are left out: Vivado absorbs them. Errors: ToolMissing without Yosys, HlsgenError
    where it stops or writes what cannot be read.
    """
    yosys = find_yosys()
    with tempfile.TemporaryDirectory(prefix="hlsgen-synth-") as name:
        work = Path(name)
        for file, text in {**rtl.files, **TECHMAPS}.items():
            (work / file).write_text(text, encoding="utf-8")
        flow = fpga_flow(rtl.top, dsp=dsp, keep=f"{rtl.top}/t:* %M") + "json -o netlist.json"
        read = f"read_verilog -sv {' '.join(rtl.files)}; "
        yosys.run(f"read_verilog -lib +/xilinx/cells_sim.v; {ULTRASCALE}; {read}{flow}", work)
        try:
            return _parts(json.loads((work / "netlist.json").read_text("utf-8")), rtl.top)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise HlsgenError(
                f"{yosys.version[:40]} wrote no netlist that hlsgen can read "
                f"({type(error).__name__}): tried with Yosys 0.23"
            ) from error


def _parts(netlist: Mapping[str, Any], top: str) -> dict[str, Use]:
    modules = netlist["modules"]

    @cache
    def cells(kind: str) -> Counter[str]:
        """Primitives of a cell, through all levels below it."""
        inner = modules.get(kind)
        if inner is None or inner.get("attributes", {}).get("blackbox"):
            return Counter([kind])
        return sum((cells(c["type"]) for c in inner["cells"].values()), Counter[str]())

    return {name: _use(cells(c["type"])) for name, c in modules[top]["cells"].items()}


def _use(cells: Counter[str]) -> Use:
    return Use(
        lut=sum_of(cells, LUTS) + sum(_MEMORY_LUTS.get(kind, 0) * n for kind, n in cells.items()),
        ff=sum_of(cells, FLIP_FLOPS),
        dsp=sum_of(cells, DSPS),
        bram18=bram18_of(cells),
        uram=sum_of(cells, r"URAM288(_BASE)?"),
    )
