"""What the benchmarks share: CPU time of the best of several runs, the machine, tables, peers."""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
CORPUS = HERE.parents[1] / "shared" / "corpus"
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def one_thread() -> None:
    """Every library gets one thread; call it before numpy is imported."""
    os.environ.update(dict.fromkeys(THREADS, "1"))
    for name in ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"):
        os.environ.pop(name, None)  # set on some machines, and slow


def parser(text: str) -> argparse.ArgumentParser:
    """Options that all benchmarks have."""
    found = argparse.ArgumentParser(description=text)
    found.add_argument("--corpus", type=Path, default=CORPUS, help="folder of the corpus models")
    found.add_argument(
        "--peer-python", default=sys.executable,
        help="a Python that has hls4ml and qonnx (pip install 'hlsgen[bench]'); default: this one",
    )  # fmt: skip
    found.add_argument("--repeat", type=int, default=9, help="runs, of which the best counts")
    found.add_argument("--json", type=Path, help="write the figures there, too")
    return found


def best_cpu(run: Callable[[], Any], repeat: int) -> float:
    """Least CPU seconds of this process and its threads over several runs."""
    best = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return best


def whole_cpu() -> float:
    """CPU seconds of this process and of the children it has waited for."""
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def machine() -> str:
    """Processor, cores, load, system and versions in two lines."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        model = re.search(r"model name\s*:\s*(.*)", info.read_text()).group(1)  # type: ignore[union-attr]
    gpp = subprocess.run(["g++", "--version"], capture_output=True, text=True, check=False)
    line = f"{model}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {platform.system()}"
    return f"{line}; one thread each, CPU time\n{gpp.stdout.splitlines()[0]}, {versions()}"


def versions() -> str:
    from importlib.metadata import PackageNotFoundError, version

    found = [f"Python {platform.python_version()}"]
    for name in ("numpy", "onnx", "onnxruntime"):
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def blas() -> str:
    """Which kernel numpy's BLAS runs, if threadpoolctl is there to ask."""
    try:
        from threadpoolctl import threadpool_info
    except ImportError:
        return "BLAS kernel unknown (pip install threadpoolctl)"
    return ", ".join(
        f"{i['internal_api']} {i['version']} {i.get('architecture', '')} x{i['num_threads']}"
        for i in threadpool_info()
    )


def peer(python: str, script: str, *arguments: str) -> dict[str, Any]:
    """What benchmarks/peers/<script> prints as JSON, or {"skipped": reason}."""
    if shutil.which(python) is None:
        return {"skipped": f"{script} skipped: no {python}; --peer-python names a Python with it"}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [python, str(HERE / "peers" / script), *arguments],
            capture_output=True, text=True, check=False, cwd=folder,
        )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = (done.stderr.strip().splitlines() or ["no output"])[-1]
        return {"skipped": f"{script}: {said}"}
    return json.loads(lines[-1])


@dataclass
class Table:
    """Rows of text under a title, printed at the end and kept for --json."""

    title: str
    head: Sequence[str]
    rows: list[Sequence[str]] = field(default_factory=list)

    def add(self, *cells: object) -> None:
        self.rows.append([f"{c:,.3g}" if isinstance(c, float) else str(c) for c in cells])

    def show(self) -> None:
        print(f"\n{self.title}\n")
        lines = [self.head, ["---"] * len(self.head), *self.rows]
        for line in lines:
            print("| " + " | ".join(line) + " |")


def finish(tables: Sequence[Table], target: Path | None) -> None:
    for table in tables:
        table.show()
    if target is not None:
        found = {t.title: {"head": list(t.head), "rows": [list(r) for r in t.rows]} for t in tables}
        target.write_text(json.dumps({"machine": machine(), "tables": found}, indent=1))
