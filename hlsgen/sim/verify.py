"""Every engine against the integer graph, the integer graph against exact arithmetic, and both
against what the public runtimes compute."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import OptionError
from hlsgen.expr import constant
from hlsgen.expr.network import Network, Origin
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.explain import Exact, Explainer, LayerReport, exact_layers
from hlsgen.sim.host import outputs_of
from hlsgen.sim.reference import file_type, reference
from hlsgen.sim.run import input_codes, output_values, run_graph

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


@dataclass(frozen=True, slots=True)
class Wrong:
    """The first element that cannot be explained, and the node that made it."""

    output: str
    index: tuple[int, ...]
    got: float
    want: float
    node: str
    location: str

    def to_json(self) -> dict[str, Any]:
        return {
            "output": self.output,
            "index": list(self.index),
            "got": self.got,
            "want": self.want,
            "node": self.node,
            "location": self.location,
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the output elements of one engine: elements = equal + explained + wrong.

    An element is wrong if it differs without explanation, or if anything that the same sample
    went through is wrong.
    """

    elements: int = 0
    equal: int = 0
    explained: int = 0
    wrong: int = 0
    first_wrong: Wrong | None = None

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.elements + other.elements,
            self.equal + other.equal,
            self.explained + other.explained,
            self.wrong + other.wrong,
            self.first_wrong or other.first_wrong,
        )

    def to_json(self) -> dict[str, Any]:
        first = None if self.first_wrong is None else self.first_wrong.to_json()
        return {
            "elements": self.elements,
            "equal": self.equal,
            "explained": self.explained,
            "wrong": self.wrong,
            "first_wrong": first,
        }


@dataclass(frozen=True, eq=False)
class Verification:
    """The result of `hlsgen verify`."""

    model: str
    rounded_inputs: bool
    engines: Mapping[str, Verdict]
    seconds: float
    reference: str
    layers: tuple[LayerReport, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def wrong(self) -> int:
        return sum(v.wrong for v in self.engines.values())

    def to_json(self) -> dict[str, Any]:
        """The shape that design/architecture.md section 5 fixes."""
        return {
            "model": self.model,
            "rounded_inputs": self.rounded_inputs,
            "engines": {name: v.to_json() for name, v in self.engines.items()},
            "seconds": round(self.seconds, 3),
        }


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
        engines: hardware output codes from hardware input codes; the integer graph in numpy if None.
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


def _rounded(e: Any, whole: Array) -> Array:
    """codes * unit, the form in which the lowering states it."""
    unit = e.args[1]
    return whole.astype(np.float64) * float(unit.values.reshape(-1)[0])


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
        layers=_merged(total.layers, found.layers),
        warnings=(*total.warnings, *found.warnings),
    )


def _merged(
    known: tuple[LayerReport, ...], more: tuple[LayerReport, ...]
) -> tuple[LayerReport, ...]:
    by_name = {r.tensor: r for r in known}
    for r in more:
        old = by_name.get(r.tensor)
        by_name[r.tensor] = r if old is None else replace(
            old,
            elements=old.elements + r.elements,
            differing=old.differing + r.differing,
            explained=old.explained + r.explained,
            first_wrong=old.first_wrong or r.first_wrong,
        )  # fmt: skip
    return tuple(by_name.values())


