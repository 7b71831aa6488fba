"""Synthesis of the emitted SystemVerilog by Yosys: what it takes on an FPGA, or in a cell library.

The FPGA flow targets UltraScale+ (xcup). It keeps every adder as one carry chain, unless DSPs may
be taken: then Yosys decides. Yosys writes CARRY4 there; a CARRY8 holds two of them. Counts are read
from the `stat` of the flattened top.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hlsgen.build.levels import Depth, depth
from hlsgen.build.techmaps import TECHMAPS
from hlsgen.build.yosys import ULTRASCALE, find_yosys
from hlsgen.emit.rtl.design_cost import luts
from hlsgen.emit.rtl.emit import ADD3, Rtl, bits_of
from hlsgen.emit.rtl.stream.emit import StreamRtl
from hlsgen.errors import HlsgenError, OptionError

_FPGA = (
    "hierarchy -check -top {top}; {keep}proc; techmap -map luts.v; opt_expr; opt_clean; wreduce; "
    "opt_clean; {adders}flatten; synth_xilinx -family xcup -flatten -noiopad -nowidelut{dsp} "
    "-top {top}; "
)
# Adders before all else, so that each stays one carry chain (build/techmaps.py). alumacc takes
# products, too, which DSPs then do not get.
_IN_LUTS = {"adders": "techmap -map chains.v; alumacc; opt_clean; ", "dsp": " -nodsp"}
_IN_DSPS = {"adders": "", "dsp": ""}
_STAT = "tee -q -o stat.json stat -json; "
_ASIC = (
    "hierarchy -check -top {top}; proc; techmap -map luts.v; synth -flatten -top {top}; "
    "dfflibmap -liberty cells.lib; "
    "abc -liberty cells.lib -script +strash;&get,-n;&dch,-f;&nf;&put;buffer,-c;topo;upsize;dnsize;"
    "stime,-p; opt_clean -purge; tee -q -o stat.txt stat -liberty cells.lib"
)

LUTS = r"LUT[1-6]|LUT6_2"
FLIP_FLOPS = r"FD[A-Z]+(_1)?"
DSPS = r"DSP48E[12]?|DSP58"


@dataclass(frozen=True, slots=True)
class FpgaCost:
    """Primitives of an UltraScale+ part; `carry8` counts pairs of CARRY4, rounded up.

    `inverters` are INV cells: Vivado absorbs most of them into LUTs, Yosys leaves them beside.
    `lut_levels` are the LUTs on the longest path, `carry_chains` those that this path goes through
    (build/levels.py says what is counted).
    """

    lut: int
    inverters: int
    ff: int
    carry4: int
    carry8: int
    dsp: int
    bram18: int
    lutram: int
    lut_levels: int
    carry_chains: int


@dataclass(frozen=True, slots=True)
class AsicCost:
    """Area in the library's unit, cells, flip-flops, and the longest path in picoseconds."""

    area: float
    cells: int
    delay_ps: float | None


@dataclass(frozen=True, slots=True)
class Synthesis:
    """What one run of Yosys found, and the design that it was given."""

    tool: str
    top: str
    latency: int
    estimated_delay_ns: float | None  # of a parallel design without registers
    estimated_luts: float | None  # of a parallel design
    three_input_adders: bool
    fpga: FpgaCost | None
    asic: AsicCost | None

    def to_json(self) -> dict[str, Any]:
        """As the command line prints it."""
        return {"format": 1, **asdict(self)}


def fpga_flow(top: str, *, dsp: bool = False, keep: str = "") -> str:
    """The commands from read files to the primitives of UltraScale+.

    `dsp` lets the tool take DSPs; `keep` selects modules whose borders stay.
    """
    kept = f"setattr -mod -set keep_hierarchy 1 {keep}; " if keep else ""
    return _FPGA.format(top=top, keep=kept, **(_IN_DSPS if dsp else _IN_LUTS))


def synthesise(
    rtl: Rtl | StreamRtl, liberty: Path | None = None, *, dsp: bool = False
) -> Synthesis:
    """LUTs, flip-flops and so on of a design; with `liberty` its area and delay in standard cells.

    `dsp` lets the tool take DSPs for `*`. Errors: ToolMissing without Yosys, OptionError for a
    library that cannot be read, HlsgenError where Yosys stops or says something unexpected.
    """
    yosys = find_yosys()
    with tempfile.TemporaryDirectory(prefix="hlsgen-synth-") as name:
        work = Path(name)
        for file, text in {**rtl.files, **TECHMAPS}.items():
            (work / file).write_text(text, encoding="utf-8")
        read = f"read_verilog -sv {' '.join(rtl.files)}; "
        if liberty is None:
            flow = fpga_flow(rtl.top, dsp=dsp) + _STAT + f"json -o netlist.json {rtl.top}"
            yosys.run(f"read_verilog -lib +/xilinx/cells_sim.v; {ULTRASCALE}; {read}{flow}", work)
            counts = cell_counts(work / "stat.json", rtl.top, yosys.version)
            fpga, asic = _fpga(counts, depth(work / "netlist.json", rtl.top)), None
        else:
            (work / "cells.lib").write_bytes(_library(liberty))
            said = yosys.run(read + _ASIC.format(top=rtl.top), work)
            fpga, asic = None, _asic(work / "stat.txt", said, yosys.version)
    three = ADD3 in rtl.files
    match rtl:
        case Rtl():
            estimates = rtl.delay_ns, luts(rtl.net)
        case StreamRtl():
            estimates = None, None
    return Synthesis(yosys.version, rtl.top, rtl.latency, *estimates, three, fpga, asic)


