"""hls4ml's own C simulation of one model: conversion, g++, and samples per second.

Prints one line of JSON. Arguments: model.onnx inputs.npz samples repeat [--no-softmax].
"""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from pathlib import Path

try:
    import hls4ml
    import numpy as np
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.util.cleanup import cleanup_model
except ImportError as error:
    sys.exit(f"hls4ml skipped ({error}): pip install 'hlsgen[bench]' in a venv of its own")

LOOP = """typedef void (*function)(float *, float *);
extern "C" void loop(function f, float *x, float *y, long n, long i, long o) {
  for (long k = 0; k < n; ++k) f(x + k * i, y + k * o);
}"""


def cpu() -> float:
    t = os.times()
    return t.user + t.system + t.children_user + t.children_system


def load(path: str, softmax: bool) -> ModelWrapper:
    model = cleanup_model(ModelWrapper(path))
    last = model.graph.node[-1]
    if not softmax and last.op_type == "Softmax":
        model.graph.output[0].name = last.input[0]
        model.graph.node.remove(last)
    return model


def shim(folder: Path) -> ctypes.CDLL:
    """A loop over samples in C, so that no Python call per sample is counted."""
    (folder / "loop.cpp").write_text(LOOP)
    target = folder / "loop.so"
    command = ["g++", "-O3", "-shared", "-fPIC", str(folder / "loop.cpp"), "-o", str(target)]
    subprocess.run(command, check=True)
    return ctypes.CDLL(str(target))


def best(run, repeat: int) -> float:
    found = float("inf")
    for _ in range(repeat):
        start = time.process_time()
        run()
        found = min(found, time.process_time() - start)
    return found


def main() -> None:
    path, inputs, samples, repeat = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    folder = Path.cwd() / "project"
    start = cpu()
    model = load(path, "--no-softmax" not in sys.argv)
    config = hls4ml.utils.config_from_onnx_model(
        model, granularity="name", backend="Vitis", default_precision="fixed<16,6>"
    )
    made = hls4ml.converters.convert_from_onnx_model(
        model, output_dir=str(folder), backend="Vitis", hls_config=config, io_type="io_parallel"
    )
    made.write()
    converted = cpu()
    made.compile()
    compiled = cpu()
    x = next(iter(np.load(inputs).values())).astype(np.float32)
    x = np.ascontiguousarray(x.reshape(len(x), -1)[np.arange(samples) % len(x)])
    y = np.asarray(made.predict(x[:1])).reshape(1, -1).astype(np.float32).repeat(samples, axis=0)
    function = made._get_top_function(x[:1])[0]  # as predict() calls it
    call = ctypes.cast(function, ctypes.c_void_p)
    loop = shim(folder).loop
    size = (ctypes.c_long(samples), ctypes.c_long(x.shape[1]), ctypes.c_long(y.shape[1]))
    address = [ctypes.c_void_p(v.ctypes.data) for v in (x, y)]
    in_c = best(lambda: loop(call, *address, *size), repeat)
    in_python = best(lambda: made.predict(x), max(1, repeat // 3))
    result = {
        "version": hls4ml.__version__, "convert_cpu": converted - start,
        "build_cpu": compiled - converted, "loop": samples / in_c, "predict": samples / in_python,
        "first": y[0].tolist(),
    }  # fmt: skip
    print(json.dumps(result))


main()
