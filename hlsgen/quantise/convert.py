"""The whole of `hlsgen quantize`: a file, samples, a scheme; a file and what is known of it."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hlsgen.errors import OptionError, reason_of
from hlsgen.quantise.data import load_samples
from hlsgen.quantise.equalise import equalised
from hlsgen.quantise.fold import fold_affine
from hlsgen.quantise.insert import qdq_model
from hlsgen.quantise.judge import Judgement, float_outputs, integer_outputs, judged
from hlsgen.quantise.prepare import open_float, prepare
from hlsgen.quantise.quantise import Progress, check, quantise
from hlsgen.quantise.scheme import Scheme
from hlsgen.quantise.where import Row, where

_SHOWN = 32  # samples that the table of errors is made from


@dataclass(frozen=True, eq=False)
class Quantised:
    """What was written, how good it is, and where the error arises."""

    output: Path
    scheme: Scheme
    layers: int
    calibrated: int
    judgement: Judgement
    rows: tuple[Row, ...]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        return {
            "format": 1,
            "output": str(self.output),
            "scheme": self.scheme.to_json(),
            "layers": self.layers,
            "calibrated": self.calibrated,
            "judgement": asdict(self.judgement),
            "errors": [asdict(row) for row in self.rows],
            "seconds": round(self.seconds, 3),
        }


def convert(
    model: Path, data: Path, test: Path | None, labels: str | None, output: Path, scheme: Scheme,
    observe: Progress,
) -> Quantised:  # fmt: skip
    """Quantise `model` on the samples of `data`, judge it on those of `test`, or else the same.

    Errors: HlsgenError naming the file, the node or the array that is at fault.
    """
    started = time.perf_counter()
    observe("reading", 0.0)
    file = open_float(model)
    samples = load_samples(data, file.inputs, labels)
    judges = samples if test is None else load_samples(test, file.inputs, labels)
    feeds = samples.spread(scheme.samples)
    graph = fold_affine(prepare(file, feeds))
    check(graph, scheme)
    wanted = float_outputs(graph, judges)
    observe("equalising", 0.0)
    graph = equalised(graph, feeds, scheme.equalise)
    made = quantise(graph, feeds, scheme, observe)
    write(output, qdq_model(graph, made).SerializeToString())
    observe("judging", 0.0)
    got = integer_outputs(output, judges.feeds)
    rows = where(graph, made, samples.spread(min(_SHOWN, scheme.samples)), observe)
    return Quantised(
        output,
        scheme,
        len(graph.layers),
        min(scheme.samples, samples.count),
        judged(wanted, got, judges.labels),
        rows,
        time.perf_counter() - started,
    )


def write(path: Path, content: bytes) -> None:
    """Whole or not at all. Errors: OptionError where it cannot be written."""
    temporary = path.with_name(f".{path.name}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OptionError(f"cannot write {path}: {reason_of(error)}") from error
