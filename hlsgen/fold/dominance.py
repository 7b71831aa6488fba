"""Which points no other one beats."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def undominated(points: NDArray[np.float64]) -> NDArray[np.intp]:
    """Rows that no other row equals or undercuts in every column; the first of equals.

    Shapes: points (n, k) to their places in rising order.
    """
    if not len(points):
        return np.zeros(0, np.intp)
    order = np.lexsort(points.T[::-1])  # by the first column, then the second, ...
    rows = points[order]
    # What beats a row stands before it in this order; so each row is held against those kept.
    kept = np.zeros(0, np.intp)
    alive = np.ones(len(rows), bool)
    for k in range(len(rows)):
        if alive[k]:
            kept = np.append(kept, order[k])
            later = alive[k + 1 :]
            later &= (rows[k + 1 :] < rows[k]).any(axis=1)
    return np.sort(kept)
