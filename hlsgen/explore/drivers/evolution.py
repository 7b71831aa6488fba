"""NSGA-II: generations of candidates, drawn by Optuna from the better of what was evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hlsgen.errors import ToolMissing
from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.evaluate import Outcome
from hlsgen.explore.space import Candidate, Space
from hlsgen.quantise.scheme import Scales

_GENERATION = 16
_WORST = 1e9  # for Optuna, which takes finite numbers only


def evolution(search: Search) -> Drive:
    """Generations of 16 until `trials` candidates are drawn; what is known is where it starts.

    A generation is evaluated whole before the next is drawn, so that a study that goes on draws
    the same again. Errors: ToolMissing without Optuna.
    """
    try:
        import optuna
    except ImportError as error:
        message = "the evolution driver needs Optuna: pip install 'hlsgen[search]'"
        raise ToolMissing(message) from error
    library: Any = optuna
    library.logging.set_verbosity(library.logging.WARNING)
    sampler = library.samplers.NSGAIISampler(population_size=_GENERATION, seed=search.seed)
    study = library.create_study(directions=["minimize", "minimize"], sampler=sampler)
    for candidate in _elders(search):
        study.enqueue_trial(_parameters(search.space, candidate))
    drawn = 0
    while drawn < search.trials:
        trials = [study.ask() for _ in range(min(_GENERATION, search.trials - drawn))]
        candidates = [_drawn(search, trial) for trial in trials]
        outcomes = yield candidates
        for trial, outcome in zip(trials, outcomes, strict=True):
            study.tell(trial, _values(search, outcome))
        drawn += len(trials)


def _elders(search: Search) -> list[Candidate]:
    """The best known, half a generation of them, that the space could draw."""
    known, goal = search.known, search.goal
    legal = [c for c in known if search.space.holds(c)]
    return sorted(legal, key=lambda c: goal.rank(known[c]))[: _GENERATION // 2]


def _parameters(space: Space, candidate: Candidate) -> Mapping[str, Any]:
    """What Optuna would have to draw; of formats their place in the row."""
    own = enumerate(candidate.formats)
    formats = {f"format{at}": space.formats(at).index(f) for at, f in own}
    free = Scales.FREE in candidate.scales
    kinds = {} if free else {f"scales{k}": str(s) for k, s in enumerate(candidate.scales)}
    return {"free": free, **formats, **kinds}


def _drawn(search: Search, trial: Any) -> Candidate:
    """A candidate; scales are free for all layers or for none."""
    space, count = search.space, len(search.space.layers)

    def drawn(at: int) -> int:
        return trial.suggest_categorical(f"format{at}", range(len(space.formats(at))))

    weights = tuple(space.weights[drawn(at)] for at in range(count))
    groups = tuple(space.activations[drawn(count + g)] for g in range(len(space.groups)))
    kinds = [str(k) for k in space.scales if k is not Scales.FREE]
    choices = [c for c, there in ((True, Scales.FREE in space.scales), (False, kinds)) if there]
    if trial.suggest_categorical("free", choices):
        scales = (Scales.FREE,) * count
    else:
        scales = tuple(Scales(trial.suggest_categorical(f"scales{k}", kinds)) for k in range(count))
    return Candidate(weights, groups, scales)


def _values(search: Search, outcome: Outcome) -> tuple[float, float]:
    """What is lost, and LUTs; among equal losses the smaller error is preferred."""
    if outcome.error:
        return _WORST, _WORST
    return search.goal.shortfall(outcome) - 1e-3 * outcome.sqnr_db, outcome.luts
