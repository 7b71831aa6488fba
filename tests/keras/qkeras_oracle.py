"""What QKeras itself computes, as numbers that tests compare with.

`python tests/keras/qkeras_oracle.py` writes qkeras_golden.json anew. It needs qkeras 0.9.0 with
tensorflow and tf-keras (TF_USE_LEGACY_KERAS=1) and pyparsing, which CI does not install. Under
qkeras-v3 (1.2.1, with keras 3) it writes qkeras_v3_golden.json: quantized_linear, which came later.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).with_name("qkeras_golden.json")
LATER = Path(__file__).with_name("qkeras_v3_golden.json")
GRID = (np.arange(-128, 128) / 16).astype(np.float32)  # all codes of fixed<8,4>

ACTIVATIONS = (
    "quantized_bits(4,1)",
    "quantized_bits(4,1,1)",
    "quantized_bits(6,0)",
    "quantized_bits(5,2,0,0)",
    "quantized_bits(5,2,1,keep_negative=False)",
    "quantized_bits(3,2,alpha=0.75)",
    "quantized_bits(2,1)",
    "quantized_bits(1,0)",
    "quantized_bits(1,0,alpha=0.5)",
    "quantized_bits(6,3,use_stochastic_rounding=1)",
    "quantized_relu(2)",
    "quantized_relu(3,1)",
    "quantized_relu(6,3)",
    "quantized_relu(4,1,negative_slope=0.25)",
    "quantized_relu(5,2,negative_slope=1.0)",
    "quantized_relu(4,1,0,2.0)",
    "quantized_relu(4,2,1)",
    "quantized_relu(5,2,relu_upper_bound=1.5,is_quantized_clip=0)",
    "quantized_tanh(4)",
    "quantized_tanh(4,0,1)",
    "quantized_tanh(5,use_real_tanh=1)",
    "quantized_tanh(1)",
    "quantized_sigmoid(4)",
    "quantized_sigmoid(4,1)",
    "quantized_sigmoid(6,use_real_sigmoid=1)",
    "quantized_ulaw(4,1)",
    "quantized_ulaw(3,0,1,100.0)",
    "quantized_po2(4)",
    "quantized_po2(4,max_value=2)",
    "quantized_po2(5,quadratic_approximation=1)",
    "quantized_po2(5,max_value=3,quadratic_approximation=1)",
    "quantized_relu_po2(3,max_value=1)",
    "quantized_relu_po2(4,negative_slope=0.5)",
    "quantized_relu_po2(4,quadratic_approximation=1)",
    "quantized_hswish(6,2)",
    "binary()",
    "binary(use_01=1)",
    "binary(alpha=0.5)",
    "binary(use_01=1,alpha=2.0)",
    "ternary()",
    "ternary(alpha=0.5,threshold=1.0)",
    "ternary(alpha=1,threshold=0)",
    "stochastic_binary()",
    "stochastic_ternary(threshold=0.75)",
    "binary_tanh",
    "binary_sigmoid",
    "hard_tanh",
    "hard_sigmoid",
    "smooth_sigmoid",
    "smooth_tanh",
)
KERNELS = (
    "quantized_bits(4,0)",
    "quantized_bits(4,1,alpha='auto')",
    "quantized_bits(3,0,alpha='auto_po2')",
    "quantized_bits(6,2,1,alpha='auto_po2')",
    "quantized_bits(4,0,alpha='auto_po2',scale_axis=0)",
    "quantized_bits(4,0,alpha=0.3)",
    "quantized_bits(1,0,alpha=0.7)",
    "binary()",
    "binary(alpha='auto')",
    "binary(alpha='auto_po2')",
    "binary(use_01=1,alpha='auto')",
    "ternary()",
    "ternary(alpha='auto')",
    "ternary(alpha='auto_po2',number_of_unrolls=2)",
    "ternary(alpha=0.5,threshold=0.4)",
    "stochastic_ternary(alpha='auto')",
    "stochastic_binary(alpha='auto_po2')",
    "quantized_po2(4)",
    "quantized_po2(4,max_value=1)",
    "quantized_po2(5,max_value=2,quadratic_approximation=1)",
    "quantized_po2(4,log2_rounding='floor')",
    "quantized_relu_po2(6,2048)",
    "quantized_relu_po2(4,negative_slope=0.25)",
    "quantized_relu(4,1)",
    "quantized_tanh(4)",
    "quantized_sigmoid(4)",
    "quantized_ulaw(4)",
)
LINEAR = (
    "quantized_linear(4,1)",
    "quantized_linear(4,1,0)",
    "quantized_linear(5,2,1,keep_negative=False)",
    "quantized_linear(3,1,alpha=0.75)",
    "quantized_linear(1,0)",
    "quantized_linear(1,1,alpha=2.0)",
)
LINEAR_KERNELS = (
    "quantized_linear(4,0)",
    "quantized_linear(4,1,alpha='auto')",
    "quantized_linear(3,0,0,alpha='auto_po2')",
    "quantized_linear(1,0,alpha='auto')",
    "quantized_linear(1,0,alpha='auto_po2')",
    "quantized_linear(4,0,alpha=0.3)",
)
SHAPES = ((4, 5), (2, 2, 3, 4), (6,))


def weights(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """Weights with a zero, a tie and a channel of zeros, without a random generator."""
    size = int(np.prod(shape))
    w = np.sin(np.arange(1, size + 1, dtype=np.float64) * 1.7) * 1.3
    w[0], w[1] = 0.0, 0.4375
    w = w.reshape(shape)
    if len(shape) > 1:
        w[..., -1] = 0.0
    return w.astype(np.float32)


def runs(values: np.ndarray[Any, Any]) -> list[list[Any]]:
    """Values as [value, how often] in a row."""
    return [[float(v), len(list(group))] for v, group in groupby(values.ravel().tolist())]


def unrolled(found: list[list[Any]]) -> np.ndarray[Any, Any]:
    """The inverse of `runs`."""
    return np.repeat([v for v, _ in found], [n for _, n in found])


def computed(activations: Sequence[str], kernels: Sequence[str]) -> dict[str, Any]:
    """These, by the installed QKeras."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    from qkeras.quantizers import get_quantizer

    found: dict[str, list[Any]] = {}
    for spelled in kernels:
        found[spelled] = []
        for shape in SHAPES:
            quantizer = get_quantizer(spelled)
            quantizer._set_trainable_parameter()
            found[spelled].append(runs(np.asarray(quantizer(weights(shape)))))
    done = {s: runs(np.asarray(get_quantizer(s)(GRID))) for s in activations}
    return {"activations": done, "kernels": found}


def write(target: Path, found: dict[str, Any]) -> None:
    """One quantiser a line."""
    parts: list[str] = []
    for part, item in found.items():
        lines = ",\n".join(f"{json.dumps(key)}: {json.dumps(value)}" for key, value in item.items())
        parts.append(f'"{part}": {{\n{lines}}}')
    target.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")


if __name__ == "__main__":
    import qkeras.quantizers

    if hasattr(qkeras.quantizers, "quantized_linear"):
        write(LATER, computed(LINEAR, LINEAR_KERNELS))
    else:
        write(GOLDEN, computed(ACTIVATIONS, KERNELS))
