"""FINN's and qonnx's own layers: thresholds, XNOR products; FINN's hardware nodes are refused."""

from __future__ import annotations

from hlsgen.errors import Unsupported
from hlsgen.frontends.call import Call, Reader
from hlsgen.ops.model.elementwise import Fn
from hlsgen.ops.model.linear import MatMul
from hlsgen.ops.model.threshold import CountThresholds


def read_multi_threshold(call: Call) -> None:
    """out_scale * (number of thresholds <= x) + out_bias."""
    thresholds = call.input(1)
    call.constant(1, "thresholds")
    last = call.text("data_layout", "NCHW").endswith("C")
    axis = len(call.shape()) - 1 if last else 1
    y = call.add(CountThresholds(axis), call.input(), thresholds)
    scale, bias = call.number("out_scale", 1.0), call.number("out_bias", 0.0)
    y = y if scale == 1.0 else call.apply(Fn.MUL, y, scale)
    call.give(y if bias == 0.0 else call.apply(Fn.ADD, y, bias))


def read_xnor_popcount_matmul(call: Call) -> None:
    """((2a - 1) @ (2b - 1) + K) / 2 for a, b of 0 and 1."""
    bipolar = [
        call.apply(Fn.SUB, call.apply(Fn.MUL, call.input(index), 2.0), 1.0) for index in (0, 1)
    ]
    y = call.add(MatMul(), *bipolar)
    y = call.apply(Fn.ADD, y, float(call.shape(0)[-1]))
    call.give(call.apply(Fn.MUL, y, 0.5))


def refuse_hardware_node(call: Call) -> None:
    """Nodes of FINN's own back end carry folded, packed parameters."""
    raise Unsupported(
        f"{call.proto.op_type} is a node of FINN's own back end; give the model as it was "
        "before FINN converted it to hardware layers (after streamlining at the latest)"
    )


READERS: dict[str, Reader] = {
    "MultiThreshold": read_multi_threshold,
    "XnorPopcountMatMul": read_xnor_popcount_matmul,
}
HARDWARE: dict[str, Reader] = dict.fromkeys(
    (
        "StreamingFCLayer_Batch",
        "MatrixVectorActivation",
        "MVAU",
        "MVAU_hls",
        "MVAU_rtl",
        "Thresholding",
        "Thresholding_Batch",
        "Thresholding_hls",
        "Thresholding_rtl",
        "StreamingDataWidthConverter_Batch",
        "StreamingMaxPool_Batch",
        "ConvolutionInputGenerator",
        "VectorVectorActivation",
        "Im2Col",
        "GenericPartition",
        "StreamingDataflowPartition",
    ),
    refuse_hardware_node,
)