@dataclass(eq=False)
class _Chunk:
    """Some samples: everything that the engines' results are judged by."""

    network: Network
    inputs: Mapping[str, Array]
    expect: Mapping[str, Array] | None
    codes: Codes
    path: Path | None
    layers: tuple[LayerReport, ...] = ()
    warnings: tuple[str, ...] = ()
    flaw: dict[int, Wrong] = field(default_factory=dict[int, Wrong])

    def __post_init__(self) -> None:
        network, model = self.network, self.network.model
        self.reference = reference(model, self.inputs, self.path)
        self.exact = exact_layers(model, self.inputs)
        origins = {o.value for o in network.origins}
        self.values = graph_values(network.graph, self.codes, origins)
        self.outputs = {n: plain_output(y) for n, y in output_values(network, self.values).items()}
        wanted = self.expect or {n: self.reference.values[n] for n in model.outputs}
        self.wanted = {n: plain_output(wanted[n]) for n in model.outputs}
        self._check_graph()
        self._check_outputs()
        self._explain()

    @property
    def count(self) -> int:
        return next(iter(self.inputs.values())).shape[0]

    # -- the integer graph against exact arithmetic -------------------------------------------

    def _check_graph(self) -> None:
        for origin in self.network.origins:
            code = self.exact.codes.get(origin.tensor)
            if code is not None:
                self._check(origin, self.values[origin.value], code)

    def _check(self, origin: Origin, got: Array, want: Array) -> None:
        held = held_codes(origin, got)
        want = np.broadcast_to(want, (self.count, *want.shape[1:]))
        held = np.broadcast_to(held, want.shape)
        for sample, place in first_places(held != want):
            spot = (sample, *place)
            self._flaw(
                sample, origin.tensor, place, float(held[spot]), float(want[spot]),
                self._maker(origin.value), str(origin.loc),
            )  # fmt: skip

    def _check_outputs(self) -> None:
        for port in self.network.outputs:
            exact = self.exact.outputs[port.name]
            got = exact_output(self.network, port.name, self.values)
            value = np.broadcast_to(exact.value, got.shape)
            allowed = 2 * exact.error + 2.0**-36 * np.abs(value) + 1e-30
            with np.errstate(invalid="ignore"):
                off = ~(np.abs(got - value) <= allowed)
            for sample, place in first_places(off):
                spot = (sample, *place)
                leaf = next(iter(self.network.graph.outputs))
                self._flaw(
                    sample, port.name, place, float(got[spot]), float(value[spot]),
                    self._maker(leaf), self._location(port.name),
                )  # fmt: skip

    def _maker(self, value: str) -> str:
        node = self.network.graph.producer.get(value)
        return value if node is None else f"{type(node.op).__name__} {value}"

    def _location(self, tensor: str) -> str:
        node = self.network.model.producer.get(tensor)
        return self.network.model.file if node is None else str(node.loc)

    def _flaw(
        self, sample: int, tensor: str, place: tuple[int, ...], got: float, want: float,
        node: str, location: str,
    ) -> None:  # fmt: skip
        self.flaw.setdefault(
            sample, Wrong(tensor, (sample, *place), got, want, node, location)
        )

    # -- the reference against exact arithmetic -----------------------------------------------

    def _explain(self) -> None:
        explainer = Explainer(self.network.model, self.inputs, self.reference, self.exact)
        found = explainer.layers()
        self.layers = found.layers
        for report in found.layers:
            if report.first_wrong is not None:
                sample, place, exact, want = report.first_wrong
                self._flaw(
                    sample, report.tensor, place, exact, want, _BEYOND, str(report.loc)
                )  # fmt: skip
        first = next((r for r in found.layers if r.first_wrong is not None), None)
        for sample in np.flatnonzero(found.bad).tolist():
            assert first is not None
            self._flaw(sample, first.tensor, (), np.nan, np.nan, _BEYOND, str(first.loc))
        doubtful = {
            n: ~np.isclose(self.outputs[n], want, RELATIVE, ABSOLUTE)
            for n, want in self.wanted.items()
        }
        self.possible, far = explainer.possible(self.wanted, doubtful)
        self.warnings = found.warnings
        if far:
            self.warnings = (*found.warnings, _ELSEWHERE.format(far))

    # -- verdicts -----------------------------------------------------------------------------

    def verdicts(self, results: Mapping[str, Codes], first: int) -> dict[str, Verdict]:
        """One verdict an engine; `first` is the number of this chunk's first sample."""
        return {name: self._verdict(codes, first) for name, codes in results.items()}

    def _verdict(self, codes: Codes, first: int) -> Verdict:
        flaws = {**self.flaw}
        for sample, wrong in self._engine_flaws(codes).items():
            flaws[sample] = wrong
        got = output_values(self.network, codes)
        total = Verdict()
        for port in self.network.outputs:
            total = total + self._judged(port.name, plain_output(got[port.name]), flaws)
        wrong = flaws[min(flaws)] if flaws else total.first_wrong
        if wrong is not None and first:
            wrong = replace(wrong, index=(wrong.index[0] + first, *wrong.index[1:]))
        return replace(total, first_wrong=wrong)

    def _engine_flaws(self, codes: Codes) -> dict[int, Wrong]:
        """Samples in which an engine's integers are not those of the integer graph."""
        flaws: dict[int, Wrong] = {}
        for name in self.network.graph.outputs:
            mine = self.values[name]
            theirs = np.asarray(codes[name]).reshape(mine.shape)
            for sample, place in first_places(theirs != mine):
                spot = (sample, *place)
                loc = self.network.graph.producer.get(name)
                flaws.setdefault(sample, Wrong(
                    name, spot, float(theirs[spot]), float(mine[spot]), self._maker(name),
                    "" if loc is None else str(loc.loc),
                ))  # fmt: skip
        return flaws

    def _judged(self, name: str, got: Array, flaws: Mapping[int, Wrong]) -> Verdict:
        want = self.wanted[name]
        equal = np.isclose(got, want, RELATIVE, ABSOLUTE)
        wrong = ~equal & ~self.possible[name]
        bad = np.zeros(got.shape, bool)
        for sample in flaws:
            bad[sample] = True
        wrong |= bad
        first = None
        for sample, place in first_places(wrong)[:1]:
            spot = (sample, *place)
            node = self._maker(next(iter(self.network.graph.outputs)))
            first = Wrong(name, spot, float(got[spot]), float(want[spot]), node, self._location(name))
        equal &= ~wrong
        return Verdict(
            got.size, int(equal.sum()), int((~equal & ~wrong).sum()), int(wrong.sum()), first
        )


