"""Conversion without C simulation: seconds and memory from 60 thousand to 4 million parameters.

Each network is an 8-bit Q/DQ multi-layer perceptron made here with random weights; each conversion
runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from contest import Table, finish, machine, one_thread, parser

one_thread()

import numpy as np  # noqa: E402

SIZES = ((784, 64, 64, 64, 10), (784, 256, 128, 10), (784, 512, 512, 512, 10),
         (1024, 1024, 1024, 1024, 1000))  # fmt: skip


def make(sizes: tuple[int, ...], path: Path) -> int:
    """A Q/DQ network in ONNX; returns its parameters."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rng = np.random.default_rng(0)
    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(value, name))
        return name

    def requantise(x: str, name: str, scale: float) -> str:
        s, z = constant(f"{name}_s", np.float32(scale)), constant(f"{name}_z", np.uint8(0))
        nodes.append(helper.make_node("QuantizeLinear", [x, s, z], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", s, z], [name]))
        return name

    x, count = requantise("x", "x0", 1 / 255), 0
    for i, (n, m) in enumerate(itertools.pairwise(sizes)):
        w = rng.integers(-127, 128, (n, m)).astype(np.int8)
        scale = constant(f"w{i}_s", np.float32(0.01 / n**0.5))
        nodes.append(
            helper.make_node("DequantizeLinear", [constant(f"w{i}", w), scale], [f"w{i}_f"])
        )
        bias = constant(f"b{i}", rng.normal(0, 0.1, m).astype(np.float32))
        nodes.append(helper.make_node("MatMul", [x, f"w{i}_f"], [f"m{i}"]))
        nodes.append(helper.make_node("Add", [f"m{i}", bias], [f"a{i}"]))
        nodes.append(helper.make_node("Relu", [f"a{i}"], [f"r{i}"]))
        x = requantise(f"r{i}", f"x{i + 1}", 0.02)
        count += n * m + m
    graph = helper.make_graph(
        nodes, "mlp",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, sizes[0]])],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, sizes[-1]])], constants,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)]), path)
    return count


def convert(model: Path, folder: Path) -> None:
    """Reads, lowers, writes a whole project; prints seconds and peak memory as JSON."""
    start, cpu = time.perf_counter(), time.process_time()
    from hlsgen.build.project import BuildOptions, build
    from hlsgen.emit.project import emit
    from hlsgen.frontends import read_model
    from hlsgen.passes.lower import lower

    marks = [time.process_time()]
    network = lower(read_model(model))
    marks.append(time.process_time())
    from csim_build import write

    write(emit(network), folder / "written")
    marks.append(time.process_time())
    wall, whole = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    started = time.process_time()
    build(model, folder / "built", BuildOptions(csim=False))
    print(
        json.dumps(
            {"wall": wall, "cpu": whole, "lower": marks[1] - marks[0], "emit": marks[2] - marks[1],
             "peak_mib": peak, "build": time.process_time() - started,
             "build_peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
        )
    )  # fmt: skip


def main() -> None:
    if len(sys.argv) == 4 and sys.argv[1] == "--convert":
        convert(Path(sys.argv[2]), Path(sys.argv[3]))
        return
    options: Any = parser(__doc__ or "").parse_args()
    print(machine())
    head = [
        "parameters",
        "CPU s",
        "wall s",
        "of it lowering",
        "of it writing",
        "CPU us a parameter",
    ]
    head += ["peak MiB", "build() without csim, CPU s", "its peak MiB"]
    table = Table("Conversion of Q/DQ networks (imports included)", head)
    for sizes in SIZES:
        with tempfile.TemporaryDirectory() as name:
            model = Path(name) / "model.onnx"
            count = make(sizes, model)
            runs = [run(model, Path(name) / f"run{k}") for k in range(min(3, options.repeat))]
        best = min(runs, key=lambda r: r["cpu"])
        table.add(
            f"{count:,}", best["cpu"], best["wall"], best["lower"], best["emit"],
            best["cpu"] / count * 1e6, best["peak_mib"], best["build"], best["build_peak_mib"],
        )  # fmt: skip
    finish([table], options.json)


def run(model: Path, folder: Path) -> dict[str, float]:
    folder.mkdir()
    command = [sys.executable, __file__, "--convert", str(model), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"conversion failed: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
