"""The least damage within limits, by integer linear programming (HAWQ-V3) with HiGHS."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize
from scipy.sparse import csr_array

from hlsgen.explore.choices import Choices

_HIGHS: Any = optimize  # its types are not stated
_SLACK = 1e-9  # of a limit, for sums in another order


def least_damage(choices: Choices, limits: Mapping[str, float]) -> tuple[int, ...] | None:
    """One choice a unit: the least damage whose costs keep to the limits; None where none does.

    A variable x_uc in {0, 1} a choice: sum_c x_uc = 1; sum x_uc cost_uc <= limit; for tied units u
    and v and each tag, the x of the choices with this tag have equal sums.
    Source: Yao 2021 (HAWQ-V3, 2011.10680), section 3.
    """
    starts = np.cumsum([0, *(len(row) for row in choices.damage)])
    rows = [*_ones(starts), *_ties(choices, starts)]
    wanted = [1.0] * (len(starts) - 1) + [0.0] * (len(rows) - len(starts) + 1)
    constraints = [_HIGHS.LinearConstraint(_matrix(rows, int(starts[-1])), wanted, wanted)]
    for name, limit in limits.items():
        cost = np.concatenate([np.asarray(row, float) for row in choices.costs[name]])
        unit = max(float(np.abs(cost).max()), 1e-300)
        most = (limit + _SLACK * abs(limit)) / unit
        constraints.append(_HIGHS.LinearConstraint((cost / unit)[None], -np.inf, most))
    damage = np.concatenate([np.asarray(row, float) for row in choices.damage])
    found = _HIGHS.milp(
        damage / max(float(np.abs(damage).max()), 1e-300),
        integrality=np.ones(len(damage)),
        bounds=_HIGHS.Bounds(0, 1),
        constraints=constraints,
        options={"mip_rel_gap": 0.0},
    )
    if found.x is None:
        return None
    parts = np.split(np.asarray(found.x), starts[1:-1])
    return tuple(int(part.argmax()) for part in parts)


Row = Mapping[int, float]


def _ones(starts: NDArray[Any]) -> list[Row]:
    pairs = zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)
    return [dict.fromkeys(range(first, last), 1.0) for first, last in pairs]


def _ties(choices: Choices, starts: NDArray[Any]) -> list[Row]:
    """Of each family, every unit beside the first."""
    found: list[Row] = []
    for units in choices.members().values():
        for unit in units[1:]:
            tags: set[Hashable] = {*choices.tags[units[0]], *choices.tags[unit]}
            for tag in sorted(tags, key=str):
                one = {int(starts[units[0]]) + c: 1.0 for c in choices.tagged(units[0], tag)}
                two = {int(starts[unit]) + c: -1.0 for c in choices.tagged(unit, tag)}
                found.append(one | two)
    return found


def _matrix(rows: list[Row], width: int) -> Any:
    entries = [(r, c, v) for r, row in enumerate(rows) for c, v in row.items()]
    at, to, values = zip(*entries, strict=True)
    return csr_array((values, (at, to)), shape=(len(rows), width))
