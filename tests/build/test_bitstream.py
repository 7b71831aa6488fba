"""`hlsgen bitstream` with stand-ins for the tools: success, failure, kill, resume, two at once."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from test_deploy import STANDINS, package

from hlsgen.arith.budget import Reloadable
from hlsgen.build import steps as steps_module
from hlsgen.build.bitstream import BitstreamOptions, make_bitstream
from hlsgen.build.project import BuildOptions, build
from hlsgen.build.steps import StepFailed, locked
from hlsgen.build.toollog import first_error
from hlsgen.cli import main
from hlsgen.emit.hls import Io
from hlsgen.errors import HlsgenError, OptionError, ToolMissing

ROOT = Path(__file__).parents[2]
MLP = ROOT / "examples/digits_mlp/digits_mlp.onnx"
FAKE = ROOT / "tests/fake_tool.py"
NEW, OLD = ("vivado", "v++", "vitis-run"), ("vivado", "vitis_hls")
ZYNQ = ["csynth", "package", "design", "synth", "implement"]


def built(folder: Path, board: str, io: Io = Io.STREAM) -> Path:
    build(MLP, folder, BuildOptions(board=board, io=io, samples=3, csim=False))
    return folder


@pytest.fixture(scope="module")
def projects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    base = tmp_path_factory.mktemp("projects")
    return {board: built(base / board, board) for board in ("ultra96v2", "u280")}


class Bench:
    """A copy of a project, with fake tools alone on PATH."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder, self.patch = folder, patch
        self.log, self.bin = folder.parent / "calls", folder.parent / "bin"
        self.log.write_text("")
        self.lines: list[str] = []
        patch.setenv("FAKE_LOG", str(self.log))
        patch.setenv("FAKE_PID", str(folder.parent / "pid"))
        self.tools(*NEW)

    def tools(self, *names: str) -> None:
        shutil.rmtree(self.bin, ignore_errors=True)
        self.bin.mkdir()
        for name in names:
            path = self.bin / name
            path.write_text(f"#!{sys.executable}\n{FAKE.read_text()}")
            path.chmod(0o755)
        self.patch.setenv("PATH", f"{self.bin}:/usr/bin:/bin")

    def fake(self, **settings: str) -> None:
        for name in ("FAIL", "DIE", "SLEEP", "EMPTY", "FULL", "RELEASE", "SECONDS"):
            self.patch.delenv(f"FAKE_{name}", raising=False)
        for name, value in settings.items():
            self.patch.setenv(f"FAKE_{name}", value)

    def run(self, **options: Any) -> list[str]:
        """The calls of one build."""
        before = len(self.log.read_text().splitlines())
        make_bitstream(self.folder, BitstreamOptions(**options), self.lines.append)
        return self.log.read_text().splitlines()[before:]

    def design(self) -> dict[str, Any]:
        return json.loads((self.folder / "deploy/design.json").read_text())


@pytest.fixture
def bench(
    projects: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], Bench]:
    def make(board: str = "ultra96v2") -> Bench:
        folder = tmp_path / "a project"
        shutil.copytree(projects[board], folder)
        return Bench(folder, monkeypatch)

    return make


@pytest.mark.parametrize(
    ("tools", "calls"),
    [
        (NEW, ["csynth", "package"]),
        (OLD, ["vitis_hls"]),
        (("vivado", "vivado_hls"), ["vivado_hls"]),
    ],
)
def test_zynq_from_kernel_to_driver(
    tools: tuple[str, ...], calls: list[str], bench: Callable[..., Bench]
) -> None:
    b = bench()
    b.tools(*tools)
    assert b.run() == [*calls, "design", "synth", "implement"]
    design = b.design()
    assert design["units"] == ["kernel_0"]
    assert design["facts"] == {"clock_hz": 249997498.0, "setup_slack_ns": 0.123}
    assert set(design["files"]) == {"digits_mlp_kernel.bit", "digits_mlp_kernel.hwh"}
    assert b.run() == []
    assert [line.split(": ")[1] for line in b.lines[-5:]] == ["up to date"] * 5


def test_the_driver_takes_what_bitstream_made(bench: Callable[..., Bench]) -> None:
    b = bench()
    interface = json.loads((b.folder / "deploy/interface.json").read_text())
    ports = [*interface["ports"]["in"], *interface["ports"]["out"]]
    content = {
        "project": str(b.folder), "top": "digits_mlp", "ports": [p["name"] for p in ports],
        "frames": interface["frames"], "units": ["kernel_0"], "behaviour": "",
    }  # fmt: skip
    b.patch.setenv("FAKE_BIT", json.dumps(content))
    b.patch.syspath_prepend(str(STANDINS))
    b.run()
    assert package(b.folder / "deploy").Accelerator(b.folder / "deploy").self_test() == 3


