"""The additive problem that the drivers solve: one choice a unit, least damage within limits."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

from hlsgen.errors import OptionError

Numbers = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, eq=False)
class Choices:
    """Units with choices; the damage and the costs of a whole are sums over its units.

    Units with the same entry in `families` are tied: their choices must have equal `tags`, as
    layers that share an adder must have one format.
    Shapes: damage, each of costs, and tags have a row a unit and a column a choice of it.
    """

    damage: Numbers
    costs: Mapping[str, Numbers]
    families: tuple[Hashable, ...]
    tags: tuple[tuple[Hashable, ...], ...]

    def total(self, picked: Sequence[int], name: str = "") -> float:
        """The damage of a whole, or its cost of that name."""
        rows = self.costs[name] if name else self.damage
        return sum(row[c] for row, c in zip(rows, picked, strict=True))

    def allowed(self, picked: Sequence[int]) -> bool:
        """Whether tied units agree."""
        found: dict[Hashable, Hashable] = {}
        pairs = zip(self.families, self.tags, picked, strict=True)
        return all(found.setdefault(family, tags[c]) == tags[c] for family, tags, c in pairs)

    def members(self) -> dict[Hashable, list[int]]:
        """The units of each family."""
        found: dict[Hashable, list[int]] = {}
        for unit, family in enumerate(self.families):
            found.setdefault(family, []).append(unit)
        return found

    def cheapest(self, name: str) -> tuple[int, ...]:
        """The whole of least cost.

        Errors: OptionError where tied units have no tag in common.
        """
        rows = self.costs[name]
        picked = [0] * len(rows)
        for units in self.members().values():
            wholes = [
                [min(self.tagged(u, tag), key=lambda c, u=u: rows[u][c]) for u in units]
                for tag in self.common(units)
            ]
            best = min(wholes, key=lambda w: sum(rows[u][c] for u, c in zip(units, w, strict=True)))
            for u, c in zip(units, best, strict=True):
                picked[u] = c
        return tuple(picked)

    def common(self, units: Sequence[int]) -> list[Hashable]:
        """The tags that all these units have.

        Errors: OptionError where there is none.
        """
        first, *others = (self.tags[u] for u in units)
        found = [t for t in dict.fromkeys(first) if all(t in tags for tags in others)]
        if not found:
            raise OptionError("layers that share a format have no choice in common")
        return found

    def tagged(self, unit: int, tag: Hashable) -> list[int]:
        """The choices of a unit that have this tag."""
        return [c for c, t in enumerate(self.tags[unit]) if t == tag]
