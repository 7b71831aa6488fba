"""One choice for each operator, all of them together within limits: integer programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, sparse

from hlsgen.fold.candidates import Candidates

Vector = NDArray[np.float64]
Matrix = Any  # scipy's sparse arrays have no types to speak of

_NODES = 5000  # of a search tree: a count ends a search the same way on every machine, a clock not
_FEASIBLE, _NODE_LIMIT = 0, 1  # scipy's statuses


@dataclass(frozen=True, eq=False)
class Picked:
    """The place of the choice of each operator, and what they take together."""

    places: tuple[int, ...]
    use: Vector


def pick(layers: Sequence[Candidates], limits: Vector, prices: Vector, gap: float) -> Picked | None:
    """The cheapest choices within the limits; None where there are none.

    `prices` are those of one part of each kind. The result costs at most `gap` of it more than the
    least, unless the search for it is long.
    Shapes: limits, prices (kinds).
    """
    if not _complete(layers) or (limits < 0).any():
        return None
    use = _stacked(layers)
    has = limits > 0
    shares = use / np.where(has, limits, 1.0)  # rows of like size keep the solver exact
    constraints = [
        (_rows(layers), np.ones(len(layers)), np.ones(len(layers))),
        (_sparse(shares.T), -np.inf, has.astype(float)),
    ]
    found = _solved(use @ prices, np.ones(len(use)), constraints, gap)
    return None if found is None else _picked(layers, found)


def least_excess(layers: Sequence[Candidates], fixed: Vector, limits: Vector) -> Vector | None:
    """What choices take that exceed the limits by the least factor, `fixed` included.

    None where some operator has no choice, or a kind of which there is nothing is needed.
    """
    if not _complete(layers):
        return None
    use, has = _stacked(layers), limits > 0
    with_factor = np.column_stack([use[:, has].T / limits[has, None], -np.ones(int(has.sum()))])
    missing = np.column_stack([use[:, ~has].T, np.zeros(int((~has).sum()))])
    one = np.ones(len(layers))
    constraints: list[tuple[Matrix, Any, Any]] = [
        (_sparse(np.column_stack([_rows(layers).toarray(), np.zeros(len(layers))])), one, one),
        (_sparse(with_factor), -np.inf, -fixed[has] / limits[has]),
        (_sparse(missing), -np.inf, np.zeros(len(missing))),
    ]
    price = np.append(np.zeros(len(use)), 1.0)
    found = _solved(price, np.append(np.ones(len(use)), 0.0), constraints, 1e-4)
    return None if found is None else _picked(layers, found[:-1]).use + fixed


def _complete(layers: Sequence[Candidates]) -> bool:
    """Whether every operator has a choice."""
    return all(len(layer.choices) for layer in layers)


def _stacked(layers: Sequence[Candidates]) -> Vector:
    """The use of all choices below each other."""
    return np.concatenate([layer.use for layer in layers])


def _rows(layers: Sequence[Candidates]) -> Matrix:
    """A row for each operator that counts its choices."""
    owner = np.repeat(np.arange(len(layers)), [len(layer.choices) for layer in layers])
    return _sparse((owner == np.arange(len(layers))[:, None]).astype(float))


def _sparse(dense: Vector) -> Matrix:
    return sparse.csr_array(dense)


def _solved(
    price: Vector, whole: Vector, constraints: Sequence[tuple[Matrix, Any, Any]], gap: float
) -> Vector | None:
    """The values of the variables; those marked `whole` are 0 or 1, others 0 at least."""
    solver: Any = optimize
    found = solver.milp(
        price,
        integrality=whole,
        bounds=solver.Bounds(np.zeros(len(price)), np.where(whole > 0, 1.0, np.inf)),
        constraints=[solver.LinearConstraint(*each) for each in constraints],
        options={"mip_rel_gap": gap, "node_limit": _NODES},
    )
    if found.x is None or found.status not in (_FEASIBLE, _NODE_LIMIT):
        return None
    return np.asarray(found.x, np.float64)


def _picked(layers: Sequence[Candidates], values: Vector) -> Picked:
    ends = np.cumsum([len(layer.choices) for layer in layers])[:-1]
    places = tuple(int(part.argmax()) for part in np.split(values, ends))
    use = np.sum([layer.use[k] for layer, k in zip(layers, places, strict=True)], axis=0)
    return Picked(places, use)