def test_alveo_with_several_units(bench: Callable[..., Bench]) -> None:
    b = bench("u280")
    b.tools("v++", "vitis-run")
    assert b.run(units=3) == ["csynth", "package", "link"]
    text = (b.folder / "build/link.cfg").read_text()
    assert "nk=digits_mlp_kernel:3:cu_0,cu_1,cu_2\n" in text
    assert "slr=cu_0:SLR0\nsp=cu_0.m_axi_gmem0:HBM[0]\nsp=cu_0.m_axi_gmem1:HBM[1]\n" in text
    assert "slr=cu_1:SLR1\nsp=cu_1.m_axi_gmem0:HBM[2]\n" in text
    assert b.design()["units"] == ["cu_0", "cu_1", "cu_2"]
    assert b.run(units=3) == []
    assert b.run(slrs=("SLR2",)) == ["link"]
    assert b.design()["units"] == ["cu_0"]


def test_alveo_links_the_units_of_the_build(bench: Callable[..., Bench], tmp_path: Path) -> None:
    b = bench("u280")
    assert b.run() == ["csynth", "package", "link"]
    assert (
        "nk=digits_mlp_kernel:1:cu_0\nslr=cu_0:SLR0\n" in (b.folder / "build/link.cfg").read_text()
    )
    options = BuildOptions(board="u280", io=Io.STREAM, samples=3, csim=False, compute_units=4)
    build(MLP, b.folder, options)
    assert b.run() == ["link"]  # of the same kernel
    interface = json.loads((b.folder / "deploy/interface.json").read_text())
    assert (
        b.design()["units"]
        == [u["name"] for u in interface["units"]]
        == ["cu_0", "cu_1", "cu_2", "cu_3"]
    )
    lines = (b.folder / "build/link.cfg").read_text().splitlines()
    wanted = [
        f"sp={u['name']}.{m}:{c}" for u in interface["units"] for m, c in u["memories"].items()
    ]
    assert [line for line in lines if line.startswith("sp=")] == wanted
    assert len({line.split(":")[1] for line in wanted}) == 8
    assert [line for line in lines if line.startswith("slr=")] == [
        f"slr={u['name']}:{u['slr']}" for u in interface["units"]
    ]
    del interface["units"]
    (b.folder / "deploy/interface.json").write_text(json.dumps(interface))
    with pytest.raises(OptionError, match="was built by an older hlsgen"):
        b.run()


@pytest.mark.parametrize("release", ["2021.2", "2025.2"])
def test_releases_that_do_not_support_the_card(release: str, bench: Callable[..., Bench]) -> None:
    b = bench("u280")
    b.fake(RELEASE=release)
    with pytest.raises(ToolMissing, match=f"needs Vitis 2022.1 to 2025.1, .* is {release}"):
        b.run()
    assert b.log.read_text() == ""  # before hours of synthesis, not after


@pytest.mark.parametrize("call", ["csynth", "synth", "implement"])
def test_a_failure_is_told_by_its_first_error_and_resumed(
    call: str, bench: Callable[..., Bench]
) -> None:
    b = bench()
    b.fake(FAIL=call)
    with pytest.raises(StepFailed, match=r"status 1: ERROR: \[Place 30-640\].* \(see .*\.log\)"):
        b.run()
    assert not (b.folder / "deploy/design.json").exists()
    b.fake()
    assert b.run() == ZYNQ[ZYNQ.index(call) :]