def batch_luts(designs: Sequence[Rtl]) -> list[int]:
    """LUTs of several designs without registers, by one run: Yosys takes seconds only to start.

    Each design has a top of its own, whose borders are kept.
    """
    yosys = find_yosys()
    with tempfile.TemporaryDirectory(prefix="hlsgen-synth-") as name:
        work = Path(name)
        files = {file: text for rtl in designs for file, text in rtl.files.items()}
        for file, text in {"batch.sv": _side_by_side(designs), **files, **TECHMAPS}.items():
            (work / file).write_text(text, encoding="utf-8")
        flow = fpga_flow("batch", keep=" ".join(rtl.top for rtl in designs)) + _STAT
        read = f"read_verilog -sv batch.sv {' '.join(files)}; "
        yosys.run(f"read_verilog -lib +/xilinx/cells_sim.v; {ULTRASCALE}; {read}{flow}", work)
        path = work / "stat.json"
        return [sum_of(cell_counts(path, rtl.top, yosys.version), LUTS) for rtl in designs]


def _side_by_side(designs: Sequence[Rtl]) -> str:
    """A module that only holds the designs, every port brought out."""
    ports: list[str] = ["input wire clk", "input wire in_valid"]
    lines: list[str] = []
    for rtl in designs:
        sides = [("input", rtl.inputs), ("output", rtl.outputs)]
        named = [(way, name, bits_of(of)) for way, side in sides for name, of in side]
        ports += [f"{way} wire [{bits - 1}:0] {rtl.top}_{name}" for way, name, bits in named]
        joined = ", ".join(f".{name}({rtl.top}_{name})" for _, name, _ in named)
        lines.append(f"  {rtl.top} u_{rtl.top} (.clk, .in_valid, .out_valid(), {joined});")
    return (
        "module batch (\n  " + ",\n  ".join(ports) + "\n);\n" + "\n".join(lines) + "\nendmodule\n"
    )


def _library(path: Path) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise OptionError(f"--liberty {path}: {error.strerror}") from error
    if b"library" not in data[:100_000]:
        raise OptionError(f"--liberty {path} is no Liberty file (no `library` in it)")
    return data


def cell_counts(path: Path, top: str, version: str) -> dict[str, int]:
    """Cells of a module in a `stat -json`, by kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        modules: Mapping[str, Any] = content["modules"]
        cells: Mapping[str, Any] = modules.get(f"\\{top}", modules.get(top))["num_cells_by_type"]
        return {kind: int(count) for kind, count in cells.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HlsgenError(
            f"{version[:40]} wrote no cell counts that hlsgen can read ({type(error).__name__}): "
            "tried with Yosys 0.23 and 0.70"
        ) from error


def sum_of(counts: Mapping[str, int], pattern: str) -> int:
    """How many cells have a kind of this pattern."""
    return sum(n for kind, n in counts.items() if re.fullmatch(pattern, kind))


def bram18_of(counts: Mapping[str, int]) -> int:
    """Block RAMs; one of 36 Kbit is two."""
    return sum_of(counts, r"RAMB18E[12]") + 2 * sum_of(counts, r"RAMB36E[12]")


def _fpga(counts: Mapping[str, int], deep: Depth) -> FpgaCost:
    carry4 = sum_of(counts, "CARRY4") + 2 * sum_of(counts, "CARRY8")
    return FpgaCost(
        lut=sum_of(counts, LUTS),
        inverters=sum_of(counts, "INV"),
        ff=sum_of(counts, FLIP_FLOPS),
        carry4=carry4,
        carry8=-(-carry4 // 2),
        dsp=sum_of(counts, DSPS),
        bram18=bram18_of(counts),
        lutram=sum_of(counts, r"RAM\d+[A-Z0-9]*|SRL\w+"),
        lut_levels=deep.lut_levels,
        carry_chains=deep.carry_chains,
    )


def _asic(path: Path, said: str, version: str) -> AsicCost:
    """The area of a `stat -liberty`, and the delay that abc printed."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    area = re.findall(r"Chip area for (?:top )?module '[^']*':\s*([\d.]+)", text)
    cells = re.findall(r"Number of cells:\s*(\d+)", text) or re.findall(
        r"^\s*(\d+)\s+[\d.eE+-]+\s+cells$", text, re.MULTILINE
    )
    if not area or not cells:
        raise HlsgenError(f"{version[:40]} wrote no area that hlsgen can read")
    delays = re.findall(r"Delay\s*=\s*([\d.]+)\s*ps", said)
    return AsicCost(float(area[-1]), int(cells[-1]), float(delays[-1]) if delays else None)
