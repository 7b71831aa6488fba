"""Workers that die, schedulers that go away: nothing lost, nothing twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import HlsgenError, OptionError
from hlsgen.explore.cluster import Cluster
from hlsgen.explore.evaluate import Job, Outcome, Probe, Task, run_job
from hlsgen.explore.executor import Done, Executor, Failed, Local, Lost
from hlsgen.explore.runner import Enough, Limits, Runner
from hlsgen.explore.space import Candidate
from hlsgen.explore.study import Study
from hlsgen.quantise.scheme import Scales

FREE = Scales.FREE


def candidates(count: int) -> list[Candidate]:
    """The first of the small network's, cheap ones."""
    found = [
        Candidate((WeightFormat(w), WeightFormat(v)), (a, b), (FREE, FREE))
        for w in (2, 3, 4, 8) for v in (2, 3, 4, 8) for a in (3, 4, 8) for b in (3, 4, 8)
    ]  # fmt: skip
    return found[:count]


def runner(study: Path, executor: Executor, limits: Limits | None = None) -> Runner:
    return Runner(Study(study, {"model": "m"}), executor, limits or Limits(), lambda *_: None)


class Scripted:
    """Answers at once; jobs whose turn is in `losses` are lost so many times."""

    capacity = 3

    def __init__(self, losses: dict[str, int]) -> None:
        self.losses = losses
        self.asked: Counter[str] = Counter()

    def submit(self, job: Job, done: Done) -> None:
        self.asked[job.key] += 1
        if self.losses.get(job.key, 0) >= self.asked[job.key]:
            done(Lost("its process died"))
        else:
            done(Outcome(0.9, 0.9, 30.0, float(len(self.asked)), 1.0, "here"))

    def check(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_lost_job_is_tried_again_and_each_is_evaluated_once(tmp_path: Path) -> None:
    jobs: list[Job] = [*candidates(6), Probe(b"layer")]
    executor = Scripted({jobs[1].key: 1, jobs[3].key: 2, jobs[4].key: 9})
    first = runner(tmp_path / "s", executor)
    outcomes = first.outcomes([*jobs, jobs[0]])
    assert [o.error for o in outcomes] == [
        "",
        "",
        "",
        "",
        "lost 3 workers: its process died",
        "",
        "",
        "",
    ]
    assert outcomes[0] == outcomes[-1]
    asked = [executor.asked[job.key] for job in jobs]
    assert asked == [1, 2, 1, 3, 3, 1, 1]
    assert first.outcomes(jobs) == outcomes[:-1]
    first.study.close()
    again = Scripted({})
    second = runner(tmp_path / "s", again)
    assert second.outcomes(jobs) == outcomes[:-1]
    assert not again.asked
    assert second.fresh == 0
    assert list(second.study.candidates()) == list(first.known)


def test_limits_end_it_with_all_that_ran_recorded(tmp_path: Path) -> None:
    executor = Scripted({})
    limited = runner(tmp_path / "s", executor, Limits(candidates=4))
    limited.outcomes([Probe(b"a"), Probe(b"b")])
    with pytest.raises(Enough):
        limited.outcomes(candidates(6))
    assert len(limited.known) == limited.fresh == 4
    with pytest.raises(Enough):
        runner(tmp_path / "t", executor, Limits(seconds=0.0)).outcomes(candidates(1))


def test_a_bug_in_an_evaluation_is_not_an_outcome(tmp_path: Path) -> None:
    class Broken(Scripted):
        def submit(self, job: Job, done: Done) -> None:
            done(Failed(ZeroDivisionError("bug")))

    broken = runner(tmp_path / "s", Broken({}))
    with pytest.raises(ZeroDivisionError):
        broken.outcomes(candidates(2))
    assert not broken.study.candidates()


def kill_first(known: dict[Candidate, Outcome], left: list[int], pids: list[int]) -> None:
    """Kills the worker that made the first outcome, once."""
    if left and known:
        pid = int(next(iter(known.values())).worker.split(":")[1])
        os.kill(pid, signal.SIGKILL)
        pids.append(pid)
        left.clear()


def test_a_killed_process_costs_only_its_own_job(task: Task, tmp_path: Path) -> None:
    jobs, left, killed = candidates(8), [1], list[int]()
    local = Local(task, 2)
    try:
        run = runner(tmp_path / "s", local)
        run.observe = lambda known, fresh: kill_first(run.known, left, killed)
        outcomes = run.outcomes(jobs)
    finally:
        local.close()
    assert killed
    assert not any(o.error for o in outcomes)
    assert run.fresh == len(jobs)
    workers = [int(o.worker.split(":")[1]) for o in outcomes]
    assert workers.count(killed[0]) == 1
    here = run_job(task, jobs[-1])
    assert (here.accuracy, here.sqnr_db, here.luts) == (
        outcomes[-1].accuracy, outcomes[-1].sqnr_db, outcomes[-1].luts
    )  # fmt: skip


def test_a_process_killed_between_two_jobs_is_replaced(task: Task, tmp_path: Path) -> None:
    first, second = candidates(2)
    local = Local(task, 1)
    try:
        run = runner(tmp_path / "s", local)
        killed = int(run.outcomes([first])[0].worker.split(":")[1])
        os.kill(killed, signal.SIGKILL)
        while alive(killed):
            time.sleep(0.05)
        after = run.outcomes([second])[0]
    finally:
        local.close()
    assert not after.error
    assert int(after.worker.split(":")[1]) != killed


def alive(pid: int) -> bool:
    """Whether a process is there whose end nobody has asked for yet."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.fixture
def cluster() -> Any:
    distributed = pytest.importorskip("distributed")
    made = distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None,
        worker_dashboard_address=None,
    )  # fmt: skip
    yield made
    made.close()


def test_dask_workers_evaluate_and_one_may_be_killed(
    cluster: Any, task: Task, tmp_path: Path
) -> None:
    jobs, left, killed = candidates(8), [1], list[int]()
    address = cluster.scheduler_address.replace("tcp://", "dask://")
    executor = Cluster(task, address)
    assert executor.capacity == 4
    try:
        run = runner(tmp_path / "s", executor)
        run.observe = lambda known, fresh: kill_first(run.known, left, killed)
        outcomes = run.outcomes(jobs)
    finally:
        executor.close()
    assert killed
    assert not any(o.error for o in outcomes)
    assert run.fresh == len(jobs) == len(run.study.candidates())
    here = run_job(task, jobs[0])
    assert (here.accuracy, here.luts) == (outcomes[0].accuracy, outcomes[0].luts)


def test_a_scheduler_that_goes_away_is_named_and_nothing_is_lost(
    cluster: Any, task: Task, tmp_path: Path
) -> None:
    address = cluster.scheduler_address.replace("tcp://", "dask://")
    executor = Cluster(task, address)
    run = runner(tmp_path / "s", executor)
    run.observe = lambda known, fresh: threading.Thread(target=cluster.close).start()
    started = time.monotonic()
    with pytest.raises(HlsgenError, match="went away; all outcomes so far are in the study"):
        run.outcomes(candidates(60))
    assert time.monotonic() - started < 120
    executor.close()
    kept = run.study.candidates()
    assert 0 < len(kept) < 60
    run.study.close()
    again = Scripted({})
    second = runner(tmp_path / "s", again)
    second.outcomes(candidates(60))
    assert sum(again.asked.values()) == 60 - len(kept)


def test_no_scheduler_is_named(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("hlsgen.explore.cluster._WAIT_S", 1)
    with pytest.raises(OptionError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9"):
        Cluster(task, "dask://127.0.0.1:9")
