"""Layers against plain numpy statements of what Keras says they do, in Keras' order of axes."""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("h5py", reason="files of Keras need h5py: pip install 'hlsgen[keras]'")

from evaluated import floats, integers
from keras_files import (
    as_keras3,
    functional,
    layer,
    sequential,
    write_h5,
    write_json,
    write_keras,
    write_weights,
)
from numpy.typing import NDArray

from hlsgen.frontends import read_model
from hlsgen.passes.lower import lower
from hlsgen.sim.reference import float32
from hlsgen.sim.run import input_codes, run_graph

Array = NDArray[Any]
RNG = np.random.default_rng(7)
FORMAT = "fixed<8,4>"


def grid(*shape: int, low: int = -16, high: int = 16) -> Array:
    """Small multiples of 1/8: sums of their products are exact in float32."""
    return RNG.integers(low, high, shape) / 8


def inputs(*shape: int) -> Array:
    """Five samples in FORMAT."""
    return RNG.integers(-128, 128, (5, *shape)) / 16


def conv(x: Array, kernel: Array, strides: int, padding: str, dilation: int = 1) -> Array:
    """Convolution by loops, any number of spatial axes; kernel [*size, in, out]."""
    rank = kernel.ndim - 2
    pads: list[tuple[int, int]] = []
    for n, k in zip(x.shape[1:-1], kernel.shape[:rank], strict=True):
        reach = (k - 1) * dilation
        total = max((-(-n // strides) - 1) * strides + reach + 1 - n, 0)
        same, causal = (total // 2, total - total // 2), (reach, 0)
        pads.append({"valid": (0, 0), "same": same, "causal": causal}[padding])
    x = np.pad(x, [(0, 0), *pads, (0, 0)])
    sizes = [
        (n - (k - 1) * dilation - 1) // strides + 1
        for n, k in zip(x.shape[1:-1], kernel.shape[:rank], strict=True)
    ]
    y = np.zeros((len(x), *sizes, kernel.shape[-1]))
    for at in product(*map(range, sizes)):
        for tap in product(*map(range, kernel.shape[:rank])):
            place = tuple(a * strides + t * dilation for a, t in zip(at, tap, strict=True))
            y[(slice(None), *at)] += x[(slice(None), *place)] @ kernel[tap]
    return y


def run(
    tmp_path: Path, shape: tuple[int, ...], made: dict[str, Any], **held: Array
) -> tuple[Array, Array]:
    """Inputs, and what the layer alone makes of them: by floats and by integers, which agree."""
    path = write_h5(tmp_path / "m.h5", sequential(shape, made), {made["config"]["name"]: held})
    x = inputs(*shape)
    got = floats(path, x)
    assert integers(path, x, FORMAT) == pytest.approx(got, rel=1e-5, abs=1e-5)
    return x, got


# -- products ---------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6,), (3, 6), (2, 3, 6)])
def test_dense_works_on_the_last_axis(shape: tuple[int, ...], tmp_path: Path) -> None:
    kernel, bias = grid(6, 4), grid(4)
    made = layer("Dense", "d", units=4, activation="relu")
    x, got = run(tmp_path, shape, made, kernel=kernel, bias=bias)
    assert got == pytest.approx(np.maximum(x @ kernel + bias, 0))


@pytest.mark.parametrize(
    ("padding", "strides", "dilation"),
    [("valid", 1, 1), ("same", 2, 1), ("same", 1, 2), ("valid", 2, 1), ("same", 3, 1)],
)
def test_conv_2d(padding: str, strides: int, dilation: int, tmp_path: Path) -> None:
    kernel, bias = grid(3, 2, 2, 3), grid(3)
    made = layer(
        "Conv2D", "c", filters=3, kernel_size=[3, 2], strides=[strides] * 2, padding=padding,
        dilation_rate=[dilation] * 2, data_format="channels_last", activation="linear",
    )  # fmt: skip
    x, got = run(tmp_path, (7, 6, 2), made, kernel=kernel, bias=bias)
    assert got == pytest.approx(conv(x, kernel, strides, padding, dilation) + bias)


@pytest.mark.parametrize(("padding", "dilation"), [("causal", 1), ("causal", 2), ("same", 1)])
def test_conv_1d(padding: str, dilation: int, tmp_path: Path) -> None:
    kernel = grid(3, 2, 4)
    made = layer("Conv1D", "c", padding=padding, dilation_rate=[dilation], use_bias=False)
    x, got = run(tmp_path, (9, 2), made, kernel=kernel)
    assert got == pytest.approx(conv(x, kernel, 1, padding, dilation))


def test_grouped_conv(tmp_path: Path) -> None:
    kernel = grid(2, 2, 2, 6)
    made = layer("Conv2D", "c", groups=3, use_bias=False)
    x, got = run(tmp_path, (4, 4, 6), made, kernel=kernel)
    parts = [
        conv(x[..., 2 * g : 2 * g + 2], kernel[..., 2 * g : 2 * g + 2], 1, "valid")
        for g in range(3)
    ]
    assert got == pytest.approx(np.concatenate(parts, -1))


def depthwise(x: Array, kernel: Array, strides: int, padding: str) -> Array:
    """Channel c of the input makes channels c * m .. c * m + m - 1."""
    parts = [
        conv(x[..., c : c + 1], kernel[..., c : c + 1, :], strides, padding)
        for c in range(kernel.shape[-2])
    ]
    return np.concatenate(parts, -1)


@pytest.mark.parametrize("name", ["depthwise_kernel", "kernel"])
def test_depthwise_conv(name: str, tmp_path: Path) -> None:
    """Keras 3 calls the variable 'kernel'."""
    kernel, bias = grid(3, 3, 2, 2), grid(4)
    made = layer("DepthwiseConv2D", "c", strides=[2, 2], padding="same", depth_multiplier=2)
    x, got = run(tmp_path, (5, 6, 2), made, **{name: kernel, "bias": bias})
    assert got == pytest.approx(depthwise(x, kernel, 2, "same") + bias)


@pytest.mark.parametrize("kind", ["SeparableConv2D", "QSeparableConv2D"])
def test_separable_conv(kind: str, tmp_path: Path) -> None:
    deep, point, bias = grid(3, 3, 2, 1), grid(1, 1, 2, 3), grid(3)
    made = layer(kind, "c", padding="same")
    x, got = run(
        tmp_path, (5, 4, 2), made, depthwise_kernel=deep, pointwise_kernel=point, bias=bias
    )
    assert got == pytest.approx(depthwise(x, deep, 1, "same") @ point[0, 0] + bias)


@pytest.mark.parametrize("deep", [False, True])
def test_folded_batch_norm(deep: bool, tmp_path: Path) -> None:
    """The kernel is quantised after the statistics went in; 1 / sqrt(1/4) is a number."""
    kind = "QDepthwiseConv2DBatchnorm" if deep else "QConv2DBatchnorm"
    name = "depthwise_kernel" if deep else "kernel"
    said = {"depthwise_quantizer" if deep else "kernel_quantizer": "quantized_bits(4,2,alpha=1)"}
    kernel = grid(2, 2, 3, 1) if deep else grid(2, 2, 3, 3)
    bias, gamma, beta, mean = grid(3), grid(3), grid(3), grid(3)
    made = layer(kind, "c", epsilon=0.0, **said)
    held = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": np.full(3, 0.25)}
    x, got = run(tmp_path, (4, 4, 3), made, **{name: kernel, "bias": bias}, **held)
    factor = 2 * gamma
    folded = kernel * (factor[:, None] if deep else factor)
    folded = np.clip(np.round(folded * 2), -8, 7) / 2
    want = depthwise(x, folded, 1, "valid") if deep else conv(x, folded, 1, "valid")
    assert got == pytest.approx(want + factor * (bias - mean) + beta)


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize(("size", "strides"), [(3, 2), (2, 3), (4, 1), (3, 1)])
def test_transposed_conv(size: int, strides: int, padding: str, tmp_path: Path) -> None:
    """Every input spreads over a window; 'same' keeps the middle, size * strides of it."""
    kernel, bias = grid(size, size, 3, 2), grid(3)  # outputs before inputs
    made = layer("QConv2DTranspose", "c", strides=[strides] * 2, padding=padding)
    x, got = run(tmp_path, (4, 5, 2), made, kernel=kernel, bias=bias)
    whole = [(n - 1) * strides + max(size, strides) for n in (4, 5)]
    y = np.zeros((5, *whole, 3))
    for i, j, a, b in product(range(4), range(5), range(size), range(size)):
        y[:, i * strides + a, j * strides + b] += x[:, i, j] @ kernel[a, b].T
    if padding == "same":
        front = max(size - strides, 0) // 2
        y = y[:, front : front + 4 * strides, front : front + 5 * strides]
    assert got == pytest.approx(y + bias)


def test_folded_batch_norm_of_a_product(tmp_path: Path) -> None:
    """qkeras-v3's QDenseBatchnorm."""
    kernel, bias, gamma, beta, mean = grid(5, 3), grid(3), grid(3), grid(3), grid(3)
    made = layer(
        "QDenseBatchnorm", "d", epsilon=0.0, kernel_quantizer="quantized_bits(4,2,alpha=1)"
    )
    held = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": np.full(3, 0.25)}
    x, got = run(tmp_path, (5,), made, kernel=kernel, bias=bias, **held)
    folded = np.clip(np.round(kernel * 2 * gamma * 2), -8, 7) / 2
    assert got == pytest.approx(x @ folded + 2 * gamma * (bias - mean) + beta)


# -- normalisation, pools, movements, joins ---------------------------------------------------


def test_batch_norm(tmp_path: Path) -> None:
    gamma, beta, mean = grid(3), grid(3), grid(3)
    variance = np.asarray([0.25, 1.0, 4.0])
    made = layer("BatchNormalization", "b", axis=[3], epsilon=0.0)
    held = {"gamma": gamma, "beta": beta, "moving_mean": mean, "moving_variance": variance}
    x, got = run(tmp_path, (2, 2, 3), made, **held)
    assert got == pytest.approx((x - mean) / np.sqrt(variance) * gamma + beta, abs=1e-6)


def test_quantised_batch_norm(tmp_path: Path) -> None:
    """Every parameter on its own grid; the defaults of QKeras stand in the file."""
    made = layer(
        "QBatchNormalization", "b", epsilon=0.0, scale=True, center=True,
        gamma_quantizer="quantized_relu_po2(6,2048)", beta_quantizer="quantized_po2(5)",
        mean_quantizer="quantized_po2(5)",
        variance_quantizer="quantized_relu_po2(6,quadratic_approximation=True)",
    )  # fmt: skip
    held = {
        "gamma": [0.7, 1.6, 0.3], "beta": [-0.4, 0.4, 1.1],
        "moving_mean": [0.2, -3.1, 0.8], "moving_variance": [0.3, 1.0, 7.0],
    }  # fmt: skip
    x, got = run(tmp_path, (2, 3), made, **{k: np.asarray(v) for k, v in held.items()})
    # log2 of each, rounded: -.5 1 -2; -1.3 0 .1; -2.3 1.6 -.3; of the variance twice that of sqrt
    gamma, beta, mean = [0.5, 2.0, 0.25], [-0.5, 0.5, 1.0], [0.25, -4.0, 1.0]
    want = (x - mean) / np.sqrt([0.25, 1.0, 4.0]) * gamma + beta
    assert got == pytest.approx(want, abs=1e-6)


@pytest.mark.parametrize(("padding", "strides"), [("valid", 2), ("same", 2), ("same", 1)])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_pools(kind: str, padding: str, strides: int, tmp_path: Path) -> None:
    made = layer(f"{kind}Pooling2D", "p", pool_size=[2, 2], strides=[strides] * 2, padding=padding)
    x, got = run(tmp_path, (5, 4, 2), made)
    if padding == "same":
        pads = [max((-(-n // strides) - 1) * strides + 2 - n, 0) for n in x.shape[1:3]]
        widths = [(p // 2, p - p // 2) for p in pads]
        x = np.pad(x, [(0, 0), *widths, (0, 0)], constant_values=np.nan)
    fn = np.nanmax if kind == "Max" else np.nanmean
    sizes = [(n - 2) // strides + 1 for n in x.shape[1:3]]
    want = np.zeros((5, *sizes, 2))
    for i, j in product(*map(range, sizes)):
        window = x[:, i * strides : i * strides + 2, j * strides : j * strides + 2]
        want[:, i, j] = fn(window, axis=(1, 2))
    assert got == pytest.approx(want)


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("kind", ["Max", "Average"])
def test_global_pools(kind: str, keep: bool, tmp_path: Path) -> None:
    x, got = run(tmp_path, (4, 4, 3), layer(f"Global{kind}Pooling2D", "p", keepdims=keep))
    fn = np.max if kind == "Max" else np.mean
    assert got == pytest.approx(fn(x, axis=(1, 2), keepdims=keep))


@pytest.mark.parametrize("kind", ["QAveragePooling2D", "QGlobalAveragePooling2D"])
def test_quantised_average(kind: str, tmp_path: Path) -> None:
    """The sum of nine times 1/9 rounded to 1/8."""
    made = layer(kind, "p", pool_size=[3, 3], average_quantizer="quantized_bits(4,0,1)")
    x, got = run(tmp_path, (3, 3, 2), made)
    assert got.reshape(5, 2) == pytest.approx(x.sum(axis=(1, 2)) / 8, abs=1e-5)


def _moved(kind: str, x: Array) -> Array:
    match kind:
        case "Flatten":
            return x.reshape(5, -1)
        case "Reshape":
            return x.reshape(5, 4, 6)
        case "Permute":
            return x.transpose(0, 3, 1, 2)
        case "ZeroPadding2D":
            return np.pad(x, [(0, 0), (1, 0), (0, 2), (0, 0)])
        case "Cropping2D":
            return x[:, 1:, :-2]
        case _:
            return x.repeat(2, axis=1).repeat(3, axis=2)


MOVES = {
    "Flatten": {},
    "Reshape": {"target_shape": [4, -1]},
    "Permute": {"dims": [3, 1, 2]},
    "ZeroPadding2D": {"padding": [[1, 0], [0, 2]]},
    "Cropping2D": {"cropping": [[1, 0], [0, 2]]},
    "UpSampling2D": {"size": [2, 3], "interpolation": "nearest"},
}


@pytest.mark.parametrize("after_conv", [False, True])
@pytest.mark.parametrize("kind", MOVES)
def test_movements(kind: str, after_conv: bool, tmp_path: Path) -> None:
    """Wherever the value comes from: behind a convolution channels stand first inside."""
    eye = np.eye(2)[None, None]
    front = [layer("Conv2D", "c", use_bias=False)] if after_conv else []
    content = sequential((3, 4, 2), *front, layer(kind, "m", **MOVES[kind]))
    path = write_h5(tmp_path / "m.h5", content, {"c": {"kernel": eye}} if after_conv else {})
    x = inputs(3, 4, 2)
    assert np.array_equal(floats(path, x), _moved(kind, x))
    assert np.array_equal(integers(path, x, FORMAT), _moved(kind, x))


JOINS = {
    "Add": lambda a, b: a + b,
    "Subtract": lambda a, b: a - b,
    "Multiply": lambda a, b: a * b,
    "Maximum": np.maximum,
    "Minimum": np.minimum,
    "Average": lambda a, b: (a + b) / 2,
    "Concatenate": lambda a, b: np.concatenate([a, b], -1),
}


@pytest.mark.parametrize(("kind", "axis"), [*((kind, -1) for kind in JOINS), ("Concatenate", 1)])
def test_joins(kind: str, axis: int, tmp_path: Path) -> None:
    """One side with channels first inside, the other in Keras' order."""
    conv_ = layer("Conv2D", "c", use_bias=False)
    content = functional(
        {"x": (3, 4, 2)}, [(conv_, ["x"]), (layer(kind, "j", axis=axis), ["c", "x"])], ["j"]
    )
    path = write_h5(tmp_path / "m.h5", content, {"c": {"kernel": 2 * np.eye(2)[None, None]}})
    x = inputs(3, 4, 2)
    want = np.concatenate([2 * x, x], axis) if kind == "Concatenate" else JOINS[kind](2 * x, x)
    assert floats(path, x) == pytest.approx(want)


@pytest.mark.parametrize(
    ("made", "want"),
    [
        (layer("ReLU", "a", max_value=2.0), lambda x: np.clip(x, 0, 2)),
        (layer("ReLU", "a", negative_slope=0.25), lambda x: np.where(x < 0, x / 4, x)),
        (layer("ReLU", "a", threshold=1.0), lambda x: np.where(x > 1, x, 0)),
        (layer("LeakyReLU", "a", alpha=0.5), lambda x: np.where(x < 0, x / 2, x)),
        (layer("LeakyReLU", "a", negative_slope=0.5), lambda x: np.where(x < 0, x / 2, x)),
        (layer("ELU", "a"), lambda x: np.where(x < 0, np.expm1(x), x)),
        (layer("ThresholdedReLU", "a", theta=0.5), lambda x: np.where(x > 0.5, x, 0)),
        (layer("Rescaling", "a", scale=0.5, offset=1.0), lambda x: x / 2 + 1),
        (layer("Dropout", "a", rate=0.5), lambda x: x),
        (layer("Activation", "a", activation="relu6"), lambda x: np.clip(x, 0, 6)),
        (layer("Activation", "a", activation="relu1"), lambda x: np.clip(x, 0, 1)),
        (layer("Activation", "a", activation="swish"), lambda x: x / (1 + np.exp(-x))),
        (layer("Activation", "a", activation="hard_sigmoid"), lambda x: np.clip(x / 5 + 0.5, 0, 1)),
        (
            layer("QActivation", "a", activation="hard_sigmoid"),
            lambda x: np.clip(x / 2 + 0.5, 0, 1),
        ),
        (layer("Activation", "a", activation="binary_tanh"), lambda x: np.where(x > 0, 1, -1)),
        (
            layer(
                "Activation", "a", activation={"class_name": "function", "config": "ternary_tanh"}
            ),
            lambda x: np.where(x > 0.5, 1, np.where(x <= -0.5, -1, 0)),
        ),
    ],
)
def test_activations(made: Any, want: Any, tmp_path: Path) -> None:
    x, got = run(tmp_path, (16,), made)
    assert got == pytest.approx(want(x), abs=1e-5)


def test_hard_sigmoid_of_keras_3(tmp_path: Path) -> None:
    made = layer("Activation", "a", activation="hard_sigmoid")
    path = write_h5(tmp_path / "m.h5", sequential((16,), made, version="3.1.0"))
    x = inputs(16)
    assert floats(path, x) == pytest.approx(np.clip(x / 6 + 0.5, 0, 1), abs=1e-6)


@pytest.mark.parametrize("kind", ["Binary", "Ternary"])
def test_layers_of_binary_and_ternary_networks(kind: str, tmp_path: Path) -> None:
    kernel = np.asarray([[0.5, -0.5, 0.0], [0.51, -0.51, -0.1], [0.2, 1.0, -1.0]]) / 2
    made = layer(f"{kind}Dense", "d", H=0.5, use_bias=False)
    x, got = run(tmp_path, (3,), made, kernel=kernel)
    if kind == "Binary":
        coarse = [[1, -1, -1], [1, -1, -1], [1, 1, -1]]
    else:
        coarse = [[0, -1, 0], [1, -1, 0], [0, 1, -1]]
    assert got == pytest.approx(x @ np.asarray(coarse) / 2)


def test_byte_input_reaches_the_hardware_as_bytes(tmp_path: Path) -> None:
    """x / 255 - 1/2 of pixels and the quantiser behind it are one function of 256 codes."""
    content = sequential(
        (4,), layer("Rescaling", "r", scale=1 / 255, offset=-0.5),
        layer("QActivation", "q", activation="quantized_bits(4,0)"),
    )  # fmt: skip
    content["config"]["layers"][0]["config"]["dtype"] = "uint8"
    model = read_model(write_h5(tmp_path / "m.h5", content))
    assert model.types["x"].dtype == "uint8"
    network = lower(model)
    assert network.notes == ()
    pixels = np.arange(256).reshape(64, 1, 4)
    (got,) = run_graph(network.graph, input_codes(network, {"x": pixels})).values()
    scale, offset = float(np.float32(1 / 255)), -0.5
    want = np.clip(np.round((pixels * scale + offset) * 8), -8, 7)
    assert np.array_equal(got.reshape(want.shape), want)


# -- files ------------------------------------------------------------------------------------


def branches() -> tuple[Any, dict[str, dict[str, Array]]]:
    """Two dense layers on one input, in an order that is not the file's."""
    content = functional(
        {"x": (3,)},
        [
            (layer("Add", "sum"), ["b", "a"]),
            (layer("QDense", "b", kernel_quantizer="quantized_bits(4,1,alpha=1)"), ["x"]),
            (layer("QDense", "a", kernel_quantizer="binary(alpha=1)"), ["x"]),
        ],
        ["sum"],
    )
    held = {name: {"kernel": grid(3, 2), "bias": grid(2)} for name in ("b", "a")}
    return content, held


def test_formats_say_the_same(tmp_path: Path) -> None:
    content, held = branches()
    x = inputs(3)
    numbered = {"q_dense": held["b"], "q_dense_1": held["a"]}
    weights = write_weights(tmp_path / "w.h5", held)
    beside = write_json(tmp_path / "n.json", content)
    write_weights(tmp_path / "n.weights.h5", held)
    want = floats(write_h5(tmp_path / "m.h5", content, held), x)
    quantised = np.clip(np.round(held["b"]["kernel"] * 4), -8, 7) / 4
    signs = np.where(held["a"]["kernel"] >= 0, 1, -1)
    exact = x @ (quantised + signs) + held["b"]["bias"] + held["a"]["bias"]
    assert want == pytest.approx(exact)
    others = (
        floats(write_json(tmp_path / "j.json", content), x, weights),
        floats(beside, x),
        floats(write_keras(tmp_path / "k2.keras", content, numbered, "2.15.0"), x),
        floats(write_keras(tmp_path / "k3.keras", as_keras3(content), numbered), x),
    )
    for got in others:
        assert np.array_equal(got, want)


def test_old_sequential_without_input_layer(tmp_path: Path) -> None:
    """Keras 2.0 wrote a list of layers, the input shape in the first."""
    made = layer("Dense", "d", use_bias=False, batch_input_shape=[None, 3])
    content = {"class_name": "Sequential", "config": [made], "keras_version": "2.0.5"}
    kernel = grid(3, 2)
    path = write_h5(tmp_path / "m.h5", content, {"d": {"kernel": kernel}})
    x = inputs(3)
    assert floats(path, x) == pytest.approx(x @ kernel)


def test_layer_used_twice(tmp_path: Path) -> None:
    content = functional(
        {"x": (3,), "z": (3,)},
        [(layer("Dense", "d"), ["x"]), (layer("Add", "s"), ["d", "d"])],
        ["s"],
    )
    dense, add = content["config"]["layers"][2:]
    dense["inbound_nodes"].append([["z", 0, 0, {}]])
    add["inbound_nodes"] = [[["d", 0, 0, {}], ["d", 1, 0, {}]]]
    content["config"]["layers"][2:] = [dense, add]
    kernel, bias = grid(3, 2), grid(2)
    path = write_h5(tmp_path / "m.h5", content, {"d": {"kernel": kernel, "bias": bias}})
    model = read_model(path)  # files of Keras are read as ONNX files are
    x, z = inputs(3), inputs(3)
    (got,) = (float32(model, {"x": x[:, None], "z": z[:, None]})[n] for n in model.outputs)
    assert got[:, 0] == pytest.approx((x + z) @ kernel + 2 * bias)
