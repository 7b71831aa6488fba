"""What may be chosen in a network, and one choice of all of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hlsgen.errors import OptionError
from hlsgen.quantise.graph import FloatGraph
from hlsgen.quantise.places import places
from hlsgen.quantise.roles import Roles
from hlsgen.quantise.scheme import Precision, Scales, Scheme

# What adds its operands, or puts them side by side: one format for all of them.
_SHARED = frozenset({"Add", "Sub", "Sum", "Mean", "Min", "Max", "Concat"})


@dataclass(frozen=True, slots=True)
class Candidate:
    """Bits of the weights and kind of the scales of each layer, bits of each group of activations.

    Shapes: as the layers and groups of the space that it is of.
    """

    weights: tuple[int, ...]
    activations: tuple[int, ...]
    scales: tuple[Scales, ...]

    @property
    def key(self) -> str:
        """One text for each candidate of a space: W4.3.4A6.5 free."""
        kinds = dict.fromkeys(self.scales)
        spelled = next(iter(kinds)) if len(kinds) == 1 else ".".join(self.scales)
        w, a = (".".join(map(str, bits)) for bits in (self.weights, self.activations))
        return f"W{w}A{a} {spelled}"

    def with_bits(self, at: int, bits: int) -> Candidate:
        """Another number of bits for one layer's weights or, counted on, for one group."""
        count = len(self.weights)
        if at < count:
            return replace(self, weights=_put(self.weights, at, bits))
        return replace(self, activations=_put(self.activations, at - count, bits))

    @property
    def bits(self) -> tuple[int, ...]:
        """Those of the weights, then those of the groups."""
        return self.weights + self.activations


def _put(values: tuple[int, ...], at: int, value: int) -> tuple[int, ...]:
    return (*values[:at], value, *values[at + 1 :])


@dataclass(frozen=True, slots=True)
class Space:
    """Layers and groups of places that share one format, and what each may be.

    `reads` is the group that each layer reads, `makes` the one that it makes (None where the host
    reads its sums). Widths rise. Where a kind of scale is not free, activations have powers of two.
    """

    layers: tuple[str, ...]
    groups: tuple[tuple[str, ...], ...]
    reads: tuple[int, ...]
    makes: tuple[int | None, ...]
    weights: tuple[int, ...]
    activations: tuple[int, ...]
    scales: tuple[Scales, ...]

    def uniform(self, weights: int, activations: int, kind: Scales) -> Candidate:
        """The same for every place."""
        count = len(self.layers)
        return Candidate((weights,) * count, (activations,) * len(self.groups), (kind,) * count)

    def holds(self, candidate: Candidate) -> bool:
        """Whether it could be chosen here."""
        fits = all(b in self.widths(at) for at, b in enumerate(candidate.bits))
        return fits and {*candidate.scales} <= {*self.scales}

    def widths(self, at: int) -> tuple[int, ...]:
        """What the bits at this place of `Candidate.bits` may be."""
        return self.weights if at < len(self.layers) else self.activations

    def names(self, at: int) -> tuple[str, ...]:
        """The places whose bits stand at this place of `Candidate.bits`."""
        count = len(self.layers)
        return (self.layers[at],) if at < count else self.groups[at - count]

    def scheme(self, candidate: Candidate, base: Scheme) -> Scheme:
        """The scheme that quantises the network so."""
        found: dict[str, Precision] = {}
        others = Scales.FREE if Scales.FREE in candidate.scales else Scales.PO2
        for names, bits in zip(self.groups, candidate.activations, strict=True):
            found |= {name: Precision(None, bits, others) for name in names}
        for name, bits, kind in zip(self.layers, candidate.weights, candidate.scales, strict=True):
            own = found.get(name, Precision())
            found[name] = Precision(bits, own.activations, kind)
        return replace(base, layers=tuple(sorted(found.items())))


def space_of(
    graph: FloatGraph,
    weights: tuple[int, ...],
    activations: tuple[int, ...],
    scales: tuple[Scales, ...],
) -> Space:
    """The space of a graph.

    Errors: OptionError for widths that cannot be, or where none are given.
    """
    for bits in weights:
        Scheme(weights=bits)
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
        tuple(sorted({*weights})),
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
