"""What may be chosen in a network, and one choice of all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.errors import OptionError
from hlsgen.quantise.graph import FloatGraph
from hlsgen.quantise.places import places
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.scheme import Precision, Scales, Scheme

Format = WeightFormat | int  # of weights; of activations, their bits
T = TypeVar("T")

# What adds its operands, or puts them side by side: one format for all of them.
_SHARED = frozenset({"Add", "Sub", "Sum", "Mean", "Min", "Max", "Concat"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Format of weights and kind of scales of each layer, bits of each group of activations.

    Shapes: as the layers and groups of the space that it is of.
    """

    weights: tuple[WeightFormat, ...]
    activations: tuple[int, ...]
    scales: tuple[Scales, ...]

    @property
    def key(self) -> str:
        """One text for each candidate of a space: W4.3.6K2A6.5 free."""
        kinds = dict.fromkeys(self.scales)
        spelled = next(iter(kinds)) if len(kinds) == 1 else ".".join(self.scales)
        w, a = (".".join(map(str, own)) for own in (self.weights, self.activations))
        return f"W{w}A{a} {spelled}"

    def with_format(self, at: int, other: Format) -> Candidate:
        """Another format for one layer's weights or, counted on, for one group."""
        match other:
            case WeightFormat():
                return replace(self, weights=_put(self.weights, at, other))
            case int():
                place = at - len(self.weights)
                return replace(self, activations=_put(self.activations, place, other))

    @property
    def formats(self) -> tuple[Format, ...]:
        """Those of the weights, then those of the groups."""
        return self.weights + self.activations

    def to_json(self) -> dict[str, Any]:
        """Its fields; weights are bits, or "6K2"."""
        weights = [own.spelled for own in self.weights]
        return {"weights": weights, "activations": self.activations, "scales": self.scales}


def _put(values: tuple[T, ...], at: int, value: T) -> tuple[T, ...]:
    return (*values[:at], value, *values[at + 1 :])


@dataclass(frozen=True, slots=True)
class Space:
    """Layers and groups of places that share one format, and what each may be.

    `reads` is the group that each layer reads, `makes` the one that it makes (None where the host
    reads its sums). Formats rise: those of weights by how many codes they have, where that is equal
    by bits. Where a kind of scale is not free, activations have powers of two.
    """

    layers: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    reads: tuple[int, ...]
    makes: tuple[int | None, ...]
    weights: tuple[WeightFormat, ...]
    activations: tuple[int, ...]
    scales: tuple[Scales, ...]

    def uniform(self, weights: WeightFormat, activations: int, kind: Scales) -> Candidate:
        """The same for every place."""
        count = len(self.layers)
        return Candidate((weights,) * count, (activations,) * len(self.groups), (kind,) * count)

    def holds(self, candidate: Candidate) -> bool:
        """Whether it could be chosen here."""
        fits = all(own in self.formats(at) for at, own in enumerate(candidate.formats))
        return fits and {*candidate.scales} <= {*self.scales}

    def formats(self, at: int) -> tuple[Format, ...]:
        """What may stand at this place of `Candidate.formats`."""
        return self.weights if at < len(self.layers) else self.activations

    def scheme(self, candidate: Candidate, base: Scheme) -> Scheme:
        """The scheme that quantises the network so."""
        found: dict[str, Precision] = {}
        others = Scales.FREE if Scales.FREE in candidate.scales else Scales.PO2
        for names, bits in zip(self.groups, candidate.activations, strict=True):
            found |= {name: Precision(None, bits, others) for name in names}
        for name, w, kind in zip(self.layers, candidate.weights, candidate.scales, strict=True):
            own = found.get(name, Precision())
            found[name] = Precision(w, own.activations, kind)
        return replace(base, layers=tuple(sorted(found.items())))


def space_of(
    graph: FloatGraph,
    weights: tuple[WeightFormat, ...],
    activations: tuple[int, ...],
    scales: tuple[Scales, ...],
) -> Space:
    """The space of a graph; formats of the same codes, as 4 and 4K2, are one.

    Errors: OptionError for formats that cannot be, or where none are given.
    """
    for own in weights:
        Scheme(weights=own)
    for bits in activations:
        Scheme(activations=bits)
    if not weights or not activations or not scales:
        raise OptionError("nothing to choose from: give --weights, --activations and --scales")
    found = [p for p in places(graph) if p.rounds]
    group = _groups(graph, [p.value for p in found])
    roots = list(dict.fromkeys(group.values()))
    groups = tuple(tuple(p.name for p in found if group[p.value] == root) for root in roots)
    roles = Roles(graph)
    reads = tuple(roots.index(group[roles.source(s.inputs[0])]) for s in graph.layers)
    behind = [roles.quantiser_behind(s.output) for s in graph.layers]
    return Space(
        tuple(s.loc.name for s in graph.layers),
        groups,
        reads,
        tuple(None if name is None else roots.index(group[name]) for name in behind),
        tuple(sorted({w.widened for w in weights}, key=lambda w: (w.count, w.bits))),
        tuple(sorted({*activations})),
        tuple(dict.fromkeys(scales)),
    )


def _groups(graph: FloatGraph, values: list[str]) -> dict[str, str]:
    """Each rounded value to the first of those that it shares an adder with."""
    root = {name: name for name in values}
    roles = Roles(graph)
    for step in graph.steps:
        if step.op not in _SHARED or step.is_layer:
            continue
        tied = [n for n in map(roles.source, graph.data(step)) if n in root]
        for name in tied[1:]:
            old, new = root[name], root[tied[0]]
            root = {n: new if r == old else r for n, r in root.items()}
    return root
