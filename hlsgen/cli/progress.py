"""Progress of a command on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # heavy modules are imported by the commands that need them
    from hlsgen.build.project import Stage


@contextmanager  # pyright: ignore[reportDeprecated]
def progress(*, show: bool) -> Iterator[Stage]:
    """A progress line on a terminal; silence elsewhere."""
    if not show or not sys.stderr.isatty():
        yield lambda stage, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:10}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("starting", total=None)

        def observe(stage: str, share: float) -> None:
            bars.update(task, description=stage, completed=share, total=1 if share else None)

        yield observe
