"""Building the C simulation of a small MLP: CPU seconds of hlsgen and of hls4ml."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import Any

from contest import Table, finish, machine, one_thread, parser, peer, whole_cpu

one_thread()

from hlsgen.build.gpp import compile_csim  # noqa: E402
from hlsgen.emit.project import emit  # noqa: E402
from hlsgen.frontends import read_model  # noqa: E402
from hlsgen.passes.lower import lower  # noqa: E402
from hlsgen.sim.native import compile_native, source  # noqa: E402
from hlsgen.sim.native import machine as vectors  # noqa: E402
from hlsgen.sim.native_steps import program  # noqa: E402

JET = "qonnx_jet_3l_6b"


def write(files: dict[str, str | bytes], folder: Path) -> None:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)


def own(model: Path, table: Table, repeat: int) -> float:
    """Conversion, then g++ on the emitted project and on the native engine's file, uncached."""
    best = [float("inf")] * 3
    for attempt in range(repeat):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "project"
            marks = [whole_cpu()]
            network = lower(read_model(model))
            write(emit(network), folder)
            marks.append(whole_cpu())
            (folder / "build").mkdir(exist_ok=True)
            compile_csim(folder, cached=False)
            marks.append(whole_cpu())
            text = source(program(network.graph, vectors()))
            made = compile_native(f"{text}// attempt {attempt} of a benchmark: {name}\n")
            marks.append(whole_cpu())
            made.unlink()
        steps = [b - a for a, b in itertools.pairwise(marks)]
        best = [min(a, b) for a, b in zip(best, steps, strict=True)]
    table.add("hlsgen: read, lower, write project", best[0], "")
    table.add("hlsgen: native engine (plan, g++ -O3)", best[2], "")
    table.add("hlsgen: csim of the project (g++)", best[1], "1")
    return best[1]


def main() -> None:
    options: Any = parser(__doc__ or "").parse_args()
    print(machine())
    folder = options.corpus / JET
    table = Table(f"C simulation of {JET}", ["step", "CPU s, best", "times hlsgen's csim"])
    ours = own(folder / "model.onnx", table, min(options.repeat, 5))
    for text, extra in (("", ()), (", softmax removed", ("--no-softmax",))):
        found = [
            peer(options.peer_python, "hls4ml_csim.py", str(folder / "model.onnx"),
                 str(folder / "inputs.npz"), "64", "1", *extra)
            for _ in range(2)
        ]  # fmt: skip
        if "skipped" in found[0]:
            print(found[0]["skipped"])
            continue
        name = f"hls4ml {found[0]['version']}{text}"
        table.add(f"{name}: convert and write", min(f["convert_cpu"] for f in found), "")
        build = min(f["build_cpu"] for f in found)
        table.add(f"{name}: compile()", build, f"{build / ours:.2f}")
    finish([table], options.json)


if __name__ == "__main__":
    main()
