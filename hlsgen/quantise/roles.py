"""Where quantisers stand: behind every layer, sum and activation, as late as one reader allows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from hlsgen.errors import Unsupported
from hlsgen.quantise.graph import FloatGraph, Step

# Values are moved or chosen, none is made: codes pass through with their scale.
MOVES = frozenset(
    {
        *("Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", "Slice", "Identity"),
        *("MaxPool", "GlobalMaxPool", "Split", "Gather", "DepthToSpace", "SpaceToDepth", "Tile"),
        *("Expand", "Pad", "Resize"),
    }
)
# Functions of one value, element by element; with them, sums and products with a constant.
UNARY = frozenset(
    {
        *("Relu", "LeakyRelu", "PRelu", "Clip", "Sigmoid", "Tanh", "HardSigmoid", "HardSwish"),
        *("Elu", "Selu", "Celu", "Softplus", "Softsign", "Gelu", "Mish", "ThresholdedRelu"),
        *("Abs", "Neg", "Exp", "Log", "Sqrt", "Erf", "BatchNormalization", "Floor", "Ceil"),
    }
)
_ARITHMETIC = frozenset({"Add", "Sub", "Mul", "Div", "Min", "Max", "Pow"})
# New values out of several.
JOINS = frozenset(
    {
        *("Add", "Sub", "Mul", "Min", "Max", "Sum", "Mean", "Concat", "AveragePool", "MatMul"),
        *("GlobalAveragePool", "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "Gemm"),
    }
)
# What the host computes at the end.
ENDS = frozenset({"Softmax", "LogSoftmax", "ArgMax", "TopK", "Sigmoid", "Tanh"})


@dataclass(frozen=True, eq=False)
class Roles:
    """Which values of a graph get a quantiser."""

    graph: FloatGraph

    @cached_property
    def readers(self) -> dict[str, list[Step]]:
        return self.graph.readers()

    @cached_property
    def makers(self) -> dict[str, Step]:
        return self.graph.makers()

    def quantised(self) -> tuple[str, ...]:
        """The values with a quantiser, in order of evaluation.

        1. Every network input has one.
        2. Layers, joins and element-wise functions have one behind them, unless an element-wise
           function alone reads their value, directly or moved: then it stands behind that one.
        3. Moved values keep the codes that they are moved from.
        4. The sums of a last layer stay whole where only the host reads them.
        Errors: Unsupported for an operator that has no integers.
        """
        found = [name for name in self.graph.inputs if not self._for_host(name)]
        for step in self.graph.steps:
            if self._is_end(step):
                continue
            _check(step, self.graph)
            for name in step.outputs:
                if name and self._makes(step) and not self._late(name, step):
                    found.append(name)
        return tuple(found)

    def source(self, name: str) -> str:
        """The value whose quantiser made the codes of this one."""
        step = self.makers.get(name)
        while step is not None and moves(step, self.graph):
            name = self.graph.data(step)[0]
            step = self.makers.get(name)
        return name

    def quantiser_behind(self, name: str) -> str | None:
        """The value behind a layer's chain of functions that has its quantiser; None: the host's.

        Shapes are not kept: the chain may hold pools and movements.
        """
        wanted = set(self.quantised())
        while name not in wanted:
            readers = self.readers.get(name, [])
            if len(readers) != 1 or self._is_end(readers[0]):
                return None
            name = readers[0].output
        return name

    def _makes(self, step: Step) -> bool:
        return not moves(step, self.graph)

    def _late(self, name: str, step: Step) -> bool:
        """A function behind has the quantiser, or the host reads the sums of a last layer."""
        return self._chained(name) or (step.is_layer and self._for_host(name))

    def _chained(self, name: str) -> bool:
        readers = self.readers.get(name, [])
        if len(readers) != 1 or name in self.graph.outputs or self._is_end(readers[0]):
            return False
        reader = readers[0]
        if is_function(reader, self.graph):
            return True
        return (
            moves(reader, self.graph) and len(reader.outputs) == 1 and self._chained(reader.output)
        )

    def _for_host(self, name: str) -> bool:
        """Nothing but the network's ends read this value."""
        return all(
            self._is_end(step)
            or (moves(step, self.graph) and all(map(self._for_host, step.outputs)))
            for step in self.readers.get(name, [])
        )

    def _is_end(self, step: Step) -> bool:
        return step.op in ENDS and all(
            name in self.graph.outputs and not self.readers.get(name) for name in step.outputs
        )


def moves(step: Step, graph: FloatGraph) -> bool:
    """The step moves or chooses values of one operand and makes none."""
    if step.op not in MOVES or len(graph.data(step)) != 1:
        return False
    if step.op == "Resize":
        return step.attribute("mode", b"nearest") == b"nearest"
    if step.op == "Pad":
        value = step.inputs[2] if len(step.inputs) > 2 else ""
        return not value or not graph.constants[value].any()
    return True


def is_function(step: Step, graph: FloatGraph) -> bool:
    """An element-wise function of one value."""
    return not step.is_layer and len(graph.data(step)) == 1 and step.op in UNARY | _ARITHMETIC


def _check(step: Step, graph: FloatGraph) -> None:
    if step.is_layer or moves(step, graph) or is_function(step, graph):
        return
    if step.op in JOINS or step.op in MOVES:
        return
    raise Unsupported(
        f"{step.op} has no integers here and cannot be quantised; end the network before it",
        step.loc,
    )
