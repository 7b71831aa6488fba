"""`hlsgen explore` on networks with data, on Dask workers, and killed on the way.

python benchmarks/explore.py search [digits | MODEL of the corpus] [--minutes N] [--hold-out]
                                    [--target-fps N]
python benchmarks/explore.py dask [--candidates N]
python benchmarks/explore.py kill

search: the fewest LUTs at half a point of accuracy lost, beside the uniform 8-bit design; parallel,
or streams folded for --target-fps on the Ultra96-V2. With
--hold-out every second judge is kept from the search and the chosen design is judged on those, too.
dask: candidates a second of one and of two workers of one thread each, on this machine.
kill: a search is killed with SIGKILL, then a worker of the next; what the study holds is compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import Io
from hlsgen.explore.cluster import Cluster
from hlsgen.explore.evaluate import Task
from hlsgen.explore.explore import Explored, Files, explore, task_of
from hlsgen.explore.hardware import Unrolled
from hlsgen.explore.options import Options
from hlsgen.explore.runner import Limits, Runner
from hlsgen.explore.space import Candidate
from hlsgen.explore.study import Study
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.quantise.data import load_samples
from hlsgen.quantise.judge import judged, network_outputs
from hlsgen.quantise.prepare import open_float
from hlsgen.quantise.scheme import Scheme

DIGITS = Path(__file__).parents[1] / "examples" / "digits_float"


def files_of(name: str, folder: Path, *, hold_out: bool) -> tuple[Files, Path | None]:
    """Model and samples; the second are those that the search does not see."""
    if name == "digits":
        model, data, test = (
            DIGITS / n for n in ("digits_float.onnx", "train_data.npz", "test_data.npz")
        )
    else:
        from quantise import CORPUS, parts

        model = CORPUS / name / "model.onnx"
        calibrate, judge = parts(name, 2000)
        data, test = calibrate.save(folder / "data.npz"), judge.save(folder / "test.npz")
    held = None
    if hold_out:
        arrays, held = dict(np.load(test)), folder / "held.npz"
        np.savez(held, **{k: v[1::2] for k, v in arrays.items()})
        test = folder / "seen.npz"
        np.savez(test, **{k: v[::2] for k, v in arrays.items()})
    return Files(model, data, test, None, folder / f"{name}.onnx"), held


def held_out(result: Explored, files: Files, held: Path) -> str:
    samples = load_samples(held, open_float(files.model).inputs, None)
    got = network_outputs(lower(read_model(result.output)), samples.feeds)
    found = judged(got, got, samples.labels)
    return f"{found.accuracy:.2%} on {samples.count} held out"


def search(name: str, minutes: float, fps: float, *, hold_out: bool) -> None:
    with tempfile.TemporaryDirectory() as work:
        files, held = files_of(name, Path(work), hold_out=hold_out)
        options = Options(minutes=minutes, jobs=2, arithmetic=Arithmetic.SHIFT_ADD)
        if fps:
            options = Options(minutes=minutes, jobs=2, io=Io.STREAM, target_fps=fps)
        result = explore(files, Scheme(), options, lambda *_: None)
        o, uniform = result.outcome, result.uniform
        print("| network | design | LUTs (estimated) | of uniform | accuracy | SQNR dB |")
        print("|---|---|---|---|---|---|")
        for what, x in (("uniform W8A8", uniform), (result.chosen.key, o)):
            figure = x.accuracy if x.accuracy is not None else x.agreement
            print(
                f"| {name} | {what} | {x.luts:,.0f} | {x.luts / uniform.luts:.1%} | "
                f"{figure or 0:.2%} | {x.sqnr_db:.1f} |"
            )
        if held is not None:
            print(held_out(result, files, held))
        print(
            f"float {result.goal.reference:.2%}; {result.fresh} candidates in {result.wall_s:.0f} s"
            f", {result.cpu_s:.0f} s of processors in evaluations"
        )


def dask_task(folder: Path) -> Task:
    files, _ = files_of("digits", folder, hold_out=False)
    hardware = Unrolled({"": Arithmetic.TOOL})
    return task_of(files, Scheme(), Options(), hardware, lambda *_: None)


def dask(count: int) -> None:
    """Each worker warm, then the same candidates by one and by two."""
    from distributed import LocalCluster

    os.environ.setdefault("OMP_NUM_THREADS", "1")
    rates: list[float] = []
    with tempfile.TemporaryDirectory() as work:
        task = dask_task(Path(work))
        rng = np.random.default_rng(0)
        space = task.space
        drawn: list[Candidate] = []
        for _ in range(count + 8):
            w, a = (tuple(int(v) for v in rng.choice((3, 4, 5, 6), n)) for n in (3, 3))
            drawn.append(Candidate(tuple(map(WeightFormat, w)), a, space.scales * 3))
        for workers in (1, 2):
            with LocalCluster(
                n_workers=workers, threads_per_worker=1, dashboard_address=None
            ) as cluster:
                address = cluster.scheduler_address.replace("tcp://", "dask://")
                executor = Cluster(task, address)
                study = Study(Path(work) / f"{workers}.study", {})
                runner = Runner(study, executor, Limits(), lambda *_: None)
                runner.outcomes(drawn[count:])  # imports, first connections
                started, before = time.perf_counter(), runner.cpu_s
                runner.outcomes(drawn[:count])
                seconds = time.perf_counter() - started
                rates.append(len({*drawn[:count]}) / seconds)
                executor.close()
            load = os.getloadavg()[0]
            print(
                f"{workers} workers: {rates[-1]:.3f} candidates/s, {seconds:.1f} s, of these "
                f"{runner.cpu_s - before:.1f} s of the workers' processors, load {load:.1f}"
            )
    print(f"two are {rates[1] / rates[0]:.2f} times as fast as one")


def rows(study: Path) -> list[tuple[str, str]]:
    """What a study holds, read from a copy, journal and all, while another process has it."""
    copy = study.with_suffix(".copy")
    for _ in range(50):
        for suffix in ("", "-journal"):
            part, target = (p.with_name(p.name + suffix) for p in (study, copy))
            target.unlink(missing_ok=True)
            if part.exists():
                shutil.copy(part, target)
        try:
            with sqlite3.connect(copy) as held:
                return held.execute("select key, outcome from outcomes order by number").fetchall()
        except sqlite3.DatabaseError:
            time.sleep(0.05)
    raise SystemExit("the study could not be read")


def kill() -> None:
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        files, _ = files_of("digits", folder, hold_out=False)
        study = files.output.with_suffix(".study")
        command = [
            *(sys.executable, "-m", "hlsgen", "explore", files.model, "--data", files.data),
            *("--test", files.test, "-o", files.output, "--arithmetic", "tool", "--jobs", "2"),
            *("--weights", "2,3,4,8", "--activations", "4,8", "--json"),
        ]
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL)
        first = after(process, study, 3)
        process.kill()
        process.wait()
        kept = rows(study)
        print(f"killed the search with {len(kept)} outcomes, {first} of them candidates")
        process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, text=True)
        after(process, study, first + 2)
        worker = json.loads(rows(study)[-1][1])["worker"].split(":")[1]
        os.kill(int(worker), signal.SIGKILL)
        print(f"started it again and killed its worker {worker}")
        said = json.loads(process.communicate()[0])
        end = rows(study)
        candidates = [k for k, _ in end if not k.startswith("probe")]
        print(f"kept as they were: {end[: len(kept)] == kept}")
        print(f"evaluated twice: {len(end) - len({k for k, _ in end})}")
        print(f"{len(candidates)} candidates = {first} + {said['evaluated_now']} evaluated now")


def after(process: subprocess.Popen[str], study: Path, count: int) -> int:
    """Waits for so many candidates; how many there are."""
    while process.poll() is None:
        if study.exists():
            there = sum(not key.startswith("probe") for key, _ in rows(study))
            if there >= count:
                return there
        time.sleep(0.1)
    raise SystemExit("the search ended too early")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("search", "dask", "kill"))
    parser.add_argument("name", nargs="?", default="digits")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--candidates", type=int, default=32)
    parser.add_argument("--target-fps", type=float, default=0, help="of streams; else parallel")
    parser.add_argument("--hold-out", action="store_true")
    given = parser.parse_args()
    match given.what:
        case "search":
            search(given.name, given.minutes, given.target_fps, hold_out=given.hold_out)
        case "dask":
            dask(given.candidates)
        case _:
            kill()


if __name__ == "__main__":
    main()
