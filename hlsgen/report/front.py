"""Accuracy over LUTs of everything that a search evaluated: a page, a drawing, a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from importlib import import_module
from io import BytesIO
from typing import Any

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.data import templates_dir
from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.explore import Explored
from hlsgen.explore.options import UNIFORM
from hlsgen.explore.pareto import undominated
from hlsgen.explore.space import Candidate
from hlsgen.report.page import environment

WIDTH, HEIGHT = 900, 520
LEFT, RIGHT, TOP, BOTTOM = 78, 24, 28, 62


@dataclass(frozen=True, slots=True)
class Dot:
    """A candidate where it stands; `kind` is chosen, uniform, front or other."""

    x: float
    y: float
    kind: str
    title: str
    luts: float
    loss: str
    sqnr_db: float
    places: tuple[tuple[str, str, str, str], ...]


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark of an axis."""

    at: float
    text: str


@dataclass(frozen=True, eq=False)
class Drawing:
    """The plot, to be written down."""

    dots: tuple[Dot, ...]
    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    y_title: str
    allowed: float | None
    budget: float | None


def front_of(result: Explored) -> list[tuple[Candidate, Outcome]]:
    """What no other beats in LUTs and accuracy, the cheapest first."""
    whole = [(c, o) for c, o in result.candidates.items() if not o.error]
    return undominated(whole, lambda item: (item[1].luts, result.goal.shortfall(item[1])))


def drawing(result: Explored) -> Drawing:
    """All candidates in a logarithmic scale of LUTs; far losses are drawn at the edge."""
    goal = result.goal
    whole = [(c, o) for c, o in result.candidates.items() if not o.error]
    best = {c for c, _ in front_of(result)}
    x = _Axis.logarithmic([o.luts for _, o in whole], LEFT, WIDTH - RIGHT)
    losses = [goal.shortfall(o) for _, o in whole]
    enough = goal.max_loss if goal.reference is not None else -goal.min_sqnr_db
    y = _Axis.linear(losses, enough, TOP, HEIGHT - BOTTOM)

    def dot(candidate: Candidate, o: Outcome) -> Dot:
        kind = "front" if candidate in best else "other"
        if candidate == result.space.uniform(WeightFormat(UNIFORM), UNIFORM, candidate.scales[0]):
            kind = "uniform"
        if candidate == result.chosen:
            kind = "chosen"
        at = (x(o.luts), y(goal.shortfall(o)))
        return Dot(
            *at,
            kind,
            candidate.key,
            o.luts,
            _loss(result, o),
            o.sqnr_db,
            _places(result, candidate),
        )

    order = {"other": 0, "front": 1, "uniform": 2, "chosen": 3}
    dots = sorted((dot(c, o) for c, o in whole), key=lambda d: order[d.kind])
    steps = [(x(o.luts), y(goal.shortfall(o))) for _, o in front_of(result)]
    line = " ".join(
        f"{'L' if k else 'M'}{a:.1f},{b:.1f}" for k, (a, b) in enumerate(_stairs(steps))
    )
    what = "accuracy" if next(iter(whole))[1].accuracy is not None else "agreement with float"
    title = f"{what} lost, points" if goal.reference is not None else "SQNR, dB"
    fits = x.low <= goal.budget <= x.high
    return Drawing(
        tuple(dots), line, x.ticks, y.ticks, title, y(enough), x(goal.budget) if fits else None
    )


