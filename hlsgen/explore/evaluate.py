"""One candidate: quantised, lowered, run on exact integers, its LUTs estimated."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from hlsgen.errors import HlsgenError
from hlsgen.explore.hardware import Hardware, luts_of
from hlsgen.explore.space import Candidate, Space
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.quantise.data import Samples
from hlsgen.quantise.graph import FloatGraph
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.judge import judged, network_outputs
from hlsgen.quantise.quantise import quantise
from hlsgen.quantise.scheme import Scheme

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Task:
    """All that an evaluation needs, for another process or machine to have once."""

    graph: FloatGraph
    feeds: Mapping[str, Array]
    judges: Samples
    wanted: Mapping[str, Array]
    space: Space
    scheme: Scheme
    hardware: Hardware


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a candidate is worth; accuracy and agreement as in `quantise.judge.Judgement`.

    `luts` is the estimate of the cost model for the task's hardware. `error` is why there is none
    of all this, or "".
    Units: seconds of one processor; sqnr_db in dB.
    """

    accuracy: float | None
    agreement: float | None
    sqnr_db: float
    luts: float
    seconds: float
    worker: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Probe:
    """A network in itself whose LUTs are asked for: one layer between its quantisers, as ONNX."""

    model: bytes

    @property
    def key(self) -> str:
        """One text for each probe."""
        return f"probe {sha256(self.model).hexdigest()}"


Job = Candidate | Probe


def run_job(task: Task, job: Job) -> Outcome:
    """What a job finds; a candidate that cannot be is an outcome, too."""
    started = _seconds()
    worker = f"{socket.gethostname()}:{os.getpid()}"
    try:
        match job:
            case Candidate():
                found = _evaluated(task, job)
            case Probe(model):
                found = (None, None, 0.0, luts_of(lowered(model), task.hardware))
        return Outcome(*found, _seconds() - started, worker)
    except HlsgenError as error:
        taken = _seconds() - started
        return Outcome(None, None, -float("inf"), float("inf"), taken, worker, str(error))


def _seconds() -> float:
    """Of one processor, compilers that were called included."""
    return sum(os.times()[:4])


def candidate_model(task: Task, candidate: Candidate) -> bytes:
    """The quantised network as an ONNX file."""
    scheme = task.space.scheme(candidate, task.scheme)
    made = quantise(task.graph, task.feeds, scheme, _silent)
    return qdq_model(task.graph, made).SerializeToString()


def _silent(stage: str, share: float) -> None:
    """No progress: candidates are what progresses."""


def _evaluated(task: Task, candidate: Candidate) -> tuple[float | None, float | None, float, float]:
    network = lowered(candidate_model(task, candidate))
    got = network_outputs(network, task.judges.feeds)
    found = judged(task.wanted, got, task.judges.labels)
    cost = luts_of(network, task.hardware)
    return found.accuracy, found.agreement, found.sqnr_db, cost


def lowered(model: bytes) -> Network:
    """Errors: as of reading and lowering a file."""
    with tempfile.TemporaryDirectory(prefix="hlsgen-explore-") as folder:
        path = Path(folder) / "candidate.onnx"
        path.write_bytes(model)
        return lower(read_model(path))
