"""Jobs to outcomes: those of the study at once, the others by whoever evaluates."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from hlsgen.explore.evaluate import Job, Outcome, Probe
from hlsgen.explore.executor import Executor, Failed, Lost, Result
from hlsgen.explore.space import Candidate
from hlsgen.explore.study import Study

_TRIES = 3  # workers that one job may lose
_POLL_S = 0.5


class Enough(Exception):
    """So many candidates or minutes as were asked for are used up."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many candidates may be evaluated anew, and until when; None for no bound.

    Units: seconds of the wall.
    """

    candidates: int | None = None
    seconds: float | None = None


@dataclass
class Runner:
    """Evaluates each job once in the life of a study."""

    study: Study
    executor: Executor
    limits: Limits
    observe: Callable[[int, int], None]  # candidates known, and of these evaluated now
    started: float = field(default_factory=time.monotonic)
    fresh: int = 0
    cpu_s: float = 0.0
    known: dict[Candidate, Outcome] = field(default_factory=dict[Candidate, Outcome])

    def outcomes(self, jobs: Sequence[Job]) -> list[Outcome]:
        """One a job, in their order.

        Errors: Enough where a limit ends it, everything that ran until then recorded; HlsgenError
        where the executor is gone.
        """
        found = {job.key: self._kept(job) for job in jobs}
        self._evaluate([job for job in dict.fromkeys(jobs) if found[job.key] is None])
        return [self._kept(job) or self._missing() for job in jobs]

    def _kept(self, job: Job) -> Outcome | None:
        outcome = self.study.outcome(job)
        if outcome is not None and isinstance(job, Candidate):
            self.known[job] = outcome
        return outcome

    def _missing(self) -> Outcome:
        raise Enough

    def _evaluate(self, jobs: list[Job]) -> None:
        """All that the limits allow; what is under way when they are reached is waited for."""
        waiting, tries = list(jobs), dict.fromkeys((job.key for job in jobs), 0)
        results: SimpleQueue[tuple[Job, Result]] = SimpleQueue()
        under_way = 0
        while waiting or under_way:
            while (
                waiting and under_way < self.executor.capacity and self._may(waiting[0], under_way)
            ):
                job = waiting.pop(0)
                self.executor.submit(job, lambda r, job=job: results.put((job, r)))
                under_way += 1
            if not under_way:
                return
            try:
                job, result = results.get(timeout=_POLL_S)
            except Empty:
                self.executor.check()
                continue
            under_way -= 1
            tries[job.key] += 1
            if not self._took(job, result, tries[job.key]):
                self.executor.check()
                waiting.insert(0, job)

    def _may(self, job: Job, under_way: int) -> bool:
        used = time.monotonic() - self.started
        if self.limits.seconds is not None and used >= self.limits.seconds:
            return False
        most = self.limits.candidates
        return isinstance(job, Probe) or most is None or self.fresh + under_way < most

    def _took(self, job: Job, result: Result, tries: int) -> bool:
        """Records a result; False for one to try again."""
        match result:
            case Failed(error):
                raise error
            case Lost(reason) if tries < _TRIES:
                return False
            case Lost(reason):
                text = f"lost {tries} workers: {reason}"
                outcome = Outcome(None, None, -float("inf"), float("inf"), 0.0, "", text)
            case Outcome():
                outcome = result
        self.study.record(job, outcome)
        self.cpu_s += outcome.seconds
        if isinstance(job, Candidate):
            self.fresh += 1
            self.known[job] = outcome
        self.observe(len(self.known), self.fresh)
        return True