def _stairs(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """A step holds until the next begins."""
    found = points[:1]
    for x, y in points[1:]:
        found += [(x, found[-1][1]), (x, y)]
    return found


@dataclass(frozen=True, slots=True)
class _Axis:
    low: float
    high: float
    start: float
    end: float
    ticks: tuple[Tick, ...]
    log: bool

    def __call__(self, value: float) -> float:
        a, b, v = (math.log(n) if self.log else n for n in (self.low, self.high, value))
        share = min(max((v - a) / (b - a), 0.0), 1.0)
        return self.start + share * (self.end - self.start)

    @staticmethod
    def logarithmic(values: list[float], start: float, end: float) -> _Axis:
        low, high = min(values) * 0.93, max(values) * 1.07
        axis = _Axis(low, high, start, end, (), True)
        marks = [m * 10.0**e for e in range(9) for m in (1, 1.5, 2, 3, 4, 5, 6, 8)]
        ticks = tuple(Tick(axis(m), _short(m)) for m in marks if low < m < high)
        return _Axis(low, high, start, end, ticks, True)

    @staticmethod
    def linear(values: list[float], allowed: float, start: float, end: float) -> _Axis:
        """The better half of the values, and what is allowed, fill it; others lie on its edge."""
        ordered = sorted(values)
        middle = ordered[len(ordered) // 2]
        span = max(allowed, middle, ordered[0] + 1e-6) - ordered[0]
        low, high = ordered[0] - 0.08 * span, ordered[0] + 2 * span
        step = 10.0 ** math.floor(math.log10((high - low) / 4))
        step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= 8)
        first = math.ceil(low / step)
        marks = [k * step for k in range(first, int(high / step) + 1)]
        axis = _Axis(low, high, start, end, (), False)
        places = max(0, -math.floor(math.log10(step)))
        sign = -1 if allowed < 0 else 1
        ticks = tuple(Tick(axis(m), f"{abs(m) if sign < 0 else m + 0.0:.{places}f}") for m in marks)
        return _Axis(low, high, start, end, ticks, False)


def _short(value: float) -> str:
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if value >= unit:
            return f"{value / unit:g}{name}"
    return f"{value:g}"


def _loss(result: Explored, o: Outcome) -> str:
    goal = result.goal
    if goal.reference is None:
        return f"{o.sqnr_db:.1f} dB"
    share = o.agreement if o.accuracy is None else o.accuracy
    lost = goal.shortfall(o)
    return f"{share or 0:.2%}, {abs(lost):.2f} points {'lost' if lost >= 0 else 'gained'}"


def _places(result: Explored, candidate: Candidate) -> tuple[tuple[str, str, str, str], ...]:
    """Name, format of weights, bits of what it makes, kind of its scales."""
    space = result.space
    weights = dict(zip(space.layers, candidate.weights, strict=True))
    kinds = dict(zip(space.layers, candidate.scales, strict=True))
    made = {
        name: bits
        for names, bits in zip(space.groups, candidate.activations, strict=True)
        for name in names
    }
    names = dict.fromkeys((*space.groups[0], *space.layers, *made))
    return tuple(
        (n, str(weights.get(n, "")), str(made.get(n, "")), str(kinds.get(n, ""))) for n in names
    )


def _context(result: Explored) -> dict[str, Any]:
    return {
        "plot": drawing(result), "result": result, "W": WIDTH, "H": HEIGHT, "LEFT": LEFT,
        "RIGHT": RIGHT, "TOP": TOP, "BOTTOM": BOTTOM, "chosen_loss": _loss(result, result.outcome),
        "uniform_loss": _loss(result, result.uniform),
    }  # fmt: skip


def front_svg(result: Explored) -> str:
    """The drawing alone, with its colours, as a file."""
    return environment().get_template("front.svg.j2").render(_context(result), alone=True)


def front_page(result: Explored) -> str:
    """A page that needs no network: the drawing, to point at and to click."""
    folder = templates_dir() / "report"
    files = {
        name: (folder / name).read_text(encoding="utf-8")
        for name in ("page.css", "front.css", "front.js")
    }
    context = _context(result)
    return environment().get_template("front.html.j2").render(context, files=files, alone=False)


def front_png(result: Explored) -> bytes | None:
    """The same by matplotlib; None where that is not installed."""
    try:
        figures: Any = import_module("matplotlib.figure")
    except ImportError:
        return None
    made = drawing(result)
    figure: Any = figures.Figure(figsize=(9, 5.2), dpi=140, layout="constrained")
    axes: Any = figure.subplots()
    for kind, colour, size in _MARKS:
        some = [d for d in made.dots if d.kind == kind]
        axes.scatter([d.x for d in some], [-d.y for d in some], size, colour, label=kind, zorder=3)
    steps = [p[1:].split(",") for p in made.line.split()]
    axes.plot([float(a) for a, _ in steps], [-float(b) for _, b in steps], color="#0072b2")
    if made.allowed is not None:
        axes.axhline(-made.allowed, color="#b3261e", linestyle="--", linewidth=1)
    axes.set_xticks([t.at for t in made.x_ticks], [t.text for t in made.x_ticks])
    axes.set_yticks([-t.at for t in made.y_ticks], [t.text for t in made.y_ticks])
    axes.set(xlabel="LUTs, estimated", ylabel=made.y_title)
    axes.set_title(f"{result.output.name}: {result.outcome.luts:,.0f} LUTs")
    axes.legend()
    axes.grid(alpha=0.25)
    held = BytesIO()
    figure.savefig(held, format="png")
    return held.getvalue()


_MARKS = (
    ("other", "#9aa5b0", 14), ("front", "#0072b2", 26), ("uniform", "#b36b00", 70),
    ("chosen", "#00785a", 90),
)  # fmt: skip
