"""A study in one SQLite file: every outcome, committed as it comes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from hlsgen.arith.weight_format import weight_format
from hlsgen.errors import OptionError
from hlsgen.explore.evaluate import Job, Outcome, Probe
from hlsgen.explore.space import Candidate
from hlsgen.quantise.scheme import Scales

_VERSION = "1"
_TABLES = """
create table if not exists identity (what text primary key, hash text not null);
create table if not exists outcomes (
  number integer primary key, key text unique not null, job text not null,
  outcome text not null, at real not null
);
"""


class Study:
    """Outcomes by the key of their job.

    A second process cannot open the file meanwhile. What was recorded stays recorded whatever
    happens to the process; nothing is recorded twice.
    """

    def __init__(self, path: Path, identity: Mapping[str, str]) -> None:
        """`identity` names what outcomes depend on, with a hash of each.

        Errors: OptionError for a file of other things, of another program, or in use.
        """
        self.path = path
        try:
            self._held = sqlite3.connect(path, timeout=1.0, isolation_level=None)
            self._held.execute("pragma locking_mode = exclusive")
            self._held.execute("begin exclusive")
            self._check_kind()
            for statement in _TABLES.split(";"):
                self._held.execute(statement)
            self._check(identity)
            self._held.execute("commit")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                message = f"study {path} is in use by another hlsgen explore: wait, or stop it"
                raise OptionError(message) from error
            raise OptionError(f"cannot open study {path}: {error}") from error
        except sqlite3.DatabaseError as error:
            raise OptionError(f"{path} is no study of hlsgen explore: {error}") from error

    def _check_kind(self) -> None:
        """Before anything is written: a database of another program stays as it is."""
        names = {name for (name,) in self._held.execute("select name from sqlite_master")}
        if names and "identity" not in names:
            self._held.close()
            raise OptionError(f"{self.path} is no study of hlsgen explore, but another database")

    def _check(self, identity: Mapping[str, str]) -> None:
        wanted = {"version of studies": _VERSION, **identity}
        rows = dict(self._held.execute("select what, hash from identity"))
        other = [what for what, value in wanted.items() if rows and rows.get(what) != value]
        if other:
            self._held.close()
            raise OptionError(
                f"study {self.path} is of another {' and another '.join(other)}: name a new file "
                "with --study, or remove this one"
            )
        if not rows:
            self._held.executemany("insert into identity values (?, ?)", wanted.items())

    def outcome(self, job: Job) -> Outcome | None:
        """What is known of a job."""
        found = self._held.execute("select outcome from outcomes where key = ?", (job.key,))
        row = found.fetchone()
        return None if row is None else Outcome(**json.loads(row[0]))

    def record(self, job: Job, outcome: Outcome) -> None:
        """Keeps an outcome; on disk when this returns.

        Errors: OptionError where the disk is full or gone.
        """
        spelled = {} if isinstance(job, Probe) else job.to_json()
        row = (job.key, json.dumps(spelled), json.dumps(asdict(outcome)), time.time())
        statement = "insert into outcomes (key, job, outcome, at) values (?, ?, ?, ?)"
        try:
            self._held.execute(statement, row)
        except sqlite3.OperationalError as error:
            raise OptionError(f"cannot write study {self.path}: {error}") from error

    def candidates(self) -> dict[Candidate, Outcome]:
        """All candidates with an outcome, in the order in which they came."""
        rows = self._held.execute("select job, outcome from outcomes order by number")
        read = ((json.loads(job), Outcome(**json.loads(found))) for job, found in rows)
        return {_candidate(job): outcome for job, outcome in read if job}

    def close(self) -> None:
        """Others may open it now."""
        self._held.close()


def _candidate(fields: Mapping[str, Any]) -> Candidate:
    kinds = tuple(Scales(kind) for kind in fields["scales"])
    weights = tuple(weight_format(str(own)) for own in fields["weights"])
    return Candidate(weights, tuple(fields["activations"]), kinds)
