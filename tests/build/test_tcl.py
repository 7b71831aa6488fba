"""build.tcl in a real tclsh, with stand-ins that know the options of each tool generation."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hls_graphs import mlp, write

from hlsgen.emit.hls import HlsOptions, Io, emit_hls

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")

# Options by command; "=" takes a value. UG1399 (2020.2 to 2024.2) and, for vivado_hls, UG902.
COMMON = {
    "open_project": "-reset",
    "set_top": "",
    "add_files": "-tb -cflags= -csimflags= -blackbox=",
    "set_part": "",
    "create_clock": "-period= -name=",
    "csim_design": "-argv= -clean -ldflags= -mflags= -O -profile -setup",
    "csynth_design": "",
    "cosim_design": "-argv= -ldflags= -mflags= -O -rtl= -setup -tool= -trace_level=",
}
TOOLS = {
    "vivado_hls": COMMON
    | {
        "open_solution": "-reset",
        "export_design": "-description= -display_name= -evaluate= -flow= -format= -ipname= "
        "-library= -rtl= -vendor= -version= -xo=",
    },
    "vitis_hls": COMMON
    | {
        "open_solution": "-reset -flow_target=",
        "export_design": "-description= -display_name= -flow= -format= -ipname= -library= -output= "
        "-rtl= -vendor= -version=",
    },
}
TOOLS["vitis-run"] = TOOLS["vitis_hls"]

STUB = """
proc refuse {text} { error $text }
foreach {command options} $table {
  set known($command) $options
  proc $command {args} {
    set command [lindex [info level 0] 0]
    global known
    set log [open $::env(TCL_LOG) a]
    puts $log [concat $command $args]
    close $log
    if {$command eq $::env(TCL_FAILS)} { error "$command went wrong" }
    for {set i 0} {$i < [llength $args]} {incr i} {
      set word [lindex $args $i]
      if {![string match -* $word]} continue
      if {$word in $known($command)} continue
      if {"$word=" in $known($command)} { incr i; continue }
      error "$command: unknown option $word"
    }
  }
}
"""


def run(
    project: Path, tool: str, steps: str = "", fails: str = "", design: str = ""
) -> tuple[int, list[str], str]:
    """Exit status, recorded commands and stderr of build.tcl under a tool."""
    table = " ".join(f"{{{command}}} {{{options}}}" for command, options in TOOLS[tool].items())
    script = project.parent / "session.tcl"
    script.write_text(f"set table {{{table}}}\n{STUB}\nsource {{{project / 'build.tcl'}}}\n")
    log = project.parent / "log"
    log.write_text("")
    env = os.environ | {"TCL_LOG": str(log), "TCL_FAILS": fails, "HLSGEN_TOOL": tool}
    env |= {"HLSGEN_DESIGN": design} if design else {}
    if steps:
        env["HLSGEN_STEPS"] = steps
    done = subprocess.run(["tclsh", script], env=env, capture_output=True, text=True, check=False)
    return done.returncode, log.read_text().splitlines(), done.stderr


def emitted(folder: Path, **options: str) -> Path:
    return write(emit_hls(mlp(), HlsOptions(**options)), folder / "a project")


@pytest.mark.parametrize("target", ["vivado", "vitis"])
@pytest.mark.parametrize("tool", list(TOOLS))
def test_every_step(tool: str, target: str, tmp_path: Path) -> None:
    project = emitted(tmp_path, flow_target=target, part="xcu280-fsvh2892-2L-e")
    (project / "data").mkdir()
    status, commands, errors = run(project, tool, "csim csynth cosim export")
    assert (status, errors) == (0, "")
    assert [c.split()[0] for c in commands] == [
        "open_project", "set_top", "add_files", "add_files", "add_files", "open_solution",
        "set_part", "create_clock", "csim_design", "csynth_design", "cosim_design", "export_design",
    ]  # fmt: skip
    assert commands[1] == "set_top mlp"
    assert commands[6] == "set_part xcu280-fsvh2892-2L-e"
    assert commands[7] == "create_clock -period 5.0 -name default"
    flow = "" if tool == "vivado_hls" else f"-flow_target {target} "
    assert commands[5] == f"open_solution -reset {flow}solution1"


@pytest.mark.parametrize("tool", list(TOOLS))
def test_the_kernel_has_its_own_sources_and_project(tool: str, tmp_path: Path) -> None:
    project = write(emit_hls(mlp(), HlsOptions(io=Io.STREAM)), tmp_path / "a project")
    status, commands, errors = run(project, tool, "csynth export", design="kernel")
    assert (status, errors) == (0, "")
    assert commands[:2] == ["open_project -reset kernel", "set_top mlp_kernel"]
    added = [c for c in commands if c.startswith("add_files")]
    assert [c.rsplit("/", 1)[1].strip("}") for c in added] == ["mlp.cpp", "mlp_kernel.cpp"]
    assert all("-DHLSGEN_KERNEL" in c for c in added)


def test_default_is_synthesis(tmp_path: Path) -> None:
    status, commands, _ = run(emitted(tmp_path), "vitis_hls")
    assert status == 0
    assert commands[-1].strip() == "csynth_design"


@pytest.mark.parametrize("command", ["open_solution", "csynth_design", "export_design"])
def test_a_failing_command_fails_the_script(command: str, tmp_path: Path) -> None:
    status, commands, errors = run(emitted(tmp_path), "vitis_hls", "csynth export", command)
    assert status == 1
    assert commands[-1].startswith(command)
    assert f"{command} went wrong" in errors


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    status, _, errors = run(emitted(tmp_path), "vitis_hls", "bitstream")
    assert status == 1
    assert "no such step: bitstream" in errors


@pytest.mark.parametrize(
    ("tools", "said"),
    [
        (("v++", "vitis-run", "vitis_hls"), "v++ -c --mode hls --config hls_config.cfg"),
        (("v++", "vitis_hls"), "vitis_hls -f build.tcl"),
        (("vivado_hls",), "vivado_hls -f build.tcl"),
    ],
)
def test_make_takes_the_newest_tool(tools: tuple[str, ...], said: str, tmp_path: Path) -> None:
    done = make(tmp_path, tools, "csynth")
    assert done.returncode == 0, done.stderr
    assert said in done.stdout


def test_make_says_which_tool_is_missing(tmp_path: Path) -> None:
    done = make(tmp_path, (), "cosim")
    assert done.returncode != 0
    assert "needs v++ and vitis-run" in done.stderr


def test_make_passes_a_failure_on(tmp_path: Path) -> None:
    assert make(tmp_path, ("vitis_hls",), "csynth", status=7).returncode != 0


def make(folder: Path, tools: tuple[str, ...], target: str, status: int = 0):
    """`make TARGET` with stand-ins for the tools first on PATH."""
    project = emitted(folder)
    (folder / "bin").mkdir()
    for tool in tools:
        path = folder / "bin" / tool
        path.write_text(f"#!/bin/sh\nexit {status}\n")
        path.chmod(0o755)
    env = os.environ | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    return subprocess.run(
        ["make", target], cwd=project, env=env, capture_output=True, text=True, check=False
    )
