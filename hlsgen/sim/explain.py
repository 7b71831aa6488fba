"""Why a float reference and exact integers differ: layer by layer, every element or it is WRONG.

1. `exact_layers` evaluates the model in exact arithmetic: what the integer graph has to equal.
2. `explain` restarts every layer from the reference's own codes and asks of each differing code
   whether the file's element types, within a proven error bound, can have come to it
   (design/staircases.md 6).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Loc
from hlsgen.ir.graph import Node
from hlsgen.ir.model import Model, ModelOp
from hlsgen.ops.model.quantize import Quantize
from hlsgen.sim.batch import samples_of
from hlsgen.sim.layers import Evaluation, Layer, Settle
from hlsgen.sim.parts import ends_layer, last_layers, part_of, variable
from hlsgen.sim.pointwise import Pointwise
from hlsgen.sim.precision import DOUBLE, SINGLE
from hlsgen.sim.real import Real
from hlsgen.sim.reference import RUNTIME, Reference
from hlsgen.sim.replay import replayed

Array = NDArray[Any]
_RATE_SAMPLES = 4  # on so many samples the expected number of mismatches is estimated
# Multiples of the root of a sum's squared roundings (design/staircases.md 6.3): beyond any that was
# seen of sums that do not conspire, and twice what is typical.
_LIKELY, _TYPICAL = 8.0, 0.7


@dataclass(frozen=True, eq=False)
class Exact:
    """Codes of every layer and the outputs, in exact arithmetic from the network inputs."""

    codes: Mapping[str, Array]
    outputs: Mapping[str, Real]


def exact_layers(model: Model, inputs: Mapping[str, Array]) -> Exact:
    """Evaluates in float64; what that cannot decide is decided in rational arithmetic."""
    codes: dict[str, Array] = {}
    known: dict[str, Array] = dict(inputs)
    pointwise = Pointwise(model, known)

    def settle(layer: Layer) -> Array:
        code = layer.code
        unsure = np.argwhere(layer.low != layer.high)
        if len(unsure):
            code = np.array(code)
            for place in unsure.tolist():
                sample, *rest = place
                code[tuple(place)] = pointwise.code(layer.node, sample, tuple(rest))
        known[layer.name] = codes[layer.name] = code
        return code

    with np.errstate(all="ignore"):
        values = Evaluation(model, DOUBLE, settle).run(inputs)
    return Exact(codes, {name: values[name] for name in model.outputs})


@dataclass(frozen=True, eq=False)
class LayerReport:
    """What became of one tensor's codes; `first_wrong` is (sample, index, exact, reference)."""

    tensor: str
    loc: Loc
    elements: int
    differing: int
    explained: int
    first_wrong: tuple[int, tuple[int, ...], float, float] | None = None

    @property
    def wrong(self) -> int:
        return self.differing - self.explained


@dataclass(frozen=True, eq=False)
class Explanation:
    """Layers with differing codes, and the samples in which one differs beyond float32 (`bad`)."""

    layers: tuple[LayerReport, ...]
    bad: Mapping[int, LayerReport]
    warnings: tuple[str, ...] = ()