def test_a_tool_that_is_killed(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(DIE="synth")
    with pytest.raises(StepFailed, match=r"vivado ended with signal 9: INFO: \[Fake 1-1\] synth"):
        b.run()
    b.fake()
    assert b.run() == ["synth", "implement"]


def test_a_tool_that_claims_success(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(EMPTY="implement")
    with pytest.raises(StepFailed, match=r"ended well but left no build/\S+\.bit"):
        b.run()
    b.fake()
    assert b.run() == ["implement"]
    b.fake(EMPTY="implement")
    with pytest.raises(StepFailed, match="left no build/"):
        b.run(steps=("implement",), force=True)  # the older bitstream does not count
    b.fake(EMPTY="package")
    with pytest.raises(StepFailed, match=r"no IP, neither digits_mlp_kernel.zip nor impl/ip"):
        b.run(force=True)


def test_a_long_step_tells_what_its_log_says(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(SLEEP="synth", SECONDS="1")
    b.patch.setattr(steps_module, "HEARTBEAT_S", 0.2)
    b.run()
    assert "[3/5] synth: 0 min, INFO: [Fake 1-1] synth" in b.lines


def test_full_disks(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(FULL="synth")
    with pytest.raises(StepFailed, match="write_checkpoint: No space left on device"):
        b.run()
    b.fake()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    with b.patch.context() as patch:
        patch.setattr(steps_module, "_write_stamp", full)
        with pytest.raises(HlsgenError, match="step synth: cannot write: no space left"):
            b.run()
    assert b.run() == ["synth", "implement"]


def test_missing_tools_say_what_is_next(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.tools("v++", "vitis-run")
    with pytest.raises(ToolMissing, match="step design is next and needs vivado") as caught:
        b.run()
    assert caught.value.exit_status == 3
    b.tools("vivado")  # finished steps need their tools no longer
    assert b.run() == ["design", "synth", "implement"]
    b.tools()
    with pytest.raises(ToolMissing, match=r"step hls is next and needs v\+\+ with vitis-run"):
        b.run(force=True)
    assert b.run() == []  # what was finished stays so


def test_changes_run_what_depends_on_them(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.run()
    params = b.folder / "bd_params.tcl"
    params.write_text(params.read_text() + "# changed\n")
    assert b.run() == ["design", "synth", "implement"]
    (b.folder / "deploy/digits_mlp_kernel.hwh").unlink()
    assert b.run() == []
    assert (b.folder / "deploy/digits_mlp_kernel.hwh").is_file()
    assert b.run(steps=("synth",), force=True) == ["synth"]
    assert b.run() == ["implement"]


def test_steps_in_order(bench: Callable[..., Bench]) -> None:
    b = bench()
    with pytest.raises(OptionError, match="step hls has not ended: run it first"):
        b.run(steps=("design",))
    assert b.run(steps=("hls",)) == ["csynth", "package"]
    assert b.run(steps=("design", "synth")) == ["design", "synth"]
    with pytest.raises(OptionError, match="--steps link: this board has hls, design, synth"):
        b.run(steps=("link",))


def test_two_builds_at_once(bench: Callable[..., Bench]) -> None:
    b = bench()
    with locked(b.folder):
        with pytest.raises(OptionError, match="is being built by another hlsgen"):
            b.run()
        with pytest.raises(OptionError, match="is being built by another hlsgen"):
            built(b.folder, "ultra96v2")
    assert b.run() == ZYNQ


def test_finished_steps_outlive_a_build_of_the_same_design(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.run()
    built(b.folder, "ultra96v2")
    assert not (b.folder / "deploy/design.json").exists()
    assert b.run() == []
    assert b.design()["files"]


def start(b: Bench) -> tuple[subprocess.Popen[str], int]:
    """hlsgen as a process of its own whose tool hangs in synth; the tool's process id."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hlsgen", "bitstream", str(b.folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    pid = b.folder.parent / "pid"
    for _ in range(600):
        if pid.is_file() and pid.read_text():
            return process, int(pid.read_text())
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    raise AssertionError("the tool did not start")


def gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        state = Path(f"/proc/{pid}/stat")
        if state.is_file() and state.read_text().rsplit(")", 1)[1].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_stopping_hlsgen_stops_its_tool(how: signal.Signals, bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(SLEEP="synth")
    process, tool = start(b)
    process.send_signal(how)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert gone(tool)
    b.fake()
    assert b.run() == ["synth", "implement"]


def test_a_tool_that_outlives_hlsgen_keeps_the_folder(bench: Callable[..., Bench]) -> None:
    b = bench()
    b.fake(SLEEP="synth")
    process, tool = start(b)
    process.kill()
    process.communicate(timeout=60)
    b.fake()
    try:
        with pytest.raises(OptionError, match="by a tool that one started"):
            b.run()
    finally:
        os.kill(tool, signal.SIGKILL)
    assert gone(tool)
    assert b.run() == ["synth", "implement"]


def test_what_is_no_streamed_project(
    bench: Callable[..., Bench], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    b = bench()
    with pytest.raises(OptionError, match="--units and --slr are for Alveo"):
        b.run(units=2)
    with pytest.raises(OptionError, match="--units must be 1 or more"):
        b.run(units=0)
    plain = built(tmp_path / "plain", "ultra96v2", Io.PARALLEL)
    reloadable = tmp_path / "reloadable"
    every = {"": Reloadable(None, 0)}
    build(MLP, reloadable, BuildOptions(io=Io.STREAM, csim=False, reloadable=every))
    for folder, said in (
        (tmp_path, "is not a project"),
        (plain, "build it with --io stream"),
        (reloadable, "its reloadable weights have no place in the kernel"),
    ):
        with pytest.raises(SystemExit) as end:
            main(["bitstream", str(folder)])
        assert end.value.code == 2
        assert said in capsys.readouterr().err


def test_the_command_line(bench: Callable[..., Bench], capsys: pytest.CaptureFixture[str]) -> None:
    b = bench("u280")
    b.fake(FAIL="link")
    with pytest.raises(SystemExit) as end:
        main(["bitstream", str(b.folder), "--slr", "SLR1,SLR2"])
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert "[1/3] hls: done in" in said
    assert "hlsgen: error: step link: " in said
    b.fake()
    with pytest.raises(SystemExit) as end:
        main(["bitstream", str(b.folder), "--slr", "SLR1,SLR2", "--json"])
    assert end.value.code == 0
    content = json.loads(capsys.readouterr().out)
    assert [(s["name"], s["status"]) for s in content["steps"]] == [
        ("hls", "up to date"), ("link", "done"), ("deploy", "done"),
    ]  # fmt: skip


def test_first_error_of_a_log() -> None:
    log = (
        "INFO: [a]\nERROR: [Common 17-70] failed due to earlier errors\n ERROR: [HLS 214-1] x\nbye"
    )
    assert first_error(log) == "ERROR: [HLS 214-1] x"
    assert first_error("hlsgen: synth failed: timing not met\nINFO: x") == (
        "hlsgen: synth failed: timing not met"
    )
    assert first_error("one\ntwo\n\n") == "two"
    assert first_error("\n") == "it printed nothing"
