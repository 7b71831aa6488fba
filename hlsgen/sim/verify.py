"""Every engine against the integer graph, that against exact arithmetic and the public runtimes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.rounding import Rounding
from hlsgen.errors import OptionError
from hlsgen.expr.network import Network
from hlsgen.expr.tree import Apply, Expr, Param
from hlsgen.ops.model.elementwise import Fn
from hlsgen.sim.check import (
    engine_flaws,
    first_places,
    graph_flaws,
    graph_values,
    location,
    maker,
    wrong,
)
from hlsgen.sim.explain import Explainer, exact_layers
from hlsgen.sim.reference import file_type, reference
from hlsgen.sim.run import input_codes, output_values, run_graph
from hlsgen.sim.verdict import Verdict, Verification, Wrong, merged

Array = NDArray[Any]
Codes = Mapping[str, Array]
Engine = Callable[[Codes], Codes]
RELATIVE, ABSOLUTE = 2e-5, 1e-6  # real values this close are equal
_BEYOND = "the reference differs beyond float32's error"
_ELSEWHERE = (
    "{} expected elements are not what the reference runtime gives here (another machine?): "
    "explained without their intermediate values"
)
_CHUNK = 1 << 22  # elements of the largest tensor that are held at a time


def python_engine(network: Network) -> Engine:
    """The integer graph in numpy."""
    return lambda codes: run_graph(network.graph, codes)


def verify(
    network: Network,
    feeds: Mapping[str, Array],
    expect: Mapping[str, Array] | None = None,
    engines: Mapping[str, Engine] | None = None,
    path: Path | None = None,
) -> Verification:
    """Compares the outputs of every engine with `expect`, or with the reference runtime's.

    Args:
        network: what was lowered.
        feeds: samples of the network inputs (`hlsgen.sim.run.feeds_of`).
        expect: outputs by name, else by position; further arrays are ignored.
        engines: hardware output codes from hardware input codes; numpy's if None.
        path: the ONNX file, for onnxruntime; without it the model's primitives are evaluated.
    """
    started = time.perf_counter()
    engines = engines or {"python": python_engine(network)}
    feeds = {n: _as_file(network, n, x) for n, x in feeds.items()}
    inputs = rounded_feeds(network, feeds)
    rounded = any(not np.array_equal(inputs[n], feeds[n]) for n in inputs)
    wanted = None if expect is None or rounded else expected(network, expect)
    codes = input_codes(network, feeds)
    results = {name: dict(engine(codes)) for name, engine in engines.items()}
    total = Verification(network.model.file, rounded, {}, 0.0, "")
    for part in _chunks(network, inputs, wanted):
        chosen = {n: x[part] for n, x in codes.items()}
        found = _Chunk(
            network,
            {n: x[part] for n, x in inputs.items()},
            None if wanted is None else {n: x[part] for n, x in wanted.items()},
            chosen,
            path,
        )
        got = {e: {n: y[part] for n, y in r.items()} for e, r in results.items()}
        total = _joined(total, found.verdicts(got, part.start), found)
    return replace(total, seconds=time.perf_counter() - started)


def _as_file(network: Network, name: str, x: Array) -> Array:
    """Inputs as the file's own type holds them, in float64 (integers in int64)."""
    item = network.model.types[name]
    y = file_type(x, item)
    return y.astype(np.int64 if item.is_integer else np.float64)


def rounded_feeds(network: Network, feeds: Mapping[str, Array]) -> dict[str, Array]:
    """What the network sees of its inputs, where they were rounded to a declared format."""
    inputs = dict(feeds)
    ports = {port.source: port for port in network.inputs}
    for name, e in network.rounded.items():
        if name in ports:
            port = ports[name]
            whole = input_codes(replace(network, inputs=(port,)), feeds)[port.value]
            inputs[name] = _rounded(e, whole)
    return inputs


def _rounded(e: Expr, whole: Array) -> Array:
    """codes * unit: the form in which the lowering states what an input was rounded to."""
    match e:
        case Apply(fn=Fn.MUL, args=(_, Param(values=unit))):
            return whole.astype(np.float64) * float(unit.reshape(-1)[0])
        case Apply(fn=Rounding() | Fn.MIN | Fn.MAX):
            return whole.astype(np.float64)  # the unit is 1
        case _:
            raise OptionError("an input was rounded in a form that verification does not know")


