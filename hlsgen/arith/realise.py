"""Choice of the cheapest hardware form of a staircase, and its proof."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.arith.slope import fit_affine
from hlsgen.arith.staircase import (
    Affine,
    EstimateCorrect,
    Realisation,
    Search,
    Table,
    Thresholds,
    TwoSlope,
    Wrapped,
)
from hlsgen.arith.steps import IntArray, Stack, Steps
from hlsgen.arith.unwrap import lines_of, wrapped
from hlsgen.errors import OptionError

MAX_COMPARATORS = 64
MAX_TABLE_CODES = 1 << 20
MAX_ESTIMATE_CODES = 1 << 12
MAX_SEARCH_STEPS = 1 << 10


class RealisationError(AssertionError):
    """A realisation differs from its staircase: a fault of hlsgen, never of the model."""


def realise(
    rows: Sequence[Steps], in_format: IntFormat, out_format: IntFormat, prefer: str = "auto"
) -> Realisation:
    """The cheapest form that computes every row exactly; `prefer` names a form to take if it can.

    Errors: OptionError for a form that does not exist.
    """
    if prefer not in ("auto", *FORMS):
        raise OptionError(f"staircase form {prefer!r} is not one of auto, {', '.join(FORMS)}")
    for row in rows:
        if not (in_format.lo <= row.lo and row.hi <= in_format.hi):
            raise ValueError(f"range [{row.lo}, {row.hi}] does not fit {in_format}")
        if not (out_format.lo <= row.min_code and row.max_code <= out_format.hi):
            raise ValueError(f"codes do not fit {out_format}")
    wanted = FORMS[prefer](rows) if prefer != "auto" else None
    chosen = _cheapest(rows) if wanted is None else wanted
    prove(rows, chosen)
    return chosen


def affine(rows: Sequence[Steps]) -> Affine | None:
    """A multiply-add-shift for all rows, or None."""
    return fit_affine(rows, *_code_range(rows))


def thresholds(rows: Sequence[Steps]) -> Thresholds | None:
    """A comparator for each step, or None where there are too many."""
    return Thresholds.of(rows) if max(row.t.size for row in rows) <= MAX_COMPARATORS else None


def table(rows: Sequence[Steps]) -> Table | None:
    """A ROM of all codes, or None where it is too large."""
    words = max(row.hi for row in rows) - min(row.lo for row in rows) + 1
    return Table.of(rows) if words * len(rows) <= MAX_TABLE_CODES else None


def estimate_correct(rows: Sequence[Steps]) -> EstimateCorrect | None:
    """A narrow multiply-add-shift and one comparison, or None; rows must not fall."""
    qlo, qhi = _code_range(rows)
    if qhi - qlo > MAX_ESTIMATE_CODES or any(row.monotone < 1 for row in rows):
        return None
    estimate = fit_affine(rows, qlo, qhi, early=1)
    if estimate is None:
        return None
    stack = Stack.of(rows)
    limits = np.empty((len(rows), qhi - qlo + 1), stack.t.dtype)
    ends = np.concatenate((stack.lo[:, None], stack.t, stack.hi[:, None] + 1), axis=1)
    for r, codes in enumerate(stack.codes):
        # the first n with c(n) > k follows the last step that reaches no more than k
        limits[r] = ends[r, np.searchsorted(codes, np.arange(qlo, qhi + 1), side="right")]
    return EstimateCorrect(estimate, limits)


def two_slope(rows: Sequence[Steps]) -> TwoSlope | None:
    """Two multiply-add-shifts, below and above a code z common to all rows, or None.

    A side that fits up to some code fits up to every smaller one, so each row allows an interval
    of z. Rows that fail at the z tried narrow it until all fit or nothing is left.
    """
    if any(row.monotone == 0 for row in rows):
        return None
    qlo, qhi = _code_range(rows)
    low, high = qlo, qhi
    failing: Steps | None = max(rows, key=lambda row: row.t.size)
    while failing is not None:
        low, high = _turns([failing], qlo, qhi, low, high)
        if low > high:
            return None
        z = (low + high) // 2
        below, above = _side(rows, qlo, z), _side(rows, z, qhi)
        if below is not None and above is not None:
            return TwoSlope(below, above)
        failing = next((row for row in rows if not _turns_at([row], qlo, z, qhi)), None)
    return None


def _turns(rows: Sequence[Steps], qlo: int, qhi: int, low: int, high: int) -> tuple[int, int]:
    """The least and the greatest z of [low, high] at which both sides fit."""
    zs = range(low, high + 1)
    low += bisect_left(zs, True, key=lambda z: _side(rows, z, qhi) is not None)
    high = zs.start - 1 + bisect_left(zs, True, key=lambda z: _side(rows, qlo, z) is None)
    return low, high


def _turns_at(rows: Sequence[Steps], qlo: int, z: int, qhi: int) -> bool:
    return _side(rows, qlo, z) is not None and _side(rows, z, qhi) is not None


def _side(rows: Sequence[Steps], qlo: int, qhi: int) -> Affine | None:
    return fit_affine([row.clipped(qlo, qhi) for row in rows], qlo, qhi)


def search(rows: Sequence[Steps]) -> Search | None:
    """Binary search over the thresholds; always possible."""
    return Search.of(rows)


FORMS: dict[str, Callable[[Sequence[Steps]], Realisation | None]] = {
    "affine": affine,
    "thresholds": thresholds,
    "table": table,
    "search": search,
    "estimate": estimate_correct,
    "two_slope": two_slope,
    "wrapped": wrapped,
}


def _code_range(rows: Sequence[Steps]) -> tuple[int, int]:
    return min(row.min_code for row in rows), max(row.max_code for row in rows)


def _cheapest(rows: Sequence[Steps]) -> Realisation:
    """The candidate of least estimated cost; the earlier of equals."""
    found = affine(rows)
    names = ["thresholds", "table"]
    if found is None:
        names = ["two_slope", "wrapped", *names]
    if found is None or max(row.t.size for row in rows) <= MAX_SEARCH_STEPS:
        names.append("search")
    if found is None or found.cost().dsp > 1:
        names.append("estimate")
    forms = [found, *(FORMS[name](rows) for name in names)]
    return min((form for form in forms if form is not None), key=lambda form: form.cost().total)


def prove(rows: Sequence[Steps], chosen: Realisation) -> None:
    """Every row equals its staircase on the whole of [lo, hi], or RealisationError.

    A monotone form is equal everywhere if it is at lo, hi and on both sides of each step. Forms
    with thresholds of their own are constant between those; tables are compared word by word. Of
    low bits it is the line below them that is monotone.
    """
    stack = Stack.of(rows)
    match chosen:
        case Affine() | EstimateCorrect():
            _same_direction(rows, [0] * len(rows), chosen)
        case TwoSlope(below, above):
            turns = [m * k for m, k in zip(below.m, above.m, strict=True)]
            _same_direction(rows, turns, chosen)
        case Wrapped(rise=rise):
            prove(lines_of(rows, chosen), rise)
        case Thresholds() | Search():
            _compare_at(rows, chosen, np.concatenate((chosen.t, chosen.t - 1), axis=1))
        case Table():
            span = int((stack.hi - stack.lo).max()) + 1
            _compare_at(rows, chosen, stack.lo[:, None] + np.arange(span))
    _compare_around_steps(stack, chosen)


def _compare_around_steps(stack: Stack, chosen: Realisation) -> None:
    """At both ends and on both sides of each step, whose codes the steps themselves tell."""
    width = stack.t.shape[1]
    chunk = max(1, (1 << 16) // (2 * width + 2))
    for start in range(0, len(stack.lo), chunk):
        part = slice(start, start + chunk)
        lo, hi, t, codes = (v[part] for v in (stack.lo, stack.hi, stack.t, stack.codes))
        n = np.concatenate((lo[:, None], hi[:, None], t, t - 1), axis=1)
        want = np.concatenate((codes[:, :1], codes[:, -1:], codes[:, 1:], codes[:, :-1]), axis=1)
        places = np.array([-1, -1, *range(width), *range(width)])
        used = places < stack.count[part].reshape(-1, 1)
        n, want = np.where(used, n, lo[:, None]), np.where(used, want, codes[:, :1])
        _compare(chosen, start, n, want)


def _compare_at(rows: Sequence[Steps], chosen: Realisation, places: IntArray) -> None:
    """At the places of each row, or at the end of its range that is nearest."""
    for r, row in enumerate(rows):
        n: IntArray = places[r : r + 1].clip(row.lo, row.hi)
        _compare(chosen, r, n, row.evaluate(n))


def _same_direction(rows: Sequence[Steps], turns: Sequence[int], chosen: Realisation) -> None:
    """Neither a row nor its two slopes (of product `turns`) go both up and down."""
    for r, (row, turn) in enumerate(zip(rows, turns, strict=True)):
        if row.monotone == 0 or turn < 0:
            raise RealisationError(f"{chosen.text()}: row {r} is not monotone")


def _compare(chosen: Realisation, start: int, n: IntArray, want: IntArray) -> None:
    """Rows start, start + 1, .. at the places n[0], n[1], .., where their codes are want[0], .."""
    got = chosen.evaluate(np.arange(start, start + len(n))[:, None], n)
    if (got != want).any():
        i, j = np.argwhere(got != want)[0].tolist()
        raise RealisationError(
            f"{chosen.text()}: row {start + i} gives {got[i, j]}, not {want[i, j]}, at {n[i, j]}"
        )
