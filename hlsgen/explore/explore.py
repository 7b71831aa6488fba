"""The whole of `hlsgen explore`: a float network, samples and a goal; the network that meets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.boards import Board, load_board
from hlsgen.emit.arithmetic import Arithmetic
from hlsgen.emit.hls import Io
from hlsgen.errors import OptionError, reason_of
from hlsgen.explore.cluster import Cluster
from hlsgen.explore.drivers import DRIVERS
from hlsgen.explore.drivers.driver import Drive, Search
from hlsgen.explore.evaluate import Outcome, Task, candidate_model, lowered
from hlsgen.explore.executor import Executor, Local
from hlsgen.explore.goal import Goal, Objective
from hlsgen.explore.hardware import Hardware, Streamed, Unrolled, settle
from hlsgen.explore.options import LOCAL, UNIFORM, Options
from hlsgen.explore.prediction import Prediction, predict
from hlsgen.explore.runner import Enough, Limits, Runner
from hlsgen.explore.space import Candidate, Space, space_of
from hlsgen.explore.study import Study
from hlsgen.quantise.convert import write
from hlsgen.quantise.data import load_samples
from hlsgen.quantise.equalise import equalised
from hlsgen.quantise.fold import fold_affine
from hlsgen.quantise.judge import float_outputs, judged
from hlsgen.quantise.prepare import open_float, prepare
from hlsgen.quantise.quantise import check
from hlsgen.quantise.scheme import Scales, Scheme

Observe = Callable[[str, float], None]


@dataclass(frozen=True, eq=False)
class Files:
    """What is read and written."""

    model: Path
    data: Path
    test: Path | None
    labels: str | None
    output: Path


@dataclass(frozen=True, eq=False)
class Explored:
    """What was found, and everything that was evaluated on the way.

    `luts` is the chosen design's with its arithmetics settled, `hardware` what candidates are made
    into; `fresh` is how many candidates were evaluated now, the others were in the study.
    Units: LUTs estimated by the cost model; seconds of the wall and of all processors.
    """

    output: Path
    study: Path
    space: Space
    goal: Goal
    board: Board
    hardware: Hardware
    chosen: Candidate
    luts: float
    arithmetic: Mapping[str, Arithmetic]
    uniform: Outcome
    candidates: Mapping[Candidate, Outcome]
    fresh: int
    stopped: bool
    wall_s: float
    cpu_s: float

    @property
    def outcome(self) -> Outcome:
        """The chosen one's."""
        return self.candidates[self.chosen]


def explore(files: Files, scheme: Scheme, options: Options, observe: Observe) -> Explored:
    """Search, and write the chosen network to `files.output`.

    Errors: HlsgenError naming the file, node, array or option that is at fault, or why no design
    meets the goal; what was evaluated stays in the study.
    """
    started = time.perf_counter()
    if files.output.suffix.lower() != ".onnx":
        raise OptionError(f"-o {files.output}: the file to write is an ONNX file, NAME.onnx")
    board = load_board(options.board)
    task = task_of(files, scheme, options, hardware_of(options, board), observe)
    study = Study(options.study or files.output.with_suffix(".study"), identity(files, task))
    try:
        executor = _executor(task, options)
        try:
            found = _searched(task, study, executor, options, board, observe)
        finally:
            executor.close()
        runner, goal, uniform, stopped = found
        older = {c: o for c, o in study.candidates().items() if task.space.holds(c)}
    finally:
        study.close()
    known = older | runner.known
    chosen = _chosen({c: o for c, o in known.items() if task.space.holds(c)}, goal)
    observe("arithmetic of the chosen design", 0.0)
    model = candidate_model(task, chosen)
    luts, arithmetic = _settled(task.hardware, model, known[chosen], options)
    write(files.output, model)
    return Explored(
        files.output, study.path, task.space, goal, board, task.hardware, chosen, luts, arithmetic,
        uniform, known, runner.fresh, stopped, time.perf_counter() - started, runner.cpu_s,
    )  # fmt: skip


def hardware_of(options: Options, board: Board) -> Hardware:
    """What candidates are made into."""
    if options.io is Io.PARALLEL:
        return Unrolled({"": options.searched})
    given = {} if options.arithmetic is Arithmetic.AUTO else {"": options.arithmetic}
    return Streamed(board, options.clock_ns or board.clock_ns, options.target_fps, given)


def task_of(
    files: Files, scheme: Scheme, options: Options, hardware: Hardware, observe: Observe
) -> Task:
    """What evaluations share.

    Errors: HlsgenError naming the file, node or array that is at fault.
    """
    observe("reading", 0.0)
    file = open_float(files.model)
    samples = load_samples(files.data, file.inputs, files.labels)
    judges = samples if files.test is None else load_samples(files.test, file.inputs, files.labels)
    feeds = samples.spread(scheme.samples)
    graph = fold_affine(prepare(file, feeds))
    check(graph, scheme)
    wanted = float_outputs(graph, judges)
    graph = equalised(graph, feeds, scheme.equalise)
    space = space_of(graph, options.weights, options.activations, options.scales)
    return Task(graph, feeds, judges, wanted, space, scheme, hardware)


def identity(files: Files, task: Task) -> dict[str, str]:
    """Hashes of what outcomes depend on, by what a user would call it."""
    choices = repr((task.scheme, task.hardware))
    return {
        "model": _hash(files.model),
        "data": _hash(files.data),
        "test data": _hash(files.test or files.data),
        "choice of labels": str(files.labels),
        "way to quantise (ranges, rounding, calibration), arithmetic or frame rate": choices,
    }


