"""`hlsgen explore` from end to end: what it writes, that it goes on, and what it refuses."""

from __future__ import annotations

import json
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from command_line import refused, run
from onnx.numpy_helper import to_array

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.boards import load_board
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.hardware import parallel_luts
from hlsgen.explore.space import Candidate
from hlsgen.explore.study import Study
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.quantise.scheme import Scales, Scheme

FOUND = ("--arithmetic", "shift-add", "--max-loss", 1.5)
SPACE = {"--weights": "2,4,8", "--activations": "4,8", "--calibrate": 32}


def command(files: dict[str, Path], out: Path, *options: object) -> list[str]:
    given = ("explore", files["net.onnx"], "--data", files["data.npz"], "--test", files["test.npz"])
    space = {k: v for k, v in SPACE.items() if k not in options}
    spelled = [word for pair in space.items() for word in pair]
    return [str(a) for a in (*given, "-o", out, *spelled, "--json", *options)]


@pytest.fixture(scope="module")
def found(
    files: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, Any]]:
    """One search by two processes."""
    out = tmp_path_factory.mktemp("explore") / "best.onnx"
    process = subprocess.run(
        [sys.executable, "-m", "hlsgen", *command(files, out, "--jobs", 2, *FOUND)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return out, json.loads(process.stdout)


def test_the_chosen_network_is_what_was_evaluated(
    found: tuple[Path, dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    out, said = found
    chosen, uniform = said["chosen"], said["uniform"]
    assert 100 * (said["goal"]["reference"] - chosen["accuracy"]) <= 1.5 + 1e-9
    assert chosen["luts"] < 0.5 * uniform["luts"]
    accepted = [c["luts"] for c in said["candidates"] if not c["error"] and c["loss"] <= 1.5]
    assert chosen["luts"] == min(accepted)
    network = lower(read_model(out))
    assert parallel_luts(network, {"": Arithmetic.SHIFT_ADD}) == pytest.approx(chosen["luts"])
    assert run("verify", out, "--samples", 4, "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["engines"]["python"]["wrong"] == 0


def test_the_accuracy_is_that_of_onnxruntime_on_the_file(
    found: tuple[Path, dict[str, Any]], files: dict[str, Path]
) -> None:
    ort = pytest.importorskip("onnxruntime")
    out, said = found
    session = ort.InferenceSession(out, providers=["CPUExecutionProvider"])
    data = np.load(files["test.npz"])
    top = [int(session.run(None, {"x": x})[0].argmax()) for x in data["x"]]
    assert (np.array(top) == data["labels"]).mean() == pytest.approx(
        said["chosen"]["accuracy"], abs=2 / len(top)
    )


def test_the_next_command_builds_it(
    found: tuple[Path, dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, said = found
    monkeypatch.chdir(tmp_path)
    words = said["next"].split()
    assert words[:2] == ["hlsgen", "build"]
    words[words.index("-o") + 1] = str(tmp_path / "project")
    assert run(*words[1:], "--no-csim", "--json") == 0


def test_streams_are_compared_at_one_rate_and_build_folds_for_it(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "o.onnx"
    rate = ("--io", "stream", "--target-fps", 4e6, "--weights", "2,4,8", "--jobs", 1)
    assert run(*command(files, out, *rate, "--max-loss", 3)) == 0
    said = json.loads(capsys.readouterr().out)
    chosen, uniform = said["chosen"], said["uniform"]
    assert chosen["luts"] < 0.6 * uniform["luts"]
    monkeypatch.chdir(tmp_path)
    words = said["next"].split()
    assert run(*words[1:], "--no-csim", "--json") == 0
    built = json.loads((tmp_path / "o/project.json").read_text())
    assert built["options"]["goal"]["target_fps"] == 4e6
    assert built["estimate"]["interval"] * built["options"]["clock_ns"] * 4e6 <= 1e9
    board, use = load_board("ultra96v2").budget, built["estimate"]["total"]
    others = use["dsp"] / board.dsp + use["bram18"] / board.bram18
    assert use["lut"] + board.lut * others == pytest.approx(chosen["luts"], rel=0.02)


def test_a_rate_out_of_reach_is_refused_with_what_can_be_had(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rate = ("--io", "stream", "--target-fps", 1e9, "--jobs", 1)
    text = refused(capsys, 2, *command(files, tmp_path / "o.onnx", *rate))
    assert "the uniform 8-bit design cannot be: --target-fps 1e+09" in text
    assert re.search(r"[\d,]+ frames a second can be had \(the LPDDR4 moves no more\)", text)


def test_the_page_needs_no_network_and_names_every_candidate(
    found: tuple[Path, dict[str, Any]],
) -> None:
    out, said = found
    page = out.with_suffix(".html").read_text()
    assert not re.search(r"(?:src|href)=|https?://", page)
    assert page.count('<section id="c') == len(said["candidates"])
    for candidate in said["candidates"]:
        assert f"<title>{candidate['key']}: " in page
    assert page.count('class="dot chosen"') == 1
    assert "prefers-color-scheme: dark" in page
    drawing = out.with_suffix(".svg").read_text()
    assert drawing.startswith("<svg")
    assert drawing.count("<circle") == len(said["candidates"])


def test_a_study_goes_on_where_it_stopped(
    found: tuple[Path, dict[str, Any]], files: dict[str, Path], capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:  # fmt: skip
    out, said = found
    study = shutil.copy(out.with_suffix(".study"), tmp_path / "a.study")
    again = tmp_path / "again.onnx"
    assert run(*command(files, again, "--study", study, *FOUND)) == 0
    second = json.loads(capsys.readouterr().out)
    assert second["evaluated_now"] == 0
    assert second["chosen"] == said["chosen"]
    assert again.read_bytes() == out.read_bytes()
    assert run(*command(files, again, "--study", study, *FOUND[:2], "--max-loss", 5)) == 0
    third = json.loads(capsys.readouterr().out)
    assert third["chosen"]["luts"] <= said["chosen"]["luts"]
    known = {c["key"] for c in said["candidates"]}
    assert known <= {c["key"] for c in third["candidates"]}
    assert third["evaluated_now"] == len(third["candidates"]) - len(known)


def test_khot_weights_are_formats_of_their_own(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "o.onnx"
    space = ("--weights", "2,4,4k2,8k2,8", "--activations", "8")
    options = (*space, "--driver", "pareto", "--arithmetic", "tool", "--max-loss", 1.5, "--jobs", 1)
    assert run(*command(files, out, *options)) == 0
    said = json.loads(capsys.readouterr().out)
    found = {own for c in said["candidates"] for own in c["weights"]}
    assert found == {2, 4, 8, "8K2"}  # 4K2 has the codes of 4
    assert re.fullmatch(r"W[248K]+\.[248K]+A8\.8 free", said["chosen"]["key"])
    chosen = next(c for c in said["candidates"] if c["key"] == said["chosen"]["key"])
    numbers = {t.name: to_array(t) for t in onnx.load(out).graph.initializer}
    codes = [v for name, v in numbers.items() if v.ndim == 2 and name.endswith("__codes")]
    for own, held in zip(chosen["weights"], codes, strict=True):
        digits = max(bin(3 * abs(int(c)) ^ abs(int(c))).count("1") for c in held.ravel())
        assert digits <= (2 if own == "8K2" else 4)
        assert np.abs(held.astype(int)).max() < 2 ** (int(str(own)[0]) - 1)
    assert run(*command(files, tmp_path / "again.onnx", "--study", said["study"], *options)) == 0
    again = json.loads(capsys.readouterr().out)
    assert again["evaluated_now"] == 0
    assert again["chosen"] == said["chosen"]


def test_studies_of_plain_bits_are_written_as_ever(tmp_path: Path) -> None:
    study, free = Study(tmp_path / "a.study", {}), (Scales.FREE, Scales.FREE)
    outcome = Outcome(0.9, 0.9, 20.0, 100.0, 1.0, "w")
    plain = Candidate((WeightFormat(4), WeightFormat(3)), (8, 4), free)
    mixed = Candidate((WeightFormat(6, 2), WeightFormat(3)), (8, 4), free)
    for candidate in (plain, mixed):
        study.record(candidate, outcome)
    assert study.candidates() == {plain: outcome, mixed: outcome}
    study.close()
    with sqlite3.connect(tmp_path / "a.study") as held:
        keys, jobs = zip(
            *held.execute("select key, job from outcomes order by number"), strict=True
        )
    assert keys == ("W4.3A8.4 free", "W6K2.3A8.4 free")
    assert json.loads(jobs[0]) == {"weights": [4, 3], "activations": [8, 4], "scales": [*free]}
    assert json.loads(jobs[1])["weights"] == ["6K2", 3]
    assert repr(Scheme()).startswith("Scheme(weights=8, activations=8, ")  # part of the identity


def rows(study: Path, copy: Path) -> list[tuple[str, str, float]]:
    """What a study holds while another process has it, or after that was killed.

    With its journal, for a killed process may have left half a row, which the journal takes back.
    """
    for _ in range(20):
        for suffix in ("", "-journal"):
            part, target = (p.with_name(p.name + suffix) for p in (study, copy))
            target.unlink(missing_ok=True)
            if part.exists():
                shutil.copy(part, target)
        try:
            with sqlite3.connect(copy) as held:
                return held.execute("select key, outcome, at from outcomes").fetchall()
        except sqlite3.DatabaseError:
            time.sleep(0.05)
    return []


def test_killed_and_started_again_it_loses_nothing_and_repeats_nothing(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out, study = tmp_path / "o.onnx", tmp_path / "o.study"
    arguments = command(files, out, "--arithmetic", "tool", "--jobs", 1)
    process = subprocess.Popen([sys.executable, "-m", "hlsgen", *arguments])
    while process.poll() is None:
        if study.exists() and len(rows(study, tmp_path / "copy")) >= 20:  # 15 of them are probes
            break
        time.sleep(0.02)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    before = rows(study, tmp_path / "copy")
    candidates = [key for key, _, _ in before if key.startswith("W")]
    assert len(candidates) > 0
    assert not out.exists()
    assert run(*arguments) == 0
    said = json.loads(capsys.readouterr().out)
    after = rows(study, tmp_path / "copy")
    assert after[: len(before)] == before
    assert len({key for key, _, _ in after}) == len(after)
    assert said["evaluated_now"] == len(said["candidates"]) - len(candidates)
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() and not gone(pid) for pid in children):
        assert time.monotonic() < deadline, "a worker outlives the process that started it"
        time.sleep(0.1)


def gone(pid: str) -> bool:
    """Ended, if nobody asked for its status yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def test_a_limit_of_candidates_stops_it(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--arithmetic", "tool", "--candidates", 4, "--jobs", 1)
    assert run(*command(files, tmp_path / "o.onnx", *options)) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["stopped"]
    assert said["evaluated_now"] == len(said["candidates"]) == 4


# -- refusals ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--executor", "slurm"), "--executor slurm: needed is local or dask://HOST:PORT"),
        (("--driver", "luck"), "--driver luck: needed is one of ilp, pareto"),
        (("--weights", "2,x"), "--weights x: needed are numbers of bits"),
        (("--weights", "2,9"), "--weights must be 2 to 8 bits, got 9"),
        (("--weights", ""), "nothing to choose from"),
        (("--scales", "odd"), "--scales odd: needed is one of free, po2, khot"),
        (("--budget", "half"), "--budget half: needed is a number of LUTs, or 50%"),
        (("--max-loss", -1), "--max-loss must be 0 or more, got -1"),
        (("--io", "stream"), "--io stream and --target-fps go together"),
        (("--target-fps", 10), "--io stream and --target-fps go together"),
        (("--clock-ns", 3), "--clock-ns is for --io stream"),
        (("--arithmetic", "xnor"), "--arithmetic xnor is for single or streamed layers"),
        (("--board", "ultra95"), "ultra95"),
        (("--labels", "classes"), "no array 'classes' for --labels"),
    ],
)
def test_what_cannot_be_asked_for(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    options: tuple[object, ...], message: str,
) -> None:  # fmt: skip
    assert message in refused(capsys, 2, *command(files, tmp_path / "o.onnx", *options))
    assert list(tmp_path.iterdir()) == []


def test_the_file_to_write_is_an_onnx_file(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = refused(capsys, 2, *command(files, tmp_path / "page.html"))
    assert "page.html: the file to write is an ONNX file" in text


def test_bad_samples_are_named(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    x = np.load(files["test.npz"])["x"][:8].copy()
    np.savez(tmp_path / "short.npz", x=x, labels=np.arange(5))
    x[3, 0, 2] = np.nan
    np.savez(tmp_path / "nan.npz", x=x)
    for name, message in (
        ("short", "labels 'labels': 8 needed, one a sample, got 5"),
        ("nan", "'x' holds NaN or infinity, first in sample 3"),
    ):
        path = tmp_path / f"{name}.npz"
        arguments = command(files | {"test.npz": path}, tmp_path / "o.onnx")
        assert message in refused(capsys, 2, *arguments)


def test_a_budget_that_nobody_can_meet_says_the_least(
    files: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ("--arithmetic", "tool", "--jobs", 1, "--budget", 10)
    text = refused(capsys, 2, *command(files, tmp_path / "o.onnx", *options))
    assert re.search(r"no design keeps to 10 LUTs: the least, W2A4 everywhere, takes [\d,]+", text)
    options = (*options[:-1], 5000, "--max-loss", 0, "--weights", "2")
    text = refused(capsys, 2, *command(files, tmp_path / "o.onnx", *options))
    assert re.search(
        r"none of \d+ candidates meets --max-loss 0 within 5,000 LUTs: the nearest", text
    )
    assert not (tmp_path / "o.onnx").exists()


def test_a_study_of_other_things_is_refused(
    found: tuple[Path, dict[str, Any]], files: dict[str, Path], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    study = shutil.copy(found[0].with_suffix(".study"), tmp_path / "a.study")
    model = tmp_path / "other.onnx"
    proto = onnx.load(files["net.onnx"])
    proto.producer_name = "another"
    onnx.save(proto, model)
    other = files | {"net.onnx": model}
    arguments = command(other, tmp_path / "o.onnx", "--study", study, *FOUND)
    text = refused(capsys, 2, *arguments)
    assert f"study {study} is of another model: name a new file with --study" in text
    nearest = ("--study", study, "--rounding", "nearest", *FOUND)
    arguments = command(files, tmp_path / "o.onnx", *nearest)
    assert "is of another way to quantise" in refused(capsys, 2, *arguments)
    arguments = command(files, tmp_path / "o.onnx", "--study", files["data.npz"])
    assert "data.npz is no study of hlsgen explore" in refused(capsys, 2, *arguments)
    with sqlite3.connect(tmp_path / "mine.db") as held:
        held.execute("create table mine (a)")
    arguments = command(files, tmp_path / "o.onnx", "--study", tmp_path / "mine.db")
    assert "mine.db is no study of hlsgen explore, but another" in refused(capsys, 2, *arguments)
    with sqlite3.connect(study) as held:
        held.execute("begin exclusive")
        arguments = command(files, tmp_path / "o.onnx", "--study", study)
        assert "is in use by another hlsgen explore" in refused(capsys, 2, *arguments)


def test_without_dask_or_optuna_the_extra_is_named(
    files: dict[str, Path], found: tuple[Path, dict[str, Any]], tmp_path: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    study = shutil.copy(found[0].with_suffix(".study"), tmp_path / "a.study")
    for module, options in (
        ("distributed", ("--executor", "dask://127.0.0.1:9")),
        ("optuna", ("--driver", "evolution", "--study", study, *FOUND)),
    ):
        monkeypatch.setitem(sys.modules, module, None)
        text = refused(capsys, 3, *command(files, tmp_path / "o.onnx", *options))
        assert "pip install 'hlsgen[search]'" in text
