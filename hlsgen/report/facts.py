"""What a report says of a project, as data: the page shows it, `hlsgen report --json` prints it.

Every number was counted on the design, computed by a schedule or a cost model (`estimate`), or
measured by a tool (`measured`, with the command); what nobody computed is None and is not shown.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

FORMAT = 1  # raised whenever a reader of an older report would misunderstand a newer one
FRAMES = 3  # frames of a timeline: the first fills the pipeline, the others run


@dataclass(frozen=True, slots=True)
class Tensor:
    """Integers on wires: `bits` each, all in [low, high]."""

    name: str
    shape: tuple[int, ...]
    format: str
    bits: int
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Border:
    """A network input or output; `codes` says how its real values and the codes belong together."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    ports: tuple[Tensor, ...]
    codes: str
    on_host: bool


@dataclass(frozen=True, slots=True)
class Staircase:
    """How a requantisation is made, and over which inputs it was compared with its steps."""

    realisation: str
    functions: int
    steps: int
    low: int
    high: int
    checked: str


@dataclass(frozen=True, slots=True)
class Sums:
    """Range and format of a product, of the accumulator, and how many adders were bounded."""

    term: str
    accumulator: str
    adders: int


@dataclass(frozen=True, slots=True)
class Weights:
    """Constants of a layer; `bits` of all of them together in the format named."""

    shape: tuple[int, ...]
    count: int
    format: str
    bits: int


@dataclass(frozen=True, slots=True)
class Logic:
    """A layer of the SystemVerilog: `luts` estimated, in clocks `entry` to `exit`.

    `with_` names the operators that stand in the same modules, the layer's own among them.
    """

    module: str
    luts: float
    copies: int
    entry: int
    exit: int
    with_: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fabric:
    """What a streamed operator takes by the cost model: its own function, and what leads to it.

    `between` are its windows, width converters, forks and the FIFOs in front of all these, in the
    order of `own`: LUT, FF, DSP, BRAM18, URAM. `memory` is where its weights stand, "" without.
    """

    own: tuple[float, ...]
    between: tuple[float, ...]
    memory: str

    @property
    def all(self) -> tuple[float, ...]:
        """Both together."""
        return tuple(a + b for a, b in zip(self.own, self.between, strict=True))


@dataclass(frozen=True, slots=True)
class Layer:
    """One hardware operator; `pe` and `simd` outputs and inputs a clock, `cycles` of a frame."""

    index: int
    name: str
    operator: str
    node: str
    onnx_name: str
    inputs: tuple[str, ...]
    outputs: tuple[Tensor, ...]
    detail: str
    multiplications: int
    weights: Weights | None
    arithmetic: str | None
    sums: Sums | None
    staircase: Staircase | None
    pe: int | None
    simd: int | None
    cycles: int | None
    logic: Logic | None
    fabric: Fabric | None


@dataclass(frozen=True, slots=True)
class Span:
    """Cycles in which a process or a layer has moved the first and the last token of a frame."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a streamed design; `layer` is the operator that it serves, "" for a port.

    `role` is what a helper does for it, "" for the operator's own function.
    """

    name: str
    layer: str
    role: str
    work: int
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Fifo:
    """A FIFO: `bits` of a beat, `depth` beats; writer and reader are names of processes."""

    name: str
    writer: str
    reader: str
    bits: int
    depth: int


@dataclass(frozen=True, slots=True)
class Streaming:
    """The schedule of a streamed design, an estimate: stalls of pipelines are the HLS tool's.

    `shell` is what the resources around the kernel are taken to be, in the order of `Fabric.own`.
    All this is of one of the compute units; `frames_per_second_of_all` is what they give together.
    Units: cycles. `no_spans` says why the first frames were not followed, "" where they were.
    """

    interval: int
    latency: int
    frames_per_second: float
    bottlenecks: tuple[str, ...]
    processes: tuple[Process, ...]
    fifos: tuple[Fifo, ...]
    no_spans: str
    shell: tuple[float, ...]
    frames_per_second_of_all: float


@dataclass(frozen=True, slots=True)
class Stage:
    """A layer of the pipeline, the operators in it and its first frames, in clocks."""

    name: str
    operators: tuple[str, ...]
    luts: float
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The SystemVerilog of a parallel network: one frame a clock.

    `latency` in clocks and `register_bits` are counted; `luts` and `delay_ns`, without registers,
    are estimates. `emitted` says whether the project holds it.
    """

    latency: int
    clock_ns: float
    frames_per_second: float
    delay_ns: float
    register_bits: int
    luts: float
    stages: tuple[Stage, ...]
    emitted: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """What a synthesis tool counted, with the command that did it."""

    command: str
    tool: str
    latency: int
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A compute unit; `slr` is its die, "" on devices of one and where it needs several."""

    name: str
    slr: str


@dataclass(frozen=True, slots=True)
class Share:
    """An SLR; `taken` is the estimate of the units on it, None where units have no die."""

    name: str
    amount: int
    taken: float | None


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of resource: what the board has and what the design takes.

    `estimate` is of all compute units, `measured` of one.
    """

    name: str
    budget: int
    slrs: tuple[Share, ...]
    estimate: float | None
    measured: int | None


@dataclass(frozen=True, slots=True)
class BoardFacts:
    """The board; `source` says where its numbers are from."""

    name: str
    title: str
    part: str
    source: str
    resources: tuple[Resource, ...]
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bits that the design holds: weights, FIFOs, registers; and those of the board's memories."""

    weight_bits: int
    fifo_bits: int
    bram_bits: int
    uram_bits: int


@dataclass(frozen=True, slots=True)
class EngineResult:
    """Output elements of an engine against the reference."""

    name: str
    elements: int
    equal: int
    explained: int
    approximated: int
    wrong: int
    first_wrong: str


@dataclass(frozen=True, slots=True)
class Verified:
    """`verdict` is verified, unverified or wrong; `reason` says so in a sentence."""

    verdict: str
    reason: str
    engines: tuple[EngineResult, ...]
    seconds: float | None


@dataclass(frozen=True, slots=True)
class Proof:
    """What proof.json proves, and whether it and the sources are what hlsgen makes of the model."""

    values: int
    adders: int
    staircases: int
    functions: int
    steps: int
    differing_layers: tuple[str, ...]
    changed_files: tuple[str, ...]
    compared_files: int


@dataclass(frozen=True, slots=True)
class Digest:
    """SHA-256 of a file, or of all files of a folder by name and content."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Report:
    """All facts of a project."""

    folder: str
    hlsgen: str
    model: str
    dialect: str
    model_sha256: str
    operators: int
    multiplications: int
    options: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]
    verification: Verified
    proof: Proof
    inputs: tuple[Border, ...]
    outputs: tuple[Border, ...]
    layers: tuple[Layer, ...]
    streaming: Streaming | None
    pipeline: Pipeline | None
    no_pipeline: str
    measured: Measured | None
    board: BoardFacts
    memory: Memory
    digests: tuple[Digest, ...]

    def to_json(self) -> dict[str, Any]:
        """The documented form: names of the fields as here, tuples as lists."""
        return {"format": FORMAT, "kind": "report", **asdict(self)}
