"""Traces of the loss' Hessian, by Hutchinson's probes through torch's second derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import ToolMissing, Unsupported
from hlsgen.explore.calibration import Calibration, Progress
from hlsgen.explore.choices import Numbers
from hlsgen.explore.evaluate import Task
from hlsgen.quantise.graph import FloatGraph, Step, channel_axis

Array = NDArray[Any]
_PROBES = 8
_SEED = 20


def hutchinson(
    task: Task, found: Calibration, feeds: Mapping[str, Array], observe: Progress
) -> Numbers:
    """tr(H)/n |W - Q(W)|^2 of each layer in each format: HAWQ-V2's sensitivity.

    The loss is the cross-entropy against the float network's own classes, for other outputs half
    their squared change's share of the signal; tr(H) is the mean of v'Hv over v of signs.
    Shapes: layers x formats. Errors: ToolMissing without torch; Unsupported, located, for an
    operator that torch is not told of here. Source: Dong 2020 (HAWQ-V2, 1911.03852).
    """
    try:
        torch: Any = import_module("torch")
    except ImportError as error:
        message = "--sensitivity hutchinson needs torch: pip install 'hlsgen[train]'"
        raise ToolMissing(message) from error
    traces = _traces(torch, task.graph, feeds, observe)
    rows: list[tuple[float, ...]] = []
    for step, trace, codes in zip(task.graph.layers, traces, found.weights, strict=True):
        w = task.graph.constants[step.inputs[1]]
        shape = [1] * w.ndim
        shape[channel_axis(step)] = -1
        errors = [((q.codes * q.scales.reshape(shape) - w) ** 2).sum() for q in codes.values()]
        rows.append(tuple(max(trace, 0.0) / w.size * float(e) for e in errors))
    return tuple(rows)


def _traces(
    torch: Any, graph: FloatGraph, feeds: Mapping[str, Array], observe: Progress
) -> list[float]:
    """One a layer, over the mean loss of all samples."""
    constants = {n: torch.tensor(np.asarray(v, np.float32)) for n, v in graph.constants.items()
                 if np.asarray(v).dtype.kind == "f"}  # fmt: skip
    weights = [constants[s.inputs[1]].requires_grad_() for s in graph.layers]
    draw = torch.Generator().manual_seed(_SEED)
    totals = [0.0] * len(weights)
    count = len(next(iter(feeds.values())))
    for j in range(count):
        observe("sensitivity of weights", j / count)
        data = {n: torch.tensor(x[j]) for n, x in feeds.items()}
        loss = _loss(torch, _run(torch, graph, constants, data))
        slopes = torch.autograd.grad(loss, weights, create_graph=True)
        for _ in range(_PROBES):
            signs = [2.0 * torch.randint(0, 2, w.shape, generator=draw) - 1 for w in weights]
            bent = torch.autograd.grad(slopes, weights, signs, retain_graph=True)
            for k, (v, h) in enumerate(zip(signs, bent, strict=True)):
                totals[k] += float((v * h).sum()) / _PROBES / count
    return totals


def _loss(torch: Any, y: Any) -> Any:
    if sum(n > 1 for n in y.shape) != 1:
        return 0.5 * ((y - y.detach()) ** 2).sum() / (y.detach() ** 2).sum()
    scores = y.reshape(1, -1)
    total = float(scores.detach().sum())
    is_probability = bool((scores >= 0).all()) and abs(total - 1) < 1e-3
    logs = torch.log(scores.clamp_min(1e-12)) if is_probability else scores.log_softmax(1)
    return -(logs.exp().detach() * logs).sum()


def _run(torch: Any, graph: FloatGraph, constants: Mapping[str, Any], data: dict[str, Any]) -> Any:
    """The graph's first output as torch computes it."""
    values = {**constants, **data}
    operators = _operators(torch, graph)
    for step in graph.steps:
        if step.op not in operators:
            raise Unsupported("no second derivatives of it here: take --sensitivity measured",
                              step.loc)  # fmt: skip
        given = [values[n] for n in step.inputs if n in values]
        values[step.output] = operators[step.op](step, given)
    return values[graph.outputs[0]]


def _operators(torch: Any, graph: FloatGraph) -> dict[str, Callable[[Step, Sequence[Any]], Any]]:
    f = torch.nn.functional

    def conv(step: Step, x: Sequence[Any]) -> Any:
        rank = x[1].ndim - 2
        pads = _pads(step, rank)
        return getattr(f, f"conv{rank}d")(
            f.pad(x[0], pads), x[1], x[2], tuple(step.attribute("strides", [1] * rank)), 0,
            tuple(step.attribute("dilations", [1] * rank)), step.attribute("group", 1),
        )  # fmt: skip

    def pooled(kind: str) -> Callable[[Step, Sequence[Any]], Any]:
        def pool(step: Step, x: Sequence[Any]) -> Any:
            size = tuple(step.attribute("kernel_shape", []))
            if any(_pads(step, len(size))) or step.attribute("ceil_mode", 0):
                raise Unsupported("padded pools have no second derivatives here", step.loc)
            strides = tuple(step.attribute("strides", [1] * len(size)))
            return getattr(f, f"{kind}_pool{len(size)}d")(x[0], size, strides)

        return pool

    def shaped(step: Step, x: Sequence[Any]) -> Any:
        return x[0].reshape(graph.shapes[step.output])

    return {
        "Conv": conv,
        "Gemm": lambda step, x: x[0] @ x[1] + x[2],
        "MatMul": lambda step, x: x[0] @ x[1] + (x[2] if step.is_layer else 0),
        "Relu": lambda step, x: x[0].relu(),
        "Sigmoid": lambda step, x: x[0].sigmoid(),
        "Tanh": lambda step, x: x[0].tanh(),
        "Softmax": lambda step, x: x[0].softmax(step.attribute("axis", -1)),
        "LogSoftmax": lambda step, x: x[0].log_softmax(step.attribute("axis", -1)),
        "Add": lambda step, x: x[0] + x[1],
        "Sub": lambda step, x: x[0] - x[1],
        "Mul": lambda step, x: x[0] * x[1],
        "MaxPool": pooled("max"),
        "AveragePool": pooled("avg"),
        "GlobalAveragePool": lambda step, x: x[0].mean(tuple(range(2, x[0].ndim)), keepdim=True),
        "Transpose": lambda step, x: x[0].permute(tuple(step.attribute("perm", []))),
        **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), shaped),
    }


def _pads(step: Step, rank: int) -> list[int]:
    """As torch counts them: the last axis first, before and after.

    Errors: Unsupported for automatic ones.
    """
    if step.attribute("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise Unsupported("automatic padding has no second derivatives here", step.loc)
    pads = step.attribute("pads", [0] * 2 * rank)
    return [p for k in reversed(range(rank)) for p in (pads[k], pads[k + rank])]
