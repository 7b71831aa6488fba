"""Who evaluates: the workers of a Dask cluster."""

from __future__ import annotations

import threading
from asyncio import CancelledError
from typing import Any

import hlsgen
from hlsgen.errors import HlsgenError, OptionError, ToolMissing
from hlsgen.explore.evaluate import Job, Task, run_job
from hlsgen.explore.executor import Done, Failed, Lost, Result

SCHEME = "dask://"
_WAIT_S = 10


class Cluster:
    """A Dask scheduler and its workers; a worker that dies is made up for by the others."""

    def __init__(self, task: Task, address: str) -> None:
        """Errors: ToolMissing without Dask; OptionError where no scheduler or worker answers."""
        try:
            import distributed
        except ImportError as error:
            message = "--executor dask:// needs Dask: pip install 'hlsgen[search]'"
            raise ToolMissing(message) from error
        self.address = "tcp://" + address.removeprefix(SCHEME)
        self._library: Any = distributed
        try:
            self._client: Any = self._library.Client(self.address, timeout=_WAIT_S)
        except (OSError, TimeoutError, ValueError) as error:
            raise OptionError(
                f"no Dask scheduler answers at {self.address}: start `dask scheduler`, or mend "
                "--executor"
            ) from error
        try:
            self._client.wait_for_workers(1, timeout=_WAIT_S)
        except (TimeoutError, OSError) as error:
            self._client.close()
            raise OptionError(
                f"the Dask scheduler at {self.address} has no workers: start `dask worker "
                f"{self.address}`"
            ) from error
        self._same_version()
        self._task = task
        self._shared: Any = self._client.scatter(task, broadcast=True)
        self._lock = threading.Lock()
        self._pending: set[Any] = set()
        self.capacity = self._capacity()

    def _capacity(self) -> int:
        """A job more for each thread than it works on, so that none waits for this process."""
        return 2 * max(sum(self._client.nthreads().values()), 1)

    def _same_version(self) -> None:
        try:
            found = self._client.run(_version)
        except Exception as error:  # whatever unpickling ended in over there
            self._client.close()
            text = f"a Dask worker of {self.address} cannot load hlsgen: {error}"
            raise OptionError(text) from error
        other = {version for version in found.values() if version != hlsgen.__version__}
        if other:
            self._client.close()
            raise OptionError(
                f"Dask workers of {self.address} have hlsgen {', '.join(sorted(other))}, here is "
                f"{hlsgen.__version__}: install the same"
            )

    def submit(self, job: Job, done: Done) -> None:
        try:
            if self._shared.status != "finished":  # the workers that held it are gone
                self._shared = self._client.scatter(self._task, broadcast=True)
            future = self._client.submit(run_job, self._shared, job, pure=False)
        except (OSError, TimeoutError) as error:  # CommClosedError is one
            raise self._gone() from error
        with self._lock:
            self._pending.add(future)

        def back(future: Any) -> None:
            with self._lock:
                self._pending.discard(future)
            done(self._result(future))

        future.add_done_callback(back)

    def _result(self, future: Any) -> Result:
        if future.status == "finished":
            try:
                return future.result()
            except (Exception, CancelledError) as error:  # its worker died before it was fetched
                return Lost(f"Dask lost its result: {error}")
        if future.status != "error":
            return Lost(f"Dask says {future.status}")
        error = future.exception()
        if isinstance(error, self._library.scheduler.KilledWorker):
            return Lost("its worker died")
        return Failed(error)

    def check(self) -> None:
        if self._client.status != "running":
            raise self._gone()
        try:
            self.capacity = self._capacity()  # workers come and go
        except (OSError, TimeoutError) as error:
            raise self._gone() from error

    def _gone(self) -> HlsgenError:
        return HlsgenError(
            f"the Dask scheduler at {self.address} went away; all outcomes so far are in the "
            "study: start a scheduler and the same command again"
        )

    def close(self) -> None:
        self._client.close()


def _version() -> str:
    return hlsgen.__version__
