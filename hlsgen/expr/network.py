"""A lowered network: the integer graph, and what the host does before and after it."""

from __future__ import annotations

from dataclasses import dataclass, field

from hlsgen.errors import Loc
from hlsgen.expr.tree import Expr
from hlsgen.ir.hw import HwGraph
from hlsgen.ir.model import Model, Shape


@dataclass(frozen=True, eq=False)
class InputPort:
    """One hardware input: the integers of `prologue`, an expression of a network input's values."""

    value: str
    source: str
    prologue: Expr


@dataclass(frozen=True, eq=False)
class OutputPort:
    """One network output as an expression of hardware outputs; the epilogue on the host."""

    name: str
    shape: Shape
    dtype: str
    epilogue: Expr


@dataclass(frozen=True, eq=False)
class Origin:
    """The ONNX tensor that a hardware value holds: tensor = scale * value + offset."""

    value: str
    tensor: str
    scale: Expr
    offset: Expr
    loc: Loc


@dataclass(frozen=True, eq=False)
class Network:
    """Everything that the engines, the emitters and the reports need of a model.

    `rounded` holds, for each real network input with a declared or assumed format, the value that
    the network computes with: the reference has to be evaluated on that. `notes` are for the user.
    `exact` is the graph that equals the model where the user allowed `graph` to differ from it.
    """

    model: Model
    graph: HwGraph
    inputs: tuple[InputPort, ...]
    outputs: tuple[OutputPort, ...]
    origins: tuple[Origin, ...]
    rounded: dict[str, Expr] = field(default_factory=dict[str, Expr])
    notes: tuple[str, ...] = ()
    exact: HwGraph | None = None
