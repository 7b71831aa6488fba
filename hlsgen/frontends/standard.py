"""The plain ONNX operators: one table from the tables of the families."""

from __future__ import annotations

from hlsgen.frontends import (
    activations,
    arithmetic,
    einsum,
    fused,
    gathers,
    matrices,
    movements,
    resize,
    windows,
)
from hlsgen.frontends.call import Reader

READERS: dict[str, Reader] = {
    **arithmetic.READERS,
    **activations.READERS,
    **windows.READERS,
    **matrices.READERS,
    **einsum.READERS,
    **movements.READERS,
    **gathers.READERS,
    **resize.READERS,
}
MICROSOFT: dict[str, Reader] = {**activations.MICROSOFT, **fused.MICROSOFT}

LATER: dict[str, str] = {
    **dict.fromkeys(
        (
            "LayerNormalization",
            "RMSNormalization",
            "InstanceNormalization",
            "GroupNormalization",
            "LpNormalization",
            "LRN",
            "MeanVarianceNormalization",
            "SkipLayerNormalization",
            "SimplifiedLayerNormalization",
        ),
        "normalisation by statistics computed at run time belongs to a later release",
    ),
    **dict.fromkeys(
        ("LSTM", "GRU", "RNN", "QLSTM", "DynamicQuantizeLSTM"),
        "recurrent layers belong to a later release",
    ),
    **dict.fromkeys(
        ("Attention", "MultiHeadAttention", "QAttention", "RotaryEmbedding"),
        "attention belongs to a later release",
    ),
    **dict.fromkeys(
        ("If", "Loop", "Scan"), "control flow has no fixed circuit; export the model without it"
    ),
    **dict.fromkeys(
        (
            *("LpPool", "GlobalLpPool", "ReduceProd", "ReduceLogSum", "CumSum"),
            *("ReduceLogSumExp", "ScatterND", "ScatterElements"),
            *("OneHot", "GridSample", "RoiAlign", "NonMaxSuppression", "Hardmax", "BitShift"),
            *("Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "IsNaN", "IsInf"),
            *("Trilu", "MatMulNBits", "QLinearConvTranspose"),
        ),
        "this operator belongs to a later release",
    ),
}
