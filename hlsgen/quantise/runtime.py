"""Floats of a model on samples: onnxruntime where it is installed, else onnx's own evaluator."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ModelError

Array = NDArray[Any]
Run = Callable[[Mapping[str, Array]], Sequence[Array]]


def opened(model: Any, names: Sequence[str]) -> Run:
    """A function from one feed to the values of these names.

    Errors: ModelError where the runtime refuses the model.
    """
    try:
        import onnxruntime  # pyright: ignore[reportMissingTypeStubs]
    except ImportError:
        from onnx.reference import ReferenceEvaluator

        evaluator: Any = ReferenceEvaluator(model)
        return lambda feed: evaluator.run(list(names), dict(feed))
    runtime: Any = onnxruntime
    options = runtime.SessionOptions()
    options.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = runtime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exceptions share no public base
        raise ModelError(f"onnxruntime refuses the model: {error}") from error
    return lambda feed: session.run(list(names), dict(feed))


def values(
    model: Any, names: Sequence[str], feeds: Mapping[str, Array]
) -> Iterator[tuple[Array, ...]]:
    """The values of these names, sample by sample in the file's own shape.

    Errors: ModelError where the model cannot run on these samples.
    """
    run = opened(model, names)
    for j in range(len(next(iter(feeds.values())))):
        try:
            yield tuple(run({name: x[j] for name, x in feeds.items()}))
        except Exception as error:  # as above
            raise ModelError(f"the float model cannot run: {error}") from error


def stacked(model: Any, names: Sequence[str], feeds: Mapping[str, Array]) -> dict[str, Array]:
    """`values` with a leading sample axis."""
    columns = zip(*values(model, names, feeds), strict=True)
    return {name: np.stack(column) for name, column in zip(names, columns, strict=True)}