@dataclass(eq=False)
class Explainer:
    """Judges the codes of `reference`, computed from `inputs`, by exact arithmetic."""

    model: Model
    inputs: Mapping[str, Array]
    reference: Reference
    exact: Exact

    def __post_init__(self) -> None:
        values = self.reference.values
        self.count = next(iter(self.inputs.values())).shape[0]
        self.targets = [
            node
            for node in self.model.nodes
            if ends_layer(self.model, node) and node.output in values
        ]
        codes = {node.output: values[node.output].astype(np.float64) for node in self.targets}
        self.known: dict[str, Array] = {**self.inputs, **codes}
        self.off = {name: self._differs(name) for name in codes}
        self.changing = variable(self.model)

    def _differs(self, name: str) -> NDArray[np.bool_]:
        """In which samples a layer's codes are not the exact ones."""
        have, want = self.known[name], self.exact.codes[name]
        differs = (have != want).reshape(max(len(have), len(want)), -1).any(axis=1)
        return np.broadcast_to(differs, (self.count,)) if len(differs) == 1 else differs

    def evaluate(
        self, nodes: Sequence[Node[ModelOp]], samples: Array, settle: Settle, *, likely: float,
        known: Mapping[str, Array] | None = None, keep: frozenset[str] | None = None,
    ) -> dict[str, Real]:  # fmt: skip
        """Some nodes in the file's own types with their error bound, from the reference's codes."""
        read = {name for node in nodes for name in node.inputs}
        known = self.known if known is None else known
        start = samples_of({n: v for n, v in known.items() if n in read}, samples)
        runtime = self.reference.engine == RUNTIME
        with np.errstate(all="ignore"):
            evaluation = Evaluation(self.model, SINGLE, settle, likely, runtime)
            return evaluation.run(start, nodes, keep)

    # -- layers -------------------------------------------------------------------------------

    def layers(self) -> Explanation:
        """Every layer on the samples in which its codes, or those it starts from, differ."""
        reports: list[LayerReport] = []
        warnings: list[str] = []
        bad: dict[int, LayerReport] = {}
        for node in self.targets:
            others = self.known.keys() - {node.output}
            nodes, sources = part_of(self.model, node.outputs, others)
            touched = [self.off[n] for n in (node.output, *sources) if n in self.off]
            samples = np.flatnonzero(np.logical_or.reduce(touched))
            if node.output not in self.changing:
                samples = samples[:1]
            if not samples.size:
                continue
            found = _LayerCheck(self, nodes, samples)
            if found.differing:
                report = found.report()
                reports.append(report)
                warnings += found.rate()
                spoilt = found.wrong_samples().tolist()
                if spoilt and node.output not in self.changing:
                    spoilt = range(self.count)
                bad |= {sample: bad.get(sample, report) for sample in spoilt}
        return Explanation(tuple(reports), bad, tuple(warnings))

    # -- outputs ------------------------------------------------------------------------------

    def possible(
        self, wanted: Mapping[str, Array], doubtful: Mapping[str, Array]
    ) -> tuple[dict[str, Array], int]:
        """Which doubtful elements of the outputs float32 may have come to.

        It starts from the reference's codes of every layer; else the last layers are what float32
        may make of them; else (what another machine computed) all layers are, and the element may
        lie twice as far from the reference's as that lies from exact arithmetic anywhere. The
        second result is how many elements needed that.
        """
        result = {name: np.zeros(want.shape, bool) for name, want in wanted.items()}
        dropped = (frozenset[str](), last_layers(self.model), frozenset(self.exact.codes))
        far = 0
        for stage, names in enumerate(dropped):
            rest = [(doubtful[n] & ~result[n]).reshape(self.count, -1) for n in wanted]
            samples = np.flatnonzero(np.logical_or.reduce([r.any(axis=1) for r in rest]))
            if not samples.size:
                break
            for name, y in self._outputs(samples, names, likely=_LIKELY if stage else 0.0).items():
                fits = _within(wanted[name][samples], y)
                if stage == 2:
                    fits &= self._near(name, wanted[name])[samples]
                    far += int((fits & doubtful[name][samples] & ~result[name][samples]).sum())
                result[name][samples] |= fits
        return result, far

    def _near(self, name: str, want: Array) -> Array:
        """Not farther from the reference than its own errors have been seen to reach, twice."""
        own = self.reference.values[name].astype(np.float64)
        seen = float(np.abs(own - self.exact.outputs[name].value).max(initial=0))
        return np.abs(want - own) <= 2 * seen

    def _outputs(
        self, samples: Array, dropped: frozenset[str], *, likely: float
    ) -> dict[str, Real]:
        known = {n: v for n, v in self.known.items() if n not in dropped}
        ready = {n: Real.exact(known[n][samples]) for n in self.model.outputs if n in known}
        names = frozenset(self.model.outputs) - ready.keys()
        nodes, _ = part_of(self.model, names, known)
        found = self.evaluate(
            nodes, samples, lambda _: None, likely=likely, known=known, keep=names
        )
        return ready | {n: found[n] for n in names}


