"""One layer's weights and bias to codes."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.weight_format import WeightFormat
from hlsgen.quantise.graph import FloatGraph, Step, weight_rows, weights_of_rows
from hlsgen.quantise.moments import Moments
from hlsgen.quantise.rounding import rounded, target
from hlsgen.quantise.scheme import Rounding, Scales, Scheme, Weights
from hlsgen.quantise.weight_scales import khot_scales, weight_scales

Array = NDArray[Any]

_BIAS = 2**29  # a bias code keeps bits of int32 free for the sum


def quantise_layer(
    graph: FloatGraph, step: Step, unit: float, behind: float, found: Moments, scheme: Scheme
) -> Weights:
    """Codes of a layer whose input has scale `unit` and these moments.

    `behind` is the scale of the next quantiser, 1 where the host reads the sums.

    With bias correction the bias moves so that the mean of every output stays; the weights then
    answer only for what varies.
    """
    w, b = (graph.constants[name] for name in step.inputs[1:])
    used = found.centred() if scheme.bias_correction else found
    groups = weight_rows(step, w)
    made = [_group(rows, g, used, unit / behind, scheme) for g, rows in enumerate(groups)]
    codes, scales = np.stack([c for c, _ in made]), np.concatenate([s for _, s in made])
    bias = b.copy()
    if scheme.bias_correction:
        moved = np.einsum("grk,gk->gr", groups, found.mean)
        now = np.einsum("grk,gk->gr", codes, found.mean_quantised).ravel() * scales
        bias = b + moved.ravel() - now
    scales, codes = _held(bias, scales, codes, unit, scheme.weights)
    return Weights(
        weights_of_rows(step, codes, w.shape).astype(np.int64),
        scales,
        np.round(bias / (unit * scales)).astype(np.int64),
    )


def _group(
    rows: Array, g: int, found: Moments, ratio: float, scheme: Scheme
) -> tuple[Array, Array]:
    """Codes and scales of the outputs of one group."""
    square = found.square[g]
    if scheme.rounding is not Rounding.NEAREST:
        rows = target(rows, square, found.cross[g])
    if scheme.scales is Scales.KHOT:
        scales = khot_scales(rows, scheme.weights, Fraction(ratio))
    else:
        scales = weight_scales(rows, scheme.weights, np.diag(square), scheme.scales)
    return rounded(rows, scales, scheme.weights, square, scheme.rounding), scales


def _held(
    bias: Array, scales: Array, codes: Array, unit: float, weights: WeightFormat
) -> tuple[Array, Array]:
    """Scales, doubled until the bias fits int32; weights too small to tell beside it vanish."""
    need = np.abs(bias) / (unit * _BIAS)
    small = need > scales
    if not small.any():
        return scales, codes
    wide = np.where(small, scales * 2.0 ** np.ceil(np.log2(np.maximum(need / scales, 1))), scales)
    ratio = (scales / wide).reshape(codes.shape[0], codes.shape[1], 1)
    return wide, weights.nearest(codes * ratio)
