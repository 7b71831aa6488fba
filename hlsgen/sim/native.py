"""Co-simulation by generated C++: one file for a whole integer graph, compiled for this machine.

The file holds shapes and formats only; weights and other constants are handed over as arrays, so
that large networks compile as fast as small ones and retrained ones need no compilation.
"""

from __future__ import annotations

import ctypes
import re
import threading
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from numpy.typing import NDArray

from hlsgen.compiler import (
    cache_dir,
    compiler,
    compiler_version,
    digest,
    kept,
    processor,
    run_compiler,
)
from hlsgen.data import templates_dir
from hlsgen.errors import HlsgenError, OptionError, ToolMissing, Unsupported
from hlsgen.ir.hw import HwGraph
from hlsgen.sim.native_plan import CTYPES, Machine, Program
from hlsgen.sim.native_steps import program
from hlsgen.sim.run import run_graph

Array = NDArray[Any]
Engine = Callable[[Mapping[str, Array]], dict[str, Array]]

# No fused product and sum unless a function asks for it: staircases were proved with plain ones.
FLAGS = (
    "-std=c++14", "-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno",
    "-fno-trapping-math", "-shared", "-fPIC", "-w",
)  # fmt: skip


WHAT = "native simulation"


def machine() -> Machine:
    """Vectors of this processor."""
    if re.search(r"\bavx512f\b", processor()):
        return Machine(64, 24)
    return Machine(32, 12) if re.search(r"\bavx2?\b", processor()) else Machine(16, 12)


@cache
def _environment() -> Environment:
    # Generated text is C++, never HTML, so nothing is escaped here.
    return Environment(
        loader=FileSystemLoader(templates_dir()), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip


def source(made: Program) -> str:
    """The C++ file of a program."""
    sizes = {name: np.dtype(kind).itemsize for name, kind in CTYPES.items()}
    template = _environment().get_template("native/graph.cpp.j2")
    return template.render(program=made, sizes=sizes)


def compile_native(text: str) -> Path:
    """The shared object of a C++ file; equal files are compiled once, objects appear whole.

    Errors: ToolMissing without a compiler; HlsgenError with the compiler's first error.
    """
    command = [compiler(WHAT), *FLAGS]
    key = digest([*command, compiler_version(command[0]), processor(), text])

    def make(target: Path) -> None:
        run_compiler([*command, "-x", "c++", "-", "-o", target], f"the {WHAT}", text=text)

    return kept(cache_dir("native") / f"{key}.so", f"the {WHAT}", make)


def unavailable(graph: HwGraph) -> str | None:
    """Why the native engine cannot run this graph here, or None."""
    try:
        compiler(WHAT)
        program(graph, machine())
    except (ToolMissing, Unsupported) as error:
        return error.message
    return None


class NativeEngine:
    """A compiled integer graph: `run` returns what `sim.run.run_graph` returns.

    Errors: ToolMissing without a compiler; Unsupported where 64 bits do not suffice.
    """

    def __init__(self, graph: HwGraph) -> None:
        compiler(WHAT)
        self.graph = graph
        self.program = program(graph, machine())
        self._call = _loaded(compile_native(source(self.program))).hlsgen_run
        self._call.restype = ctypes.c_int64
        self._call.argtypes = [ctypes.c_void_p] * 4 + [ctypes.c_int64]
        self._params = _pointers(self.program.params)
        self._idle: list[Array] = []
        self._lock = threading.Lock()

    def run(self, codes: Mapping[str, Array]) -> dict[str, Array]:
        """Integers of the graph's outputs, samples along axis 0.

        Errors: OptionError for integers out of an input's range, or of another shape.
        """
        count = max((len(codes[name]) for name in self.graph.inputs), default=1)
        inputs = [self._input(name, codes[name], count) for name in self.graph.inputs]
        outputs = {
            name: np.empty((count, *self.graph.types[name].shape), dtype=np.int64)
            for name in self.graph.outputs
        }
        memory = self._take()
        wrong: int = self._call(
            _pointers(inputs), _pointers(outputs.values()), self._params,
            memory.ctypes.data + -memory.ctypes.data % 64, count,
        )  # fmt: skip
        with self._lock:
            self._idle.append(memory)
        if wrong:
            name = self.graph.inputs[int(wrong) - 1]
            t = self.graph.types[name]
            raise OptionError(f"input '{name}' holds integers beyond [{t.min}, {t.max}]")
        return outputs

    def _input(self, name: str, values: Array, count: int) -> Array:
        shape = (count, *self.graph.types[name].shape)
        if values.shape[1:] != shape[1:] or len(values) not in (1, count):
            raise OptionError(f"input '{name}' needs integers of shape {shape}, got {values.shape}")
        return np.ascontiguousarray(np.broadcast_to(values, shape), dtype=np.int64)

    def _take(self) -> Array:
        """Working memory of one call: kept for the next one, never shared by two."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return np.zeros(self.program.memory + 64, dtype=np.uint8)


def fastest(graph: HwGraph) -> tuple[Engine, str]:
    """The native engine, or the one in numpy and the reason why."""
    try:
        return NativeEngine(graph).run, ""
    except HlsgenError as error:
        return lambda codes: run_graph(graph, codes), error.message


def _loaded(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise HlsgenError(f"cannot load the native simulation {path}: {error}") from error


def _pointers(arrays: Any) -> Any:
    """A C array of the arrays' addresses."""
    addresses = [array.ctypes.data for array in arrays]
    return (ctypes.c_void_p * max(1, len(addresses)))(*addresses)
