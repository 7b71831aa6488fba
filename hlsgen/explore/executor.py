"""Who evaluates: processes of this machine."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from hlsgen.explore.evaluate import Job, Outcome, Task, run_job


@dataclass(frozen=True, slots=True)
class Lost:
    """A job whose worker died under it."""

    reason: str


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that ended in an exception: a bug, or a machine that is not set up."""

    error: BaseException


Result = Outcome | Lost | Failed
Done = Callable[[Result], None]


class Executor(Protocol):
    """Runs jobs of one task; `capacity` is how many it can hold at once."""

    capacity: int

    def submit(self, job: Job, done: Done) -> None:
        """Starts a job; `done` is called once with its result, from any thread."""
        ...

    def check(self) -> None:
        """Errors: HlsgenError where no result can come any more."""
        ...

    def close(self) -> None:
        """Gives up what still runs."""
        ...


class Local:
    """Spawned processes, each of one thread; one that dies takes no other job with it."""

    def __init__(self, task: Task, jobs: int) -> None:
        self.capacity = jobs
        self._folder = tempfile.TemporaryDirectory(prefix="hlsgen-explore-")
        self._task = Path(self._folder.name) / "task.pickle"
        self._task.write_bytes(pickle.dumps(task))
        self._idle: list[ProcessPoolExecutor | None] = [None] * jobs
        self._busy: set[ProcessPoolExecutor] = set()
        self._lock = threading.Lock()

    def submit(self, job: Job, done: Done) -> None:
        with self._lock:
            kept = self._idle.pop()
            worker, future = self._begun(job, kept)
            self._busy.add(worker)

        def back(future: Future[Outcome]) -> None:
            result = _result(future)
            with self._lock:
                self._busy.discard(worker)
                self._idle.append(None if isinstance(result, Lost) else worker)
            done(result)

        future.add_done_callback(back)

    def _begun(
        self, job: Job, kept: ProcessPoolExecutor | None
    ) -> tuple[ProcessPoolExecutor, Future[Outcome]]:
        """The job on a process that was kept; on a new one where there is none or it died idle."""
        if kept is not None:
            try:
                return kept, kept.submit(_run, job)
            except BrokenProcessPool:
                kept.shutdown(wait=False)
        worker = _worker(self._task)
        return worker, worker.submit(_run, job)

    def check(self) -> None:
        pass  # a process that dies reports itself

    def close(self) -> None:
        with self._lock:
            workers = [w for w in (*self._idle, *self._busy) if w is not None]
        for worker in workers:
            processes: dict[int, Any] = getattr(worker, "_processes", None) or {}
            for process in list(processes.values()):
                process.kill()
            worker.shutdown(wait=True, cancel_futures=True)
        self._folder.cleanup()


def _worker(task: Path) -> ProcessPoolExecutor:
    """One process; libraries that it loads see that they have one thread."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(1, mp_context=spawn, initializer=_start, initargs=(task,))


def _result(future: Future[Outcome]) -> Result:
    if future.cancelled():
        return Lost("cancelled")
    error = future.exception()
    match error:
        case None:
            return future.result()
        case BrokenProcessPool():
            return Lost("its process died")
        case _:
            return Failed(error)


_held: list[Task] = []  # of a worker process


def _start(task: Path) -> None:
    """In the worker: the task, and an end when its parent ends, however that ends."""
    threading.Thread(target=_follow_parent, daemon=True).start()
    _held.append(pickle.loads(task.read_bytes()))


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run(job: Job) -> Outcome:
    return run_job(_held[0], job)