def _within(want: Array, y: Real) -> Array:
    with np.errstate(invalid="ignore"):
        return (np.abs(want - y.value) <= y.error + 1e-30) | np.isinf(y.error)


class _LayerCheck:
    """One layer: its nodes from the codes before it, on some samples."""

    def __init__(self, whole: Explainer, nodes: Sequence[Node[ModelOp]], samples: Array) -> None:
        self.whole, self.nodes, self.samples = whole, nodes, samples
        self.name = nodes[-1].output
        want = whole.known[self.name]
        self.want = want if want.shape[0] == 1 else want[samples]
        layer = self._layer(samples, likely=0.0)
        self.code = np.broadcast_to(layer.code, self.want.shape)
        places = np.argwhere(self.want != self.code)
        self.places, self.differing = places, len(places)
        if self.differing:
            spots = tuple(places.T)
            self.proven = np.broadcast_to(layer.admits(self.want), self.want.shape)[spots]
            self.before = layer.before
            self.explained = self.proven & self._likely()
            self._replay()

    def _layer(self, samples: Array, *, likely: float) -> Layer:
        caught: list[Layer] = []

        def settle(layer: Layer) -> None:
            if layer.name == self.name:
                caught.append(layer)

        self.whole.evaluate(self.nodes, samples, settle, likely=likely)
        return caught[0]

    def _likely(self) -> NDArray[np.bool_]:
        chosen = np.unique(self.places[:, 0])
        layer = self._layer(self.samples[chosen], likely=_LIKELY)
        want = self.want[chosen]
        inside = np.broadcast_to(layer.admits(want), want.shape)
        row = np.searchsorted(chosen, self.places[:, 0])
        return inside[(row, *self.places[:, 1:].T)]

    def _replay(self) -> None:
        """Inside the proven bound but not the likely one: some order has to give the code."""
        rest = np.flatnonzero(self.proven & ~self.explained)
        if rest.size:
            places = self.places[rest]
            read = {name for node in self.nodes for name in node.inputs}
            known = {n: v for n, v in self.whole.known.items() if n in read}
            known = samples_of(known, self.samples)
            wanted = self.want[tuple(places.T)]
            self.explained[rest] = replayed(self.whole.model, self.nodes, known, places, wanted)

    def wrong_samples(self) -> Array:
        return self.samples[np.unique(self.places[~self.explained][:, 0])]

    def report(self) -> LayerReport:
        first = None
        wrong = np.flatnonzero(~self.explained)
        if wrong.size:
            spot = tuple(self.places[wrong[0]])
            sample, *place = (int(v) for v in spot)
            codes = float(self.code[spot]), float(self.want[spot])
            first = (int(self.samples[sample]), tuple(place), *codes)
        size = int(np.prod(self.want.shape[1:])) * self.whole.known[self.name].shape[0]
        explained = int(self.explained.sum())
        return LayerReport(self.name, self.nodes[-1].loc, size, self.differing, explained, first)

    def rate(self) -> list[str]:
        """A warning where far more codes differ than rounding errors of this size bring about."""
        before = self.before
        if before is None or self.differing <= 10 or self.name not in self.whole.changing:
            return []
        v = np.broadcast_to(before.value, self.want.shape)[tuple(self.places.T)]
        distance = np.abs(np.abs(v - np.rint(v)) - 0.5)
        seen = int((distance > 1e-9 * np.maximum(1, np.abs(v))).sum())  # exact ties are no accident
        count = self.whole.count
        samples = np.arange(min(count, _RATE_SAMPLES), dtype=np.int64)
        layer = self._layer(samples, likely=_TYPICAL)
        assert layer.before is not None
        op = self.nodes[-1].op
        assert isinstance(op, Quantize)
        live = (layer.code > op.qmin) & (layer.code < op.qmax)
        error = np.where(live, layer.before.error, 0).sum()
        mean = 0.5 * float(error) * count / len(samples)
        if seen <= mean + 6 * mean**0.5 + 10:
            return []
        return [
            f"{self.nodes[-1].loc}: {seen} codes differ where {mean:.0f} were expected of float32"
        ]
