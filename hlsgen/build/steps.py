"""Steps of vendor tools in a project folder, one build at a time, resumed after the last finished.

A finished step leaves a stamp: the hash of the files it reads, of its options and of the step
before it. A stamp appears whole, after everything else; what died half-way has none. Which release
of a tool ran is not in it: results stay good on a machine without the tool.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import hlsgen
from hlsgen.build.toollog import first_error, last_line
from hlsgen.compiler import digest
from hlsgen.errors import HlsgenError, OptionError, ToolMissing, reason_of

LOCK = "build/.lock"
HEARTBEAT_S = 60.0
Say = Callable[[str], None]


class StepFailed(HlsgenError):
    """A tool ran and did not succeed."""

    exit_status = 1


@dataclass(frozen=True, slots=True)
class Step:
    """Commands of one tool, run in the project folder; `missing` says what is needed to run them.

    `inputs` are the files that it reads, `outputs` what it leaves, below the folder. `check` may
    refuse before anything is touched; `before` and `after` are the parts that need no tool.
    """

    name: str
    tool: str
    commands: tuple[tuple[str, ...], ...] = ()
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    missing: str = ""
    check: Callable[[], None] | None = None
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None


@dataclass(frozen=True, slots=True)
class Ran:
    """What became of a step."""

    name: str
    status: str
    seconds: float


def run_steps(
    folder: Path, steps: Sequence[Step], wanted: Sequence[str], *, force: bool, say: Say
) -> list[Ran]:
    """Run the wanted steps that are not up to date (all of them with `force`).

    Errors: OptionError for an unknown step, for one whose predecessor has not ended, and where
    another build has the folder; ToolMissing; StepFailed with the log's first error.
    """
    _check_names(steps, wanted)
    with locked(folder) as lock:
        found: list[Ran] = []
        previous = ""
        for index, step in enumerate(steps):
            key = _key(folder, step, previous)
            current = _stamp(folder, step) == key and _complete(folder, step)
            label = f"[{index + 1}/{len(steps)}] {step.name}"
            if step.name in wanted and (force or not current):
                _check_tool(step)
                for later in steps[index:]:  # their results are no longer of this one
                    _forget(folder, later)
                found.append(_run(folder, step, key, label, lock, say))
            elif step.name in wanted:
                say(f"{label}: up to date")
                found.append(Ran(step.name, "up to date", 0.0))
            elif not current and _later(steps[index + 1 :], wanted):
                raise OptionError(
                    f"step {step.name} has not ended: run it first (leave out --steps)"
                )
            previous = key
        return found


def _check_names(steps: Sequence[Step], wanted: Sequence[str]) -> None:
    known = [step.name for step in steps]
    for name in wanted:
        if name not in known:
            raise OptionError(f"--steps {name}: this board has {', '.join(known)}")


def _later(steps: Sequence[Step], wanted: Sequence[str]) -> bool:
    return any(step.name in wanted for step in steps)


# -- one step ---------------------------------------------------------------------------------


def _check_tool(step: Step) -> None:
    if step.missing:
        raise ToolMissing(f"step {step.name} is next and needs {step.missing}")
    if step.check is not None:
        step.check()


def _run(folder: Path, step: Step, key: str, label: str, lock: int, say: Say) -> Ran:
    started = time.perf_counter()
    try:
        for name in step.outputs:  # what an earlier run left is no proof of this one
            (folder / name).unlink(missing_ok=True)
        if step.before is not None:
            step.before()
        if step.commands:
            _run_tool(folder, step, label, lock, say)
        if step.after is not None:
            step.after()
        if not _complete(folder, step):
            lost = [name for name in step.outputs if not (folder / name).is_file()]
            raise StepFailed(f"step {step.name}: {step.tool} ended well but left no {lost[0]}")
        _write_stamp(folder, step, key)
    except OSError as error:
        raise HlsgenError(f"step {step.name}: cannot write: {reason_of(error)}") from error
    seconds = time.perf_counter() - started
    say(f"{label}: done in {seconds:.0f} s")
    return Ran(step.name, "done", seconds)


def _run_tool(folder: Path, step: Step, label: str, lock: int, say: Say) -> None:
    log = folder / "build" / "logs" / f"{step.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    log.write_bytes(b"")
    for command in step.commands:
        say(f"{label}: {' '.join(command)}  (log {log})")
        process = _Process(folder, command, step.env, log, lock)
        status = process.wait(partial(_tell, label, log, say, time.monotonic()))
        if status:
            ended = f"signal {-status}" if status < 0 else f"status {status}"
            said = first_error(log.read_text(encoding="utf-8", errors="replace"))
            raise StepFailed(
                f"step {step.name}: {command[0]} ended with {ended}: {said} (see {log})"
            )


def _tell(label: str, log: Path, say: Say, since: float) -> None:
    minutes = (time.monotonic() - since) / 60
    say(f"{label}: {minutes:.0f} min, {last_line(log)}")


@dataclass(frozen=True, slots=True)
class _Process:
    """A program about to run; it inherits the lock.

    Should it outlive this process, no second build starts beside it.
    """

    folder: Path
    command: Sequence[str]
    env: Mapping[str, str]
    log: Path
    lock: int

    def wait(self, tell: Callable[[], None]) -> int:
        """Its exit status; `tell` is called now and then. It ends, children and all, with us."""
        with self.log.open("ab") as sink, _terminated_as_interrupted():
            process = subprocess.Popen(
                self.command, cwd=self.folder, env=os.environ | dict(self.env),
                stdin=subprocess.DEVNULL, stdout=sink, stderr=subprocess.STDOUT,
                start_new_session=True, pass_fds=(self.lock,),
            )  # fmt: skip
            try:
                while True:
                    with suppress(subprocess.TimeoutExpired):
                        return process.wait(timeout=HEARTBEAT_S)
                    tell()
            except BaseException:
                _stop(process)
                raise


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(timeout=5)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def _terminated_as_interrupted() -> Generator[None, None, None]:
    """SIGTERM ends the build as Ctrl-C does, so that its tools end with it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


