"""From a streamed project to its bitstream and driver: the steps of both vendor flows."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from hlsgen.boards import Board, Flow, Resources, load_board
from hlsgen.build.steps import Ran, Say, Step, StepFailed, run_steps
from hlsgen.emit.alveo import FILL, compute_units, link_config, place_units
from hlsgen.emit.deploy import FORMAT, INTERFACE
from hlsgen.errors import OptionError, ToolMissing

_SETTINGS = "source its settings64.sh"
_HLS = f"v++ with vitis-run (2023.2 on) or vitis_hls (2020.2 to 2024.2): install Vitis, {_SETTINGS}"
_VIVADO = f"vivado: install Vivado with the part of this board, {_SETTINGS}"
_VPP = f"v++: install Vitis and the platform of the card, {_SETTINGS}"


@dataclass(frozen=True, slots=True)
class BitstreamOptions:
    """`steps` to run (all where empty), `force` runs them again.

    For Alveo: `slrs` is the die of each compute unit, or `units` how many are placed by the
    estimate of C synthesis; without both they are those of the build.
    """

    steps: tuple[str, ...] = ()
    force: bool = False
    units: int | None = None
    slrs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Job:
    """A project, and what its files say of the kernel."""

    folder: Path
    interface: Mapping[str, Any]
    clock_ns: float
    options: BitstreamOptions

    @property
    def kernel(self) -> str:
        return self.interface["kernel"]

    @property
    def flow(self) -> Flow:
        return Flow(self.interface["flow"])

    @property
    def masters(self) -> list[str]:
        ports = self.interface["ports"]
        return [port["master"] for port in [*ports["in"], *ports["out"]]]

    @property
    def units(self) -> list[str]:
        """Names of the compute units in the bitstream."""
        if not self.options.slrs and self.options.units is None:
            return [unit["name"] for unit in self.interface["units"]]
        return [f"cu_{k}" for k in range(len(self.options.slrs) or self.options.units or 1)]


def make_bitstream(folder: Path, options: BitstreamOptions, say: Say) -> list[Ran]:
    """Run what is missing of a project's steps; the last one fills deploy/.

    Errors: OptionError for a folder without a kernel, ToolMissing, StepFailed.
    """
    job = _opened(folder.resolve(), options)
    steps = _zynq_steps(job) if job.flow is Flow.VIVADO else _alveo_steps(job)
    wanted = options.steps or tuple(step.name for step in steps)
    return run_steps(job.folder, steps, wanted, force=options.force, say=say)


def _opened(folder: Path, options: BitstreamOptions) -> _Job:
    try:
        project = json.loads((folder / "project.json").read_text(encoding="utf-8"))
        recorded = project["options"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise OptionError(f"{folder} is not a project that hlsgen wrote") from error
    if not (folder / INTERFACE).is_file():
        why = (
            "its reloadable weights have no place in the kernel"
            if recorded["io"] == "stream"
            else "build it with --io stream"
        )
        raise OptionError(f"{folder} has no kernel for a bitstream: {why}")
    if options.units is not None and options.units < 1:
        raise OptionError(f"--units must be 1 or more, got {options.units}")
    interface = json.loads((folder / INTERFACE).read_text(encoding="utf-8"))
    alone = Flow(interface["flow"]) is Flow.VIVADO
    if "units" not in interface:
        raise OptionError(f"{folder} was built by an older hlsgen: build it again")
    if alone and ((options.units or 1) > 1 or options.slrs):
        raise OptionError("--units and --slr are for Alveo cards")
    return _Job(folder, interface, recorded["clock_ns"], options)


# -- steps ------------------------------------------------------------------------------------


def _zynq_steps(job: _Job) -> list[Step]:
    params = ("bd.tcl", "bd_params.tcl")
    vivado = shutil.which("vivado")
    batch = (vivado or "vivado", "-mode", "batch", "-nojournal", "-nolog", "-source", "bd.tcl")
    hls = _hls_step(job, "build/kernel_ip/component.xml", partial(_collect_ip, job))

    def step(name: str, *outputs: str) -> Step:
        return Step(
            name, "vivado", (batch,), {"HLSGEN_STEPS": name}, params, outputs,
            missing="" if vivado else _VIVADO,
        )  # fmt: skip

    bit, hwh = f"{job.kernel}.bit", f"{job.kernel}.hwh"
    return [
        hls,
        step("design", "build/vivado/vivado.xpr"),
        step("synth"),
        step("implement", f"build/{bit}", f"build/{hwh}"),
        _deploy_step(job, bit, hwh),
    ]


def _alveo_steps(job: _Job) -> list[Step]:
    board = load_board(job.interface["board"])
    vpp = shutil.which("v++")
    xo, xclbin = f"build/{job.kernel}.xo", f"{job.kernel}.xclbin"
    link = (
        vpp or "v++", "-l", "-t", "hw", "--config", "build/link.cfg", "--temp_dir", "build/link",
        "--log_dir", "build/link/logs", "--report_dir", "build/link/reports",
        "-o", f"build/{xclbin}", xo,
    )  # fmt: skip

    check = partial(_check_release, vpp, board) if vpp else None

    def prepare() -> None:
        units = compute_units(job.masters, board, _slrs(job, board))
        text = link_config(job.kernel, board, job.clock_ns, units)
        (job.folder / "build" / "link.cfg").write_text(text, encoding="utf-8")

    built = [unit["slr"] for unit in job.interface["units"]]
    choices = job.options.slrs or ((str(job.options.units),) if job.options.units else (*built,))
    return [
        replace(_hls_step(job, xo), check=check),
        Step(
            "link", "v++", (link,), {}, (xo,), (f"build/{xclbin}",), choices,
            "" if vpp else _VPP, check, prepare,
        ),
        _deploy_step(job, xclbin),
    ]  # fmt: skip


def _hls_step(job: _Job, output: str, after: Any = None) -> Step:
    """C synthesis and packaging by the newest generation of HLS tools that is installed."""
    sources = sorted(p for p in (job.folder / "src").rglob("*") if p.is_file())
    inputs = tuple(p.relative_to(job.folder).as_posix() for p in sources)
    inputs += ("kernel.cfg", "build.tcl", "params.tcl")
    env = {"HLSGEN_DESIGN": "kernel", "HLSGEN_STEPS": "csynth export"}
    made = partial(
        Step, "hls", inputs=inputs, outputs=(output,), before=partial(_clean_hls, job), after=after
    )
    vpp, runner = shutil.which("v++"), shutil.which("vitis-run")
    if vpp and runner:
        common = ("--mode", "hls", "--config", "kernel.cfg", "--work_dir", "build/kernel")
        return made("v++", ((vpp, "-c", *common), (runner, "--package", *common)))
    older = ("vitis_hls", "vivado_hls") if job.flow is Flow.VIVADO else ("vitis_hls",)
    for name in older:
        found = shutil.which(name)
        if found:
            return made(name, ((found, "-f", "build.tcl"),), env | {"HLSGEN_TOOL": name})
    return made("vitis_hls", (("vitis_hls", "-f", "build.tcl"),), env, missing=_HLS)


def _deploy_step(job: _Job, *files: str) -> Step:
    """Bitstream and design.json into deploy/."""
    return Step(
        "deploy", "hlsgen", inputs=(INTERFACE, *(f"build/{name}" for name in files)),
        outputs=(*(f"deploy/{name}" for name in files), "deploy/design.json"),
        options=tuple(job.units), after=partial(_deploy, job, files),
    )  # fmt: skip


# -- what needs no tool -----------------------------------------------------------------------


def _clean_hls(job: _Job) -> None:
    """What an earlier run left must not pass for the result of this one."""
    build = job.folder / "build"
    build.mkdir(exist_ok=True)
    for name in ("kernel", "kernel_ip"):
        shutil.rmtree(build / name, ignore_errors=True)
    for end in (".zip", ".xo"):
        (build / f"{job.kernel}{end}").unlink(missing_ok=True)


def _collect_ip(job: _Job) -> None:
    """The IP as a folder, from the archive or from where older tools leave it."""
    build = job.folder / "build"
    target = build / "kernel_ip"
    archive = build / f"{job.kernel}.zip"
    if archive.is_file():
        try:
            with zipfile.ZipFile(archive) as z:
                z.extractall(target)
        except zipfile.BadZipFile as error:
            raise StepFailed(f"step hls: {archive} is not a whole archive") from error
        return
    found = sorted((build / "kernel").rglob("impl/ip/component.xml"))
    if not found:
        raise StepFailed(f"step hls: no IP, neither {archive.name} nor impl/ip in build/kernel")
    shutil.copytree(found[0].parent, target)


def _slrs(job: _Job, board: Board) -> Sequence[str]:
    """The die of each compute unit."""
    if job.options.slrs:
        return job.options.slrs
    if job.options.units is None:
        return [unit["slr"] for unit in job.interface["units"]]
    hint = (
        "the estimate of HLS can be several times too high; give fewer --units, or say with --slr "
        "where each goes"
    )
    return place_units(board, _estimate(job).counts, job.options.units, FILL, hint)


def _estimate(job: _Job) -> Resources:
    """What C synthesis says that the kernel takes."""
    reports = (job.folder / "build" / "kernel").rglob(f"syn/report/{job.kernel}_csynth.xml")
    for path in sorted(reports):
        area = ElementTree.parse(path).find("AreaEstimates/Resources")
        if area is not None:
            counts = {part.tag: int(part.text or 0) for part in area}
            dsp = counts.get("DSP", counts.get("DSP48E", 0))
            return Resources(
                counts["LUT"], counts["FF"], dsp, counts["BRAM_18K"], counts.get("URAM", 0),
                f"HLS estimate, {path.name}",
            )  # fmt: skip
    raise StepFailed(
        f"step link: no {job.kernel}_csynth.xml below build/kernel, so nothing says on which die "
        "the kernel fits: give --slr"
    )


def _check_release(tool: str, board: Board) -> None:
    """The card is supported by some releases only."""
    said = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"v(20\d\d\.\d)", said)
    if found is None:
        raise StepFailed(f"{tool} --version names no release: {said.strip()[:80]!r}")
    if board.tools and not board.tools[0] <= found[1] <= board.tools[1]:
        raise ToolMissing(
            f"needs Vitis {board.tools[0]} to {board.tools[1]}, the releases for {board.title}; "
            f"{tool} is {found[1]}"
        )


def _deploy(job: _Job, files: Sequence[str]) -> None:
    """Copies, then design.json last: a folder that is half filled is not taken for a whole one."""
    deploy = job.folder / "deploy"
    target = deploy / "design.json"
    target.unlink(missing_ok=True)
    digests: dict[str, str] = {}
    for name in files:
        data = (job.folder / "build" / name).read_bytes()
        (deploy / name).write_bytes(data)
        digests[name] = hashlib.sha256(data).hexdigest()
    content = {
        "format": FORMAT,
        "build": job.interface["build"],
        "bitstream": files[0],
        "units": job.units,
        "files": digests,
        "facts": _facts(job.folder / "build" / "facts.txt"),
    }
    fresh = target.with_suffix(".new")
    fresh.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    fresh.replace(target)


def _facts(path: Path) -> dict[str, float]:
    """Clock and slack as bd.tcl noted them; nothing for Alveo."""
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").split("\n")
    return {name: float(value) for name, value in (line.split() for line in lines if line)}