def expected(network: Network, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Expected outputs by name (`/` written `__`), the others by position."""
    ports = network.outputs
    spelled = {name: key for key in arrays for name in (key, key.replace("__", "/"))}
    found: dict[str, Array] = {}
    for port in ports:
        key = port.name if port.name in arrays else port.name.replace("/", "__")
        if key in arrays or port.name in spelled:
            found[port.name] = arrays[key if key in arrays else spelled[port.name]]
    if not found:
        found = dict(zip((p.name for p in ports), arrays.values(), strict=False))
    for port in ports:
        if port.name not in found:
            raise OptionError(f"no expected output '{port.name}'; there is {', '.join(arrays)}")
        found[port.name] = _fitted(port.name, found[port.name], port.shape)
    return found


def _fitted(name: str, x: Array, shape: tuple[int, ...]) -> Array:
    full = (len(x) if x.ndim else 0, *shape)
    if x.size != int(np.prod(full)):
        raise OptionError(f"expected output '{name}' has shape {x.shape}, not {full}")
    return x.reshape(full)


def _chunks(
    network: Network, inputs: Mapping[str, Array], wanted: Mapping[str, Array] | None
) -> Sequence[slice]:
    counts = [x.shape[0] for x in inputs.values()]
    if wanted is not None:
        counts += [y.shape[0] for y in wanted.values()]
    count = min(counts)
    largest = max(int(np.prod(t.shape)) for t in network.model.types.values())
    step = max(1, _CHUNK // max(largest, 1))
    return [slice(i, min(i + step, count)) for i in range(0, count, step)]


def _joined(total: Verification, verdicts: Mapping[str, Verdict], found: _Chunk) -> Verification:
    engines = {n: total.engines.get(n, Verdict()) + v for n, v in verdicts.items()}
    return replace(
        total,
        engines=engines,
        reference=found.reference.engine,
        layers=merged(total.layers, found.layers),
        warnings=(*total.warnings, *found.warnings),
    )


@dataclass(eq=False)
class _Chunk:
    """Some samples: everything that the engines' results are judged by."""

    network: Network
    inputs: Mapping[str, Array]
    expect: Mapping[str, Array] | None
    codes: Codes
    path: Path | None

    def __post_init__(self) -> None:
        network, model = self.network, self.network.model
        self.reference = reference(model, self.inputs, self.path)
        self.exact = exact_layers(model, self.inputs)
        origins = {o.value for o in network.origins}
        self.values = graph_values(network.graph, self.codes, origins)
        self.truth = (
            self.values
            if network.exact is None
            else graph_values(network.exact, self.codes, origins)
        )
        wanted = self.expect or {n: self.reference.values[n] for n in model.outputs}
        self.wanted = {n: wanted[n].astype(np.float64) for n in model.outputs}
        self.flaws = graph_flaws(network, self.truth, self.exact)
        self._explain()

    def _explain(self) -> None:
        """The reference against exact arithmetic: layers, then the outputs."""
        explainer = Explainer(self.network.model, self.inputs, self.reference, self.exact)
        found = explainer.layers()
        self.layers = found.layers
        for sample, report in found.bad.items():
            assert report.first_wrong is not None
            _, place, exact, want = report.first_wrong
            flaw = Wrong(
                report.tensor, (sample, *place), exact, want, _BEYOND, str(report.loc)
            )  # fmt: skip
            self.flaws.setdefault(sample, flaw)
        self.outputs = output_values(self.network, self.truth)
        doubtful = {n: ~equal_numbers(self.outputs[n], want) for n, want in self.wanted.items()}
        self.possible, far = explainer.possible(self.wanted, doubtful)
        self.warnings = (*found.warnings, *((_ELSEWHERE.format(far),) if far else ()))

    # -- verdicts -----------------------------------------------------------------------------

    def verdicts(self, results: Mapping[str, Codes], first: int) -> dict[str, Verdict]:
        """One verdict an engine; `first` is the number of this chunk's first sample."""
        return {name: self._verdict(codes, first) for name, codes in results.items()}

    def _verdict(self, codes: Codes, first: int) -> Verdict:
        flaws = self.flaws | engine_flaws(self.network, self.values, codes)
        got = output_values(self.network, codes)
        total = Verdict()
        for port in self.network.outputs:
            total = total + self._judged(port.name, got[port.name], flaws)
        worst = flaws[min(flaws)] if flaws else total.first_wrong
        if worst is not None and first:
            worst = replace(worst, index=(worst.index[0] + first, *worst.index[1:]))
        return replace(total, first_wrong=worst)

    def _judged(self, name: str, got: Array, flaws: Mapping[int, Wrong]) -> Verdict:
        want, exact = self.wanted[name], self.outputs[name]
        bad = ~equal_numbers(exact, want) & ~self.possible[name]
        bad[list(flaws)] = True
        equal = equal_numbers(got, want) & ~bad
        moved = ~equal & ~bad & ~equal_numbers(got, exact)
        first = None
        for sample, place in first_places(bad)[:1]:
            made = maker(self.network, self.network.graph.outputs[0])
            where = location(self.network, name)
            first = wrong(name, (sample, *place), got, want, made, where)
        explained = int((~equal & ~bad & ~moved).sum())
        return Verdict(
            got.size, int(equal.sum()), explained, int(bad.sum()), first, int(moved.sum())
        )


def equal_numbers(got: Array, want: Array) -> Array:
    """Integers that are the same, real numbers that differ by no more than the last digits."""
    if got.dtype.kind in "iub":
        return got == want
    return np.isclose(got, want, RELATIVE, ABSOLUTE)
