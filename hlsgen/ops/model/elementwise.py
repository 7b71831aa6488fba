"""Functions of one element each, with numpy broadcasting."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelOp, ModelType
from hlsgen.ops.model.shapes import broadcast, common_dtype


class Fn(StrEnum):
    """The elementary functions that every activation is written in."""

    ADD = "add"
    SUB = "sub"
    MUL = "mul"
    DIV = "div"  # exact quotient of reals
    INT_DIV = "int_div"  # quotient of integers, truncated toward zero
    MOD = "mod"  # sign of the divisor, as Python and ONNX Mod with fmod = 0
    POW = "pow"
    MAX = "max"
    MIN = "min"
    EQUAL = "equal"
    LESS = "less"
    LESS_EQUAL = "less_equal"
    GREATER = "greater"
    GREATER_EQUAL = "greater_equal"
    AND = "and"
    OR = "or"
    XOR = "xor"
    NOT = "not"
    WHERE = "where"  # inputs (condition, then, otherwise)
    NEG = "neg"
    ABS = "abs"
    SIGN = "sign"
    SQRT = "sqrt"
    EXP = "exp"
    LOG = "log"
    ERF = "erf"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SOFTPLUS = "softplus"
    FLOOR = "floor"
    CEIL = "ceil"
    ROUND = "round"  # half to even
    TRUNC = "trunc"  # toward zero

    @property
    def arity(self) -> int:
        """How many operands the function takes."""
        if self is Fn.WHERE:
            return 3
        return 1 if self in UNARY else 2


UNARY = frozenset(
    {Fn.NOT, Fn.NEG, Fn.ABS, Fn.SIGN, Fn.SQRT, Fn.EXP, Fn.LOG, Fn.ERF, Fn.SIGMOID}
    | {Fn.TANH, Fn.SOFTPLUS, Fn.FLOOR, Fn.CEIL, Fn.ROUND, Fn.TRUNC}
)
TO_BOOL = frozenset(
    {Fn.EQUAL, Fn.LESS, Fn.LESS_EQUAL, Fn.GREATER, Fn.GREATER_EQUAL}
    | {Fn.AND, Fn.OR, Fn.XOR, Fn.NOT}
)


@dataclass(frozen=True, slots=True)
class Elementwise(ModelOp):
    """y[i] = fn(a[i], b[i], ...) after numpy broadcasting.

    Shapes: any -> their broadcast.
    Source: ONNX Add, Sub, Mul, Div, Max, Where, ... (opset 7 to 23).
    """

    fn: Fn

    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """The types of the outputs."""
        if len(inputs) != self.fn.arity:
            raise ModelError(f"{self.fn} takes {self.fn.arity} inputs, got {len(inputs)}")
        shape = broadcast(*(item.shape for item in inputs))
        if self.fn in TO_BOOL:
            return (ModelType(shape, "bool"),)
        values = inputs[1:] if self.fn is Fn.WHERE else inputs
        return (ModelType(shape, common_dtype(*values)),)