def _hash(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise OptionError(f"cannot read {path}: {reason_of(error)}") from error


def _executor(task: Task, options: Options) -> Executor:
    if options.executor == LOCAL:
        return Local(task, options.processes)
    return Cluster(task, options.executor)


def _searched(
    task: Task, study: Study, executor: Executor, options: Options, board: Board, observe: Observe
) -> tuple[Runner, Goal, Outcome, bool]:
    """Everything evaluated, the goal, the uniform design, and whether a limit ended it."""
    seconds = None if options.minutes is None else 60 * options.minutes
    driver = "uniform design"

    def progress(known: int, fresh: int) -> None:
        observe(f"{driver}: {known} candidates, {fresh} new{_so_far(runner, goal)}", 0.0)

    goal: Goal | None = None
    runner = Runner(study, executor, Limits(options.candidates, seconds), progress)
    first = task.space.uniform(WeightFormat(UNIFORM), UNIFORM, options.scales[0])
    try:
        (uniform,) = runner.outcomes([first])
    except Enough as error:
        raise OptionError("not one candidate fits --minutes: raise it") from error
    if uniform.error:
        raise OptionError(f"the uniform {UNIFORM}-bit design cannot be: {uniform.error}")
    goal = _goal(task, options, uniform, board)
    try:
        _check_budget(task, runner, goal)
        predictions: dict[Scales, Prediction] = {}
        for kind in options.scales:
            driver = f"tables of {kind} scales"
            predictions[kind] = predict(task, kind, options.sensitivity, runner.outcomes, observe)
        trials = options.candidates or 256
        search = Search(task.space, predictions, goal, runner.known, options.seed, trials)
        for name in options.drivers:
            driver = str(name)
            _drive(search, runner, DRIVERS[name](search))
    except Enough:
        return runner, goal, uniform, True
    return runner, goal, uniform, False


def _drive(search: Search, runner: Runner, drive: Drive) -> None:
    """Runs a driver to its end."""
    try:
        asked = next(drive)
        while True:
            asked = drive.send(runner.outcomes(asked))
    except StopIteration:
        return


def _so_far(runner: Runner, goal: Goal | None) -> str:
    if goal is None:
        return ""
    good = [o for o in runner.known.values() if goal.accepts(o)]
    if not good:
        return ", none meets the goal"
    best = min(good, key=goal.rank)
    return f", best {best.luts:,.0f} LUTs"


def _goal(task: Task, options: Options, uniform: Outcome, board: Board) -> Goal:
    ideal = judged(task.wanted, task.wanted, task.judges.labels)
    reference = ideal.agreement if ideal.float_accuracy is None else ideal.float_accuracy
    budget = options.luts(uniform.luts, board.resources.lut)
    return Goal(options.objective, reference, options.max_loss, options.min_sqnr_db, budget)


def _check_budget(task: Task, runner: Runner, goal: Goal) -> None:
    """Errors: OptionError where not even the fewest bits keep to the budget.

    LUTs rise with the bits of weights of so many digits; of which digits they are least is counted.
    """
    if goal.budget == float("inf"):
        return
    space = task.space
    fewest = {w.digits: w for w in reversed(space.weights)}.values()
    least = [space.uniform(w, space.activations[0], k) for k in space.scales for w in fewest]
    found, best = min(zip(runner.outcomes(least), least, strict=True), key=lambda x: x[0].luts)
    if found.luts > goal.budget:
        raise OptionError(
            f"no design keeps to {goal.budget:,.0f} LUTs: the least, W{best.weights[0]}"
            f"A{space.activations[0]} everywhere, takes {found.luts:,.0f} (estimated); raise "
            "--budget, take another board, or allow fewer bits"
        )


def _chosen(known: Mapping[Candidate, Outcome], goal: Goal) -> Candidate:
    """Errors: OptionError where none meets the goal, with the nearest."""
    if not known:
        raise OptionError("no candidate was evaluated: allow more --minutes or --candidates")
    best = min(known, key=lambda c: goal.rank(known[c]))
    outcome = known[best]
    if goal.accepts(outcome):
        return best
    if goal.objective is Objective.ACCURACY:
        raise OptionError(
            f"none of {len(known)} candidates keeps to {goal.budget:,.0f} LUTs: the least takes "
            f"{outcome.luts:,.0f} (estimated); let it search longer, or raise --budget"
        )
    if goal.reference is None:
        least, wanted = f"{outcome.sqnr_db:.1f} dB", f"--min-sqnr {goal.min_sqnr_db:g}"
    else:
        least, wanted = f"{goal.shortfall(outcome):.2f} points", f"--max-loss {goal.max_loss:g}"
    raise OptionError(
        f"none of {len(known)} candidates meets {wanted} within {goal.budget:,.0f} LUTs: the "
        f"nearest reaches {least} at {outcome.luts:,.0f} LUTs (estimated) with {best.key}; let it "
        "search longer, allow more bits, or ask for less"
    )


def _settled(
    hardware: Hardware, model: bytes, outcome: Outcome, options: Options
) -> tuple[float, Mapping[str, Arithmetic]]:
    """The chosen design's LUTs and arithmetics; the searched ones where `auto` finds no better."""
    known = outcome.luts, hardware.arithmetic
    if options.arithmetic is not Arithmetic.AUTO or isinstance(hardware, Streamed):
        return known
    found = settle(lowered(model))
    return found if found[0] < outcome.luts else known
