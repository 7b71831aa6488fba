"""bd.tcl in a real tclsh, with stand-ins that know the options of Vivado's commands (UG835)."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hls_graphs import residual, write

from hlsgen.boards import Flow, all_boards, load_board
from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.emit.kernel import MemoryKernel
from hlsgen.emit.zynq import zynq_files
from hlsgen.errors import OptionError

pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh")
ZYNQ = [board.name for board in all_boards() if board.flow is Flow.VIVADO]

# UG835, 2021.2 to 2025.2: options by command; "=" takes a value.
COMMANDS = {
    "create_project": "-part= -force -in_memory -ip -rtl_kernel",
    "open_project": "-read_only",
    "close_project": "-delete",
    "set_property": "-name= -value= -objects= -dict= -verbose",
    "update_ip_catalog": "-rebuild -add_ip= -delete_ip= -disable_ip= -repo_path=",
    "create_bd_design": "-dir= -cell= -bdsource= -boundary_crossing",
    "create_bd_cell": "-vlnv= -type= -reference= -hierarchy",
    "apply_bd_automation": "-rule= -config= -dict= -opts=",
    "connect_bd_intf_net": "-intf_net= -boundary_type= -auto",
    "connect_bd_net": "-net= -boundary_type=",
    "assign_bd_address": "-target_address_space= -boundary -external -offset= -range= -force",
    "validate_bd_design": "-include_pfm -design= -force -quiet",
    "save_bd_design": "",
    "make_wrapper": "-top -testbench -inst_template -fileset= -import -files= -force",
    "update_compile_order": "-force_gui -fileset=",
    "reset_run": "-prev_step -from_step= -noclean_dir",
    "launch_runs": "-jobs= -to_step= -next_step -host= -dir= -scripts_only -force",
    "wait_on_run": "-timeout=",
    "open_run": "-name= -pr_config= -lsf",
    "report_timing_summary": "-check_timing_verbose -delay_type= -max_paths= -file= -name= -append",
    "report_utilization": "-file= -append -hierarchical -hierarchical_depth= -format= -cells=",
    "get_ipdefs": "-all -filter= -of_objects= -regexp -nocase",
    "get_board_parts": "-filter= -latest_file_version -latest_hw_revision",
    "current_project": "",
    "current_fileset": "-simset -constrset -srcset",
    "get_files": "-filter= -of_objects= -regexp",
    "get_bd_pins": "-filter= -of_objects= -hierarchical",
    "get_bd_intf_pins": "-filter= -of_objects= -hierarchical",
    "get_bd_addr_spaces": "-filter= -of_objects= -hierarchical",
    "get_bd_addr_segs": "-filter= -of_objects= -hierarchical -addressed -unaddressed -excluded",
    "get_runs": "-filter= -regexp",
    "get_timing_paths": "-from= -to= -delay_type= -setup -hold -max_paths= -nworst=",
    "get_property": "-min -max",
}

# What the queries return. Versions are such that sorting them as text would take the older one.
ANSWERS = """
proc answer {command words} {
  set last [lindex $words end]
  switch -- $command {
    get_ipdefs {
      if {$::env(BD_LACKS) ne "" && [string match *$::env(BD_LACKS)* $last]} { return {} }
      set found {}
      foreach version {9.9 10.2 2.0} { lappend found [string map "* $version" $last] }
      return $found
    }
    get_board_parts {
      if {$::env(BD_LACKS) eq "board" || [string match avnet.com:ultra96v2* $last]} { return {} }
      return [list [string map {* 1.2} $last] [string map {* 1.10} $last]]
    }
    create_bd_cell - get_bd_pins - get_bd_intf_pins - get_runs - get_files { return $last }
    get_bd_addr_spaces { return {ps/Data kernel_0/Data_m_axi_gmem0} }
    get_bd_addr_segs { return $last/SEG }
    get_timing_paths { return [expr {"-hold" in $words ? "hold_path" : "setup_path"}] }
    get_property {
      switch -- [lindex $words 0] {
        PROGRESS { return [expr {$last eq $::env(BD_STOPS) ? "37%" : "100%"}] }
        STATUS { return "synth_design ERROR" }
        SLACK { return [expr {$last eq "setup_path" ? $::env(BD_SLACK) : 0.02}] }
        CONFIG.FREQ_HZ { return 249997498 }
        OFFSET { return 0xA0000000 }
        RANGE { return 64K }
      }
    }
    launch_runs {
      if {[lindex $words 0] eq "impl_1"} {
        set base [path build/vivado]
        foreach name [list vivado.runs/impl_1/top_wrapper.bit \
            vivado.gen/sources_1/bd/residual_kernel_bd/hw_handoff/residual_kernel_bd.hwh] {
          file mkdir [file dirname [file join $base $name]]
          close [open [file join $base $name] w]
        }
      }
    }
  }
  return ""
}
"""
STUB = r"""
foreach {command options} $table {
  set known($command) $options
  proc $command {args} {
    set command [lindex [info level 0] 0]
    global known
    set log [open $::env(TCL_LOG) a]
    puts $log [regsub -all {\s+} [concat $command $args] " "]
    close $log
    if {$command eq $::env(TCL_FAILS)} { error "$command went wrong" }
    for {set i 0} {$i < [llength $args]} {incr i} {
      set word [lindex $args $i]
      if {![string match {-[a-z]*} $word]} continue
      if {$word in $known($command)} continue
      if {"$word=" in $known($command)} { incr i; continue }
      error "$command: unknown option $word"
    }
    return [answer $command $args]
  }
}
"""


def kernel() -> MemoryKernel:
    found = design_of(residual(), HlsOptions(io=Io.STREAM)).kernel
    assert found is not None
    return found


@dataclass(frozen=True)
class Done:
    status: int
    commands: list[str]
    errors: str
    folder: Path

    def of(self, command: str) -> list[str]:
        return [c.split(" ", 1)[-1] for c in self.commands if c.split()[0] == command]


def run(
    folder: Path, board: str = "ultra96v2", *, steps: str = "", fails: str = "", slack: float = 0.1,
    stops: str = "", lacks: str = "",
) -> Done:  # fmt: skip
    """bd.tcl with the stand-ins."""
    project = write(zynq_files(kernel(), load_board(board), 4.0), folder / "a project")
    (project / "build").mkdir(exist_ok=True)
    table = " ".join(f"{{{name}}} {{{options}}}" for name, options in COMMANDS.items())
    script = folder / "session.tcl"
    script.write_text(f"set table {{{table}}}\n{ANSWERS}{STUB}\nsource {{{project / 'bd.tcl'}}}\n")
    log = folder / "log"
    log.write_text("")
    env = os.environ | {
        "TCL_LOG": str(log), "TCL_FAILS": fails, "BD_SLACK": str(slack), "BD_STOPS": stops,
        "BD_LACKS": lacks,
    }  # fmt: skip
    if steps:
        env["HLSGEN_STEPS"] = steps
    done = subprocess.run(["tclsh", script], env=env, capture_output=True, text=True, check=False)
    return Done(done.returncode, log.read_text().splitlines(), done.stderr, project / "build")


@pytest.mark.parametrize("board", ZYNQ)
def test_every_board(board: str, tmp_path: Path) -> None:
    done = run(tmp_path, board)
    assert (done.status, done.errors) == (0, "")
    assert {p.name for p in done.folder.iterdir()} >= {
        "residual_kernel.bit", "residual_kernel.hwh", "address_map.txt", "facts.txt"
    }  # fmt: skip
    facts = dict(line.split() for line in (done.folder / "facts.txt").read_text().splitlines())
    assert facts == {"clock_hz": "249997498", "setup_slack_ns": "0.1", "hold_slack_ns": "0.02"}
    segments = (done.folder / "address_map.txt").read_text().splitlines()
    assert segments[0] == "ps/Data/SEG 0xA0000000 64K"


def test_ip_and_boards_by_wildcard_newest_first(tmp_path: Path) -> None:
    done = run(tmp_path)
    vlnvs = [line.split()[3] for line in done.of("create_bd_cell")]
    assert {v.rsplit(":", 1)[1] for v in vlnvs} == {"10.2"}
    assert all(line.endswith(":*") for line in done.of("get_ipdefs"))
    assert "board_part Avnet-tria:Ultra96v2:part0:1.10" in done.of("set_property")[0]


def test_nets(tmp_path: Path) -> None:
    done = run(tmp_path)
    clocks = [
        line.split()[1] for line in done.of("connect_bd_net") if line.startswith("ps/pl_clk0")
    ]
    assert clocks == [
        "reset/slowest_sync_clk", "control/aclk", "memory/aclk", "kernel_0/ap_clk",
        "ps/maxihpm0_fpd_aclk", "ps/saxihp0_fpd_aclk",
    ]  # fmt: skip
    assert done.of("connect_bd_intf_net") == [
        "ps/M_AXI_HPM0_FPD control/S00_AXI",
        "control/M00_AXI kernel_0/s_axi_control",
        *(f"kernel_0/m_axi_gmem{k} memory/S0{k}_AXI" for k in range(4)),
        "memory/M00_AXI ps/S_AXI_HP0_FPD",
    ]
    (memory,) = [line for line in done.of("set_property") if "NUM_SI 4" in line]
    assert memory.endswith(" memory")
    ps = next(line for line in done.of("set_property") if line.endswith(" ps"))
    assert "CONFIG.PSU__USE__S_AXI_GP2 1" in ps
    assert "CONFIG.PSU__USE__M_AXI_GP1 0" in ps
    assert "CONFIG.PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ 250" in ps


def test_steps_resume(tmp_path: Path) -> None:
    done = run(tmp_path, steps="synth implement")
    assert done.status == 0
    assert done.of("create_project") == []
    assert done.of("launch_runs") == ["synth_1 -jobs 4", "impl_1 -jobs 4 -to_step write_bitstream"]


@pytest.mark.parametrize("command", ["create_bd_design", "validate_bd_design", "wait_on_run"])
def test_a_failing_command_fails_the_script(command: str, tmp_path: Path) -> None:
    done = run(tmp_path, fails=command)
    assert done.status == 1
    assert f"{command} went wrong" in done.errors
    assert not list(done.folder.glob("*.bit"))


def test_a_run_that_stops_fails_although_its_commands_succeed(tmp_path: Path) -> None:
    done = run(tmp_path, stops="synth_1")
    assert done.status == 1
    assert "synth failed: synth_1 ended as 'synth_design ERROR'" in done.errors
    assert done.of("launch_runs") == ["synth_1 -jobs 4"]


def test_negative_slack_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, slack=-0.031)
    assert done.status == 1
    assert "timing not met: setup slack '-0.031' ns, asked for 4.0 ns" in done.errors
    assert not list(done.folder.glob("*.bit"))


def test_what_is_not_installed_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, lacks="board")
    assert done.status == 1
    assert "install the board's files" in done.errors
    done = run(tmp_path, lacks="smartconnect")
    assert "nothing matches xilinx.com:ip:smartconnect:*" in done.errors


def test_an_unknown_step_is_refused(tmp_path: Path) -> None:
    assert "no such step: export" in run(tmp_path, steps="export").errors


def test_boards_that_do_not_fit_are_refused() -> None:
    board = load_board("ultra96v2")
    with pytest.raises(OptionError, match=r"processor\.cell, one of zynq_ultra_ps_e"):
        zynq_files(kernel(), load_board("u280"), 4.0)
    bare = replace(board, ports=tuple(p for p in board.ports if "S_AXI_HP" not in p.name))
    with pytest.raises(OptionError, match="needed a port with direction pl_to_ps"):
        zynq_files(kernel(), bare, 4.0)
    with pytest.raises(OptionError, match="20 inputs and outputs"):
        zynq_files(replace(kernel(), ports=kernel().ports * 5), board, 4.0)
