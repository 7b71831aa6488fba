"""An integer graph as a list of steps on blocks of samples: what the generated C++ file does.

Every value is stored with the samples of a block innermost, so that each step is scalar code
around loops of fixed length over samples, and moves of elements are moves of whole vectors.
Sums of products run in float32 where they stay below 2^24, in float64 below 2^53, else in int64:
all are exact, in any order.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Unsupported
from hlsgen.ir.graph import Node
from hlsgen.ir.hw import HwGraph, HwOp, IntType
from hlsgen.ops.hw.conv import Conv
from hlsgen.ops.hw.matmul import MatMul
from hlsgen.ops.hw.reshape import Reshape
from hlsgen.ops.hw.staircase import Staircase
from hlsgen.sim.native_stairs import Form

Array = NDArray[Any]
LIMIT = 1 << 62
CTYPES: dict[str, Any] = {
    "int8_t": np.int8, "uint8_t": np.uint8, "int16_t": np.int16, "uint16_t": np.uint16,
    "int32_t": np.int32, "int64_t": np.int64, "float": np.float32, "double": np.float64,
}  # fmt: skip
FLOAT_BYTES = 1 << 20  # a block of a value larger than this is kept in narrow integers


def ctype_of(lo: int, hi: int) -> str:
    """The narrowest C++ integer that holds [lo, hi]."""
    for name in ("uint8_t", "int8_t", "uint16_t", "int16_t", "int32_t", "int64_t"):
        info = np.iinfo(CTYPES[name])
        if info.min <= lo and hi <= info.max:
            return name
    raise Unsupported(f"integers of [{lo}, {hi}] need more than 64 bits")


def sum_ctype(magnitude: int) -> str:
    """The fastest type in which sums of products up to `magnitude` are exact."""
    for name, limit in (("float", 1 << 24), ("double", 1 << 53), ("int64_t", LIMIT)):
        if magnitude < limit:
            return name
    raise Unsupported(f"sums of products up to {magnitude} need more than 64 bits")


def integer_ctype(magnitude: int) -> str:
    """int32 or int64 for sums and products up to `magnitude`."""
    if magnitude >= LIMIT:
        raise Unsupported(f"integers up to {magnitude} need more than 64 bits")
    return "int32_t" if magnitude < 1 << 31 else "int64_t"


@dataclass(frozen=True, slots=True)
class Machine:
    """What the code is laid out for: bytes of a vector, and how many sums stay in registers."""

    vector_bytes: int = 64
    sums: int = 24


@dataclass(frozen=True, slots=True)
class Buffer:
    """A value of one block in the working memory: `size` elements for each sample."""

    ctype: str
    offset: int
    size: int
    lo: int
    hi: int

    @property
    def pointer(self) -> str:
        return f"(({self.ctype} *)(mem + {self.offset}))"


@dataclass(frozen=True, slots=True)
class Step:
    """One step; `template` names its C++ in templates/native."""

    @property
    def template(self) -> str:
        return f"native/{type(self).__name__.lower()}.cpp.j2"


@dataclass(frozen=True, slots=True)
class Stairs:
    """A staircase form with its parameters in place."""

    form: Form
    kind: str
    tables: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Gemm(Step):
    """Sums of products for tiles of rows by runs of positions, then a staircase or a plain store.

    Offsets count elements of a block. Shapes: weights (groups, tiles, depth, rows).
    """

    acc: str
    x: Buffer
    y: Buffer
    stairs: Stairs | None
    groups: int
    channels: int
    rows: int
    depth: int
    outer: int
    run: int
    positions: int
    x_step: int
    y_step: int
    x_group: int
    y_channel: int
    k_offset: str
    x_base: str
    y_base: str
    weights: str
    bias: str

    @property
    def tiles(self) -> int:
        """Row tiles of a group."""
        return -(-self.channels // self.rows)


@dataclass(frozen=True, slots=True)
class Curve(Step):
    """A staircase by itself, over runs of elements of one row."""

    x: Buffer
    y: Buffer
    stairs: Stairs
    runs: int
    starts: str
    rows: str


@dataclass(frozen=True, slots=True)
class Move(Step):
    """Elements copied in runs from one or more values, the rest filled with a constant."""

    y: Buffer
    parts: tuple[tuple[Buffer, int, str, str, str], ...]
    fills: tuple[int, str, str]
    value: int


@dataclass(frozen=True, slots=True)
class Fold(Step):
    """The sum, the greatest or the least of listed elements, from a start value."""

    kind: str
    acc: str
    x: Buffer
    y: Buffer
    initial: str
    starts: str
    index: str


@dataclass(frozen=True, slots=True)
class Pointwise(Step):
    """An element-wise operator; operands that broadcast come with an index table ("" if not)."""

    kind: str
    acc: str
    y: Buffer
    operands: tuple[tuple[Buffer, str, str], ...]
    low: str = "0"
    high: str = "0"
    zeros: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class Rank(Step):
    """The first `count` places (and values) along an axis in order; ties by `after`."""

    x: Buffer
    places: Buffer
    values: Buffer | None
    groups: int
    length: int
    inner: int
    count: int
    greatest: bool
    last: bool


@dataclass(frozen=True, slots=True)
class Streams(Step):
    """A product of two computed matrices."""

    acc: str
    a: Buffer
    b: Buffer
    y: Buffer
    zeros: tuple[int, int]
    lead: int
    sizes: tuple[int, int, int]
    a_base: str
    b_base: str


@dataclass(frozen=True, slots=True)
class Tables(Step):
    """Truth tables over bits of vectors: `count` vectors of `inputs` elements, `outputs` tables.

    Table j reads bit `bit` of element `operand` for each of its pins, start[j] up to start[j + 1];
    its values begin at first[j].
    """

    x: Buffer
    y: Buffer
    count: int
    inputs: int
    outputs: int
    start: str
    operand: str
    bit: str
    first: str
    values: str


@dataclass(frozen=True, slots=True)
class Fill(Step):
    """Constants, the same for every sample."""

    y: Buffer
    values: str


@dataclass(frozen=True, eq=False)
class Program:
    """Everything that the template and the loader need."""

    block: int
    machine: Machine
    memory: int
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    steps: tuple[Step, ...]
    params: tuple[Array, ...]


@dataclass(eq=False)
class Memory:
    """Places in the working memory, reused once nobody needs what is in them."""

    block: int
    total: int = 0
    live: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def take(self, name: str, ctype: str, size: int) -> int:
        """The lowest free place that is large enough, on a cache line."""
        need = -(-size * self.block * np.dtype(CTYPES[ctype]).itemsize // 64) * 64
        at = 0
        for begin, end in sorted(self.live.values()):
            if at + need <= begin:
                break
            at = max(at, end)
        self.live[name] = (at, at + need)
        self.total = max(self.total, at + need)
        return at

    def free(self, name: str) -> None:
        self.live.pop(name, None)


class Planner:
    """What planning needs to know of the graph, and the steps and parameters so far."""

    def __init__(self, graph: HwGraph, machine: Machine) -> None:
        self.graph = graph
        self.machine = machine
        spatial = any(_positions(graph, node) > 1 for node in graph.nodes)
        self.block = 16 if spatial else 32
        self.memory = Memory(self.block)
        self.params: list[Array] = []
        self.known: dict[tuple[str, bytes], str] = {}
        self.steps: list[Step] = []
        self.buffers: dict[str, Buffer] = {}
        self.root: dict[str, str] = {}
        for node in graph.nodes:
            if isinstance(node.op, Reshape):
                self.root[node.output] = self.resolve(node.inputs[0])
        self.fused: set[str] = set()

    def resolve(self, name: str) -> str:
        """The value in whose memory a value lies."""
        return self.root.get(name, name)

    def param(self, values: Array, ctype: str) -> str:
        """A C++ expression for a constant array."""
        array = np.ascontiguousarray(values, dtype=CTYPES[ctype])
        key = (ctype, array.tobytes())
        if key not in self.known:
            self.known[key] = f"((const {ctype} *)params[{len(self.params)}])"
            self.params.append(array)
        return self.known[key]

    def buffer(self, name: str) -> Buffer:
        """The memory of a value, taken when it is first asked for."""
        root = self.resolve(name)
        if root not in self.buffers:
            t = self.graph.types[root]
            ctype = self.storage(root, t)
            offset = self.memory.take(root, ctype, t.size)
            self.buffers[root] = Buffer(ctype, offset, t.size, t.min, t.max)
        return self.buffers[root]

    def scratch(self, ctype: str, size: int, t: IntType) -> Buffer:
        """Memory of this step only."""
        return Buffer(ctype, self.memory.take("", ctype, size), size, t.min, t.max)

    def storage(self, root: str, t: IntType) -> str:
        """Narrow integers, or float for small values that only products read."""
        if max(-t.min, t.max) >= LIMIT:
            raise Unsupported(f"value '{root}' of [{t.min}, {t.max}] needs more than 62 bits")
        users = [node for name in self.names(root) for node in self.graph.consumers.get(name, ())]
        readers = [node for node in users if not isinstance(node.op, Reshape)]
        small = t.size * self.block * 4 <= FLOAT_BYTES
        if small and readers and all(self.gemm_ctype(node) == "float" for node in readers):
            return "float"
        return ctype_of(t.min, t.max)

    def names(self, root: str) -> list[str]:
        """A value and its reshaped forms."""
        return [root, *(name for name, at in self.root.items() if at == root)]

    def gemm_ctype(self, node: Node[HwOp]) -> str:
        """The type of a node's sums of products, "" if it is no product with weights."""
        x = self.graph.types[node.inputs[0]] if node.inputs else None
        match node.op:
            case Conv() | MatMul() if x is not None:
                bias = int(np.abs(node.op.bias).max(initial=0))
                return sum_ctype(max(1, node.op.magnitude(x)) + bias)
            case _:
                return ""

    def staircase_after(self, node: Node[HwOp]) -> Node[HwOp] | None:
        """The staircase that alone reads a product's result, if its rows go by channel."""
        users = self.graph.consumers.get(node.output, ())
        if len(users) != 1 or node.output in self.graph.outputs:
            return None
        op, shape = users[0].op, self.graph.types[node.output].shape
        axis = len(shape) - 1 if isinstance(node.op, MatMul) else 1
        if not isinstance(op, Staircase):
            return None
        along = (n for a, n in enumerate(op.row.shape) if a != axis)
        return users[0] if all(n == 1 for n in along) else None

    def finish(self, inputs: Sequence[Buffer], outputs: Sequence[Buffer]) -> Program:
        return Program(
            self.block, self.machine, max(64, self.memory.total), tuple(inputs), tuple(outputs),
            tuple(self.steps), tuple(self.params),
        )  # fmt: skip


def _positions(graph: HwGraph, node: Node[HwOp]) -> int:
    """Vectors that share a weight in one sample."""
    shape = graph.types[node.output].shape
    match node.op:
        case Conv():
            return int(np.prod(shape)) // shape[1]
        case MatMul():
            return int(np.prod(shape)) // shape[-1]
        case _:
            return 1