# -- stamps and the lock ------------------------------------------------------------------------


def _key(folder: Path, step: Step, previous: str) -> str:
    parts: list[str | bytes] = [hlsgen.__version__, previous, step.name, *step.options]
    for name in step.inputs:
        path = folder / name
        parts += [name, path.read_bytes() if path.is_file() else ""]
    return digest(parts)


def _stamp_path(step: Step) -> str:
    return f"build/steps/{step.name}.json"


def _stamp(folder: Path, step: Step) -> str:
    try:
        return str(json.loads((folder / _stamp_path(step)).read_text(encoding="utf-8"))["key"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _forget(folder: Path, step: Step) -> None:
    try:
        (folder / _stamp_path(step)).unlink(missing_ok=True)
    except OSError as error:
        raise HlsgenError(f"step {step.name}: cannot write: {reason_of(error)}") from error


def _write_stamp(folder: Path, step: Step, key: str) -> None:
    path = folder / _stamp_path(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"key": key, "tool": step.tool}) + "\n", encoding="utf-8")
    fresh.replace(path)


def _complete(folder: Path, step: Step) -> bool:
    return all((folder / name).is_file() for name in step.outputs)


@contextmanager
def locked(folder: Path) -> Generator[int, None, None]:
    """The folder for one build alone; the lock goes with the last process that holds it.

    Errors: OptionError where another build, or a tool that one left running, has it.
    """
    path = folder / LOCK
    try:
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise HlsgenError(f"cannot write into {folder}: {reason_of(error)}") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OptionError(
            f"{folder} is being built by another hlsgen, or by a tool that one started: wait for "
            "it or stop it"
        ) from error
    try:
        yield handle
    finally:
        os.close(handle)


def refuse_locked(folder: Path) -> None:
    """Errors: OptionError where tools are at work in a project."""
    if (folder / LOCK).is_file():
        with locked(folder):
            pass


def keep_steps(old: Path, new: Path) -> None:
    """Hours of synthesis outlive a build of the same design: stamps say what is still good."""
    if (old / "build" / "steps").is_dir() and not (new / "build").exists():
        (old / "build").rename(new / "build")