def graph_values(graph: HwGraph, codes: Codes, wanted: set[str]) -> dict[str, Array]:
    """The integer graph's values that are asked for, its inputs and outputs."""
    keep = wanted | set(graph.outputs) | set(graph.inputs)
    values = dict(codes)
    last = {name: i for i, node in enumerate(graph.nodes) for name in node.inputs}
    for i, node in enumerate(graph.nodes):
        types = tuple(graph.types[name] for name in node.inputs)
        results = node.op.evaluate(*(values[name] for name in node.inputs), types=types)
        values.update(zip(node.outputs, results, strict=True))
        for name in set(node.inputs):
            if last[name] == i and name not in keep:
                del values[name]
    count = max((v.shape[0] for v in codes.values()), default=1)
    return {n: np.broadcast_to(v, (count, *v.shape[1:])) for n, v in values.items() if n in keep}


def held_codes(origin: Origin, got: Array) -> Array:
    """The tensor's codes that a hardware value holds."""
    scale, offset = constant.integers(origin.scale), constant.integers(origin.offset)
    rank = got.ndim
    scale, offset = (v.reshape((1,) * (rank - v.ndim) + v.shape) for v in (scale, offset))
    return got * scale + offset


def exact_output(network: Network, name: str, values: Codes) -> Array:
    """An output in float64, before it takes the file's own type."""
    port = next(p for p in network.outputs if p.name == name)
    return outputs_of(port.epilogue, values)


def plain_output(y: Array) -> Array:
    return y.astype(np.float64)


def first_places(differs: Array) -> list[tuple[int, tuple[int, ...]]]:
    """The first true element of every sample that has one."""
    found: list[tuple[int, tuple[int, ...]]] = []
    for sample in np.flatnonzero(differs.reshape(len(differs), -1).any(axis=1)).tolist():
        place = np.argwhere(differs[sample])[0]
        found.append((sample, tuple(int(p) for p in place)))
    return found


__all__ = ["Exact", "Verdict", "Verification", "Wrong", "expected", "python_engine", "verify"]
