"""What verification says: one verdict an engine, in numbers, with the first wrong element."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hlsgen.sim.explain import LayerReport


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
    """What became of an engine's output elements: equal + explained + approximated + wrong.

    An approximated element is not the exact network's, by what the user allowed it to differ.
    An element is wrong if it differs without explanation, or if anything that the same sample
    went through is wrong.
    """

    elements: int = 0
    equal: int = 0
    explained: int = 0
    wrong: int = 0
    first_wrong: Wrong | None = None
    approximated: int = 0

    def __add__(self, other: Verdict) -> Verdict:
        return Verdict(
            self.elements + other.elements,
            self.equal + other.equal,
            self.explained + other.explained,
            self.wrong + other.wrong,
            self.first_wrong or other.first_wrong,
            self.approximated + other.approximated,
        )

    def to_json(self) -> dict[str, Any]:
        first = None if self.first_wrong is None else self.first_wrong.to_json()
        counts = {
            "elements": self.elements,
            "equal": self.equal,
            "explained": self.explained,
            "wrong": self.wrong,
        }
        if self.approximated:
            counts["approximated"] = self.approximated
        return counts | {"first_wrong": first}


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


def merged(
    known: tuple[LayerReport, ...], more: tuple[LayerReport, ...]
) -> tuple[LayerReport, ...]:
    """The reports of two sets of samples as one."""
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
