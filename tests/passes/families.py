"""Collections of typical exports, and what is tested of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.passes import agree
from tests.passes.sketch import Sketch

Family = Callable[[], Sketch]


@dataclass
class Families:
    """A decorator that collects what it decorates."""

    members: list[Family] = field(default_factory=list[Family])

    def __call__(self, make: Family) -> Family:
        self.members.append(make)
        return make


def lowers_exactly(make: Family, folder: Path) -> None:
    """Every integer and every output of every sample is the oracle's."""
    g = make()
    verdict = agree.check(agree.read(g.proto(), folder), g.samples)
    assert not verdict.wrong
    assert verdict.compared == len(next(iter(g.samples.values())))
