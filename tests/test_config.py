"""`--config FILE.toml`: a file's options, and those of the command line over them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hlsgen.cli import main
from hlsgen.cli.config import with_config
from hlsgen.errors import OptionError

CNN = Path(__file__).parents[1] / "examples/digits_cnn/digits_cnn.onnx"
FILE = """
io = "stream"
target_fps = 20000
csim = false
samples = 2
[arithmetic]
conv1 = "shift"
all = "tool"
[folding]
fc = [5, 4]
"""


def test_keys_are_options(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(FILE)
    assert with_config(["build", "m.onnx", "--config", str(path), "--samples", "3"]) == [
        "build", "m.onnx", "--samples", "3", "--io=stream", "--target-fps=20000", "--no-csim",
        "--arithmetic=conv1=shift", "--arithmetic=tool", "--folding=fc=5x4",
    ]  # fmt: skip


def test_the_command_line_wins(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(FILE)
    made = with_config([f"--config={path}", "--csim", "--arithmetic", "lut", "--io=parallel"])
    assert made == [
        "--csim", "--arithmetic", "lut", "--io=parallel", "--target-fps=20000", "--samples=2",
        "--folding=fc=5x4",
    ]  # fmt: skip


def test_a_build_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(FILE.replace('conv1 = "shift"\n', ""))
    with pytest.raises(SystemExit) as end:
        main(["build", str(CNN), "-o", str(tmp_path / "p"), "--config", str(path)])
    assert end.value.code == 0
    content = json.loads((tmp_path / "p/project.json").read_text())
    assert content["options"]["folding"]["fc_out:matmul"] == [5, 4]
    assert content["schedule"]["frames_per_second"] >= 20000


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("io = ", "no TOML file"),
        ("when = 2026-11-22", "no option's value"),
        ("no_such = 1", "no-such"),
        ('[folding]\nfc = "5"', "LAYER=4x8"),
        ("[folding]\nfc = [11, 4]", "PE must be 1 to 10, got 11"),
        ("[folding]\nnothing = [3, 4]", "which no node makes"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(
    text: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "c.toml"
    path.write_text(text)
    target = str(tmp_path / "p")
    with pytest.raises(SystemExit) as end:
        main(["build", str(CNN), "-o", target, "--io", "stream", "--config", str(path)])
    assert end.value.code == 2
    assert said in capsys.readouterr().err


def test_a_missing_file_is_named() -> None:
    with pytest.raises(OptionError, match=r"nothing\.toml: No such file"):
        with_config(["--config", "nothing.toml"])
