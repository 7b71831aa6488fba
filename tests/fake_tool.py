"""Stands for vivado, v++, vitis-run, vitis_hls and vivado_hls: checks its arguments, leaves files.

FAKE_LOG gets a line a call; FAKE_FAIL names the call that fails, FAKE_DIE the one that is killed
half-way, FAKE_SLEEP the one that hangs (its process id goes to FAKE_PID), FAKE_EMPTY the one that
ends well without its result; FAKE_FULL the one that meets a full disk. FAKE_RELEASE is the version.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import zipfile
from pathlib import Path

REPORT = (
    "<profile><AreaEstimates><Resources><BRAM_18K>4</BRAM_18K><DSP>0</DSP><FF>150000</FF>"
    "<LUT>150000</LUT><URAM>0</URAM></Resources></AreaEstimates></profile>"
)
tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
build = Path("build")


def kernel() -> str:
    (path,) = Path("src").glob("*_kernel.cpp")
    return path.stem


def after(option: str) -> str:
    return arguments[arguments.index(option) + 1]


def report() -> None:
    path = build / "kernel/solution1/syn/report" / f"{kernel()}_csynth.xml"
    path.parent.mkdir(parents=True)
    path.write_text(REPORT)


def package(old: bool = False) -> None:
    if "flow_target=vitis" in Path("kernel.cfg").read_text():
        (build / f"{kernel()}.xo").write_text("xo")
    elif old:
        ip = build / "kernel/solution1/impl/ip"
        ip.mkdir(parents=True)
        (ip / "component.xml").write_text("<ip/>")
    else:
        with zipfile.ZipFile(build / f"{kernel()}.zip", "w") as z:
            z.writestr("component.xml", "<ip/>")


def vivado() -> str:
    assert arguments == ["-mode", "batch", "-nojournal", "-nolog", "-source", "bd.tcl"]
    assert (build / "kernel_ip/component.xml").is_file()
    return os.environ["HLSGEN_STEPS"]


def leave(call: str) -> None:
    """The files of a call."""
    match call:
        case "csynth" | "vitis_hls" | "vivado_hls":
            report()
            if call != "csynth":
                package(call == "vivado_hls")
        case "package":
            package()
        case "design":
            (build / "vivado").mkdir(exist_ok=True)
            (build / "vivado/vivado.xpr").write_text("project")
            (build / "facts.txt").write_text("clock_hz 249997498\n")
        case "implement":
            with (build / "facts.txt").open("a") as facts:
                facts.write("setup_slack_ns 0.123\n")
            content = os.environ.get("FAKE_BIT", "bits")
            (build / f"{kernel()}.bit").write_text(content)
            (build / f"{kernel()}.hwh").write_text("<hwh/>")
        case "link":
            assert Path(arguments[-1]).read_text() == "xo"
            Path(after("-o")).write_text(os.environ.get("FAKE_BIT", "bits"))


def call_of() -> str:
    match tool:
        case "vivado":
            return vivado()
        case "v++" if arguments[0] == "-c":
            rest = " ".join(arguments[1:])
            assert rest == "--mode hls --config kernel.cfg --work_dir build/kernel"
            return "csynth"
        case "v++":
            assert arguments[:4] == ["-l", "-t", "hw", "--config"]
            return "link"
        case "vitis-run":
            assert arguments[:3] == ["--package", "--mode", "hls"]
            return "package"
        case _:
            assert arguments == ["-f", "build.tcl"]
            assert os.environ["HLSGEN_DESIGN"] == "kernel"
            assert os.environ["HLSGEN_TOOL"] == tool
            return tool


if arguments == ["--version"]:
    print(f"****** {tool} v{os.environ.get('FAKE_RELEASE', '2023.2')} (64-bit)")
    sys.exit(0)
call = call_of()
with Path(os.environ["FAKE_LOG"]).open("a") as log:
    log.write(f"{call}\n")
print(f"INFO: [Fake 1-1] {call}", flush=True)
if call == os.environ.get("FAKE_SLEEP"):
    Path(os.environ["FAKE_PID"]).write_text(str(os.getpid()))
    time.sleep(float(os.environ.get("FAKE_SECONDS", "60")))
if call == os.environ.get("FAKE_FAIL"):
    print("CRITICAL WARNING: [Fake 2-1] be warned")
    print("ERROR: [Place 30-640] Place Check : too many LUTs")
    print("ERROR: [Common 17-69] Command failed due to earlier errors")
    sys.exit(1)
if call == os.environ.get("FAKE_FULL"):
    print(
        "ERROR: [Common 17-1] unknown\nwrite_checkpoint: No space left on device", file=sys.stderr
    )
    sys.exit(1)
if call == os.environ.get("FAKE_DIE"):
    os.kill(os.getpid(), signal.SIGKILL)
if call != os.environ.get("FAKE_EMPTY"):
    leave(call)
