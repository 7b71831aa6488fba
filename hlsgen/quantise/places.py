"""Where values are rounded, under the names that options and tables call these places."""

from __future__ import annotations

from dataclasses import dataclass

from hlsgen.errors import Loc, OptionError
from hlsgen.quantise.graph import FloatGraph, Step
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.scheme import Scales, Scheme


@dataclass(frozen=True, eq=False)
class Place:
    """A network input, a layer, a sum, a pool: weights that become codes, a value that does.

    A layer's value is the one behind its chain of functions. `layer` is None where there are no
    weights, `rounds` False where the host reads the sums of a layer whole.
    """

    value: str
    layer: Step | None
    step: Step | None
    rounds: bool

    @property
    def name(self) -> str:
        """The ONNX node, or the network input."""
        step = self.layer or self.step
        return step.loc.name if step else self.value


def places(graph: FloatGraph) -> tuple[Place, ...]:
    """All places of a graph, in order of evaluation."""
    roles = Roles(graph)
    rounded = set(roles.quantised())
    owner = {(roles.quantiser_behind(s.output) or s.output): s for s in graph.layers}
    found = [Place(name, None, None, name in rounded) for name in graph.inputs]
    for step in graph.steps:
        for name in step.outputs:
            if name in owner or name in rounded:
                found.append(Place(name, owner.get(name), step, name in rounded))
    return tuple(found)


def check_places(graph: FloatGraph, scheme: Scheme) -> None:
    """Whether every place that a scheme names is there and can be as it says.

    Errors: OptionError naming the place and what could be named instead.
    """
    known = places(graph)
    for name, wanted in scheme.layers:
        found = [p for p in known if p.name == name]
        if not found:
            names = ", ".join(p.name for p in known)
            raise OptionError(f"--layer {name}={wanted}: no such layer; there are {names}")
        for place in found:
            if wanted.weights is not None and place.layer is None:
                raise OptionError(f"--layer {name}={wanted}: it has no weights; leave W out")
            if wanted.activations is not None and not place.rounds:
                raise OptionError(
                    f"--layer {name}={wanted}: the host reads its sums whole; leave A out"
                )
    _check_khot(graph, scheme, known)


def _check_khot(graph: FloatGraph, scheme: Scheme, known: tuple[Place, ...]) -> None:
    """K-hot weights need powers of two on both sides, so that float32 holds every scale."""
    if not scheme.layers:
        return
    roles = Roles(graph)
    by_value = {place.value: place for place in known}
    for place in known:
        if place.layer is None or scheme.at(place.name).scales is not Scales.KHOT:
            continue
        before = by_value[roles.source(place.layer.inputs[0])]
        if scheme.at(before.name).scales is Scales.FREE:
            raise OptionError(
                f"scales of '{place.name}' are khot, those of '{before.name}' that it reads free: "
                "give that one po2 or khot",
                Loc(graph.file),
            )
