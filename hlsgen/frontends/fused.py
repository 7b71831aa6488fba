"""Operators of com.microsoft that onnxruntime's optimiser fuses: a product and its activation."""

from __future__ import annotations

from hlsgen.errors import Unsupported
from hlsgen.frontends.activations import clip, leaky_relu, relu
from hlsgen.frontends.call import Call, Reader
from hlsgen.frontends.matrices import gemm
from hlsgen.frontends.windows import conv
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.linear import MatMul


def _activated(call: Call, y: str, name: str, parameters: tuple[float, ...]) -> str:
    match name:
        case "":
            return y
        case "Relu":
            return relu(call, y)
        case "Sigmoid":
            return call.apply(Fn.SIGMOID, y)
        case "Tanh":
            return call.apply(Fn.TANH, y)
        case "LeakyRelu":
            return leaky_relu(call, y, parameters[0])
        case "Clip":
            return clip(call, y, parameters[0], parameters[1])
        case _:
            raise Unsupported(f"the fused activation '{name}'")


def read_fused_conv(call: Call) -> None:
    """FusedConv: Conv, an optional sum with a fourth input, an activation."""
    y = conv(call, call.input(0), call.input(1), call.input(2) if call.has(2) else None)
    y = call.apply(Fn.ADD, y, call.input(3)) if call.has(3) else y
    known = call.has_attribute("activation_params")
    parameters = call.numbers("activation_params") if known else ()
    call.give(_activated(call, y, call.text("activation", ""), parameters))


def read_fused_gemm(call: Call) -> None:
    """FusedGemm: Gemm and an activation."""
    y = gemm(call, call.input(0), call.input(1), call.input(2) if call.has(2) else None)
    parameters = (call.number("activation_alpha", 0.0), call.number("activation_beta", 0.0))
    call.give(_activated(call, y, call.text("activation", ""), parameters))


def read_fused_matmul(call: Call) -> None:
    """FusedMatMul: alpha * A' B' of stacks of matrices."""
    if call.integer("transBatchA", 0) or call.integer("transBatchB", 0):
        raise Unsupported("transposed batches")
    sides: list[str] = []
    for index, name in enumerate(("transA", "transB")):
        rank = len(call.shape(index))
        swapped = call.integer(name, 0) and rank > 1
        perm = (*range(rank - 2), rank - 1, rank - 2)
        sides.append(call.transpose(call.input(index), perm) if swapped else call.input(index))
    y, alpha = call.add(MatMul(), *sides), call.number("alpha", 1.0)
    call.give(y if alpha == 1.0 else call.apply(Fn.MUL, y, alpha))


MICROSOFT: dict[str, Reader] = {
    "FusedConv": read_fused_conv,
    "FusedGemm": read_fused_gemm,
    "FusedMatMul": read_fused_matmul,
}
