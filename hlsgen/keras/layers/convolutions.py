"""Convolutions of one to three dimensions: plain, depthwise, separable, with folded batch norm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hlsgen.errors import ModelError, Unsupported
from hlsgen.keras.call import Array, Builder, LayerCall
from hlsgen.keras.layers.activations import activate
from hlsgen.keras.layers.dense import coarse, kernel_and_bias
from hlsgen.keras.layers.normalisation import folding
from hlsgen.keras.network import Quantised, Value

_RANK = {"1D": 1, "2D": 2, "3D": 3}


@dataclass(frozen=True, slots=True)
class Window:
    """Where a kernel or pool stands, for each spatial axis."""

    size: tuple[int, ...]
    strides: tuple[int, ...]
    dilations: tuple[int, ...]
    padding: str

    def pads(self, shape: Sequence[int]) -> list[int]:
        """What ONNX adds before all axes, then after all."""
        before, after = zip(*(self._pad(i, n) for i, n in enumerate(shape)), strict=True)
        return [*before, *after]

    def _pad(self, axis: int, size: int) -> tuple[int, int]:
        reach = (self.size[axis] - 1) * self.dilations[axis]
        match self.padding:
            case "valid":
                return 0, 0
            case "causal":
                return reach, 0
            case "same":
                steps = -(-size // self.strides[axis])
                total = max((steps - 1) * self.strides[axis] + reach + 1 - size, 0)
                return total // 2, total - total // 2
            case other:
                raise Unsupported(f"padding='{other}'")

    def result(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The sizes that come out."""
        pads, count = self.pads(shape), len(shape)
        sizes = tuple(
            (n + pads[i] + pads[count + i] - (self.size[i] - 1) * self.dilations[i] - 1)
            // self.strides[i]
            + 1
            for i, n in enumerate(shape)
        )
        if min(sizes) < 1:
            raise ModelError(f"a window {list(self.size)} does not fit into {list(shape)}")
        return sizes


def rank_of(call: LayerCall) -> int:
    """How many spatial axes a layer has, which its class says."""
    return next((count for text, count in _RANK.items() if text in call.layer.kind), 2)


def window(call: LayerCall, size: tuple[int, ...], strides: tuple[int, ...]) -> Window:
    """The window of a layer."""
    dilations = call.sizes("dilation_rate", len(size), 1)
    return Window(size, strides, dilations, call.option("padding", "valid"))


def convolve(
    call: LayerCall, x: Value, weights: Quantised, place: Window, *, group: int = 1,
    bias: Quantised | None = None, what: str = "kernel",
) -> Value:  # fmt: skip
    """Conv of a value with a kernel [*size, inputs / group, outputs]."""
    net, x = call.net, call.net.first(x)
    kernel = weights.values
    if x.shape[-1] != kernel.shape[-2] * group:
        raise ModelError(f"a kernel {list(kernel.shape)} for {x.shape[-1]} channels")
    if call.real(weights):
        call.told.unquantised.append(call.layer.name)
    order = (kernel.ndim - 1, kernel.ndim - 2, *range(kernel.ndim - 2))
    names = [x.name, call.held(weights, what, lambda a: a.transpose(order))]
    if bias is not None:
        names.append(call.held(bias, "bias"))
    spatial = x.shape[:-1]
    made = net.node(
        "Conv", *names, kernel_shape=list(place.size), strides=list(place.strides),
        dilations=list(place.dilations), pads=place.pads(spatial), group=group,
    )  # fmt: skip
    return Value(made, (*place.result(spatial), kernel.shape[-1]), first=True)


def depthwise_kernel(weights: Quantised) -> Quantised:
    """[*size, channels, multiplier] as [*size, 1, channels * multiplier] in groups of channels."""
    shape = (*weights.values.shape[:-2], 1, -1)
    scale = None if weights.scale is None else weights.scale.reshape(shape)
    return Quantised(weights.values.reshape(shape), scale, weights.codes)


def _bias(call: LayerCall, bias: Array | None) -> Quantised | None:
    if bias is None:
        return None
    return call.quantised(bias, call.option("bias_quantizer"), kernel=False)


def _finished(call: LayerCall, y: Value) -> Value:
    qkeras = call.layer.kind.startswith("Q")
    return activate(call, y, call.option("activation"), qkeras=qkeras)


# -- builders ---------------------------------------------------------------------------------


def _conv(call: LayerCall) -> Value:
    call.check_layout()
    kernel, bias = kernel_and_bias(call)
    said = call.option("kernel_quantizer")
    own = call.layer.kind.startswith(("Binary", "Ternary"))
    weights = coarse(call, kernel) if own else call.quantised(kernel, said)
    rank = rank_of(call)
    place = window(call, kernel.shape[:rank], call.sizes("strides", rank, 1))
    group = int(call.option("groups", 1))
    return _finished(
        call, convolve(call, call.x, weights, place, group=group, bias=_bias(call, bias))
    )


def _depthwise(call: LayerCall) -> Value:
    call.check_layout()
    rank = rank_of(call)
    kernel, bias = kernel_and_bias(call, "depthwise_kernel")
    weights = depthwise_kernel(call.quantised(kernel, call.option("depthwise_quantizer")))
    place = window(call, kernel.shape[:rank], call.sizes("strides", rank, 1))
    group = kernel.shape[-2]
    return _finished(
        call, convolve(call, call.x, weights, place, group=group, bias=_bias(call, bias))
    )


def _separable(call: LayerCall) -> Value:
    """Depthwise, then 1x1; nothing is rounded between the two."""
    call.check_layout()
    rank = rank_of(call)
    names = ("depthwise_kernel", "pointwise_kernel")
    names += ("bias",) if call.option("use_bias", True) else ()
    deep, point, *rest = call.variables(*names)
    # QSeparableConv1D quantises kernels with an axis of size 1 in front, which moves no scale.
    depth = depthwise_kernel(call.quantised(deep, call.option("depthwise_quantizer")))
    place = window(call, deep.shape[:rank], call.sizes("strides", rank, 1))
    y = convolve(call, call.x, depth, place, group=deep.shape[-2], what="depthwise")
    ones = (1,) * rank
    weights = call.quantised(point, call.option("pointwise_quantizer"))
    bias = _bias(call, rest[0] if rest else None)
    y = convolve(call, y, weights, Window(ones, ones, ones, "valid"), bias=bias, what="pointwise")
    return _finished(call, y)


def _folded(call: LayerCall) -> Value:
    """A convolution whose kernel and bias take the moving statistics in before the quantisers."""
    call.check_layout()
    deep = "Depthwise" in call.layer.kind
    name = "depthwise_kernel" if deep else "kernel"
    kernel, bias = kernel_and_bias(call, name)
    factor, shift = folding(call, bias)
    folded = kernel * (factor.reshape(kernel.shape[-2:]) if deep else factor)
    said = call.option(name.replace("kernel", "quantizer") if deep else "kernel_quantizer")
    weights = call.quantised(folded, said)
    weights = depthwise_kernel(weights) if deep else weights
    group = kernel.shape[-2] if deep else int(call.option("groups", 1))
    place = window(call, kernel.shape[:2], call.sizes("strides", 2, 1))
    y = convolve(call, call.x, weights, place, group=group, bias=_bias(call, shift))
    return _finished(call, y)


def _transposed(call: LayerCall) -> Value:
    """A convolution backwards: kernel [*size, outputs, inputs]; 'same' makes size * stride."""
    call.check_layout()
    kernel, bias = kernel_and_bias(call)
    rank = rank_of(call)
    size, strides = kernel.shape[:rank], call.sizes("strides", rank, 1)
    if call.option("output_padding") is not None or max(call.sizes("dilation_rate", rank, 1)) > 1:
        raise Unsupported("a transposed convolution with output_padding or dilation")
    weights = call.quantised(kernel, call.option("kernel_quantizer"))
    net, x = call.net, call.net.first(call.x)
    same = call.option("padding", "valid") == "same"
    cut = [max(k - s, 0) if same else 0 for k, s in zip(size, strides, strict=True)]
    more = [max(s - k, 0) for k, s in zip(size, strides, strict=True)]
    order = (rank + 1, rank, *range(rank))
    names = [x.name, call.held(weights, "kernel", lambda a: a.transpose(order))]
    held = _bias(call, bias)
    names += [] if held is None else [call.held(held, "bias")]
    made = net.node(
        "ConvTranspose", *names, kernel_shape=list(size), strides=list(strides),
        pads=[*(c // 2 for c in cut), *(c - c // 2 for c in cut)], output_padding=more,
    )  # fmt: skip
    if call.real(weights):
        call.told.unquantised.append(call.layer.name)
    sizes = (
        (n - 1) * s + k + m - c
        for n, s, k, m, c in zip(x.shape[:-1], strides, size, more, cut, strict=True)
    )
    return _finished(call, Value(made, (*sizes, kernel.shape[-2]), first=True))


LAYERS: dict[str, Builder] = {
    **dict.fromkeys(("Conv1DTranspose", "Conv2DTranspose", "QConv2DTranspose"), _transposed),
    **dict.fromkeys(("Conv1D", "Conv2D", "Conv3D", "Convolution1D", "Convolution2D"), _conv),
    **dict.fromkeys(("QConv1D", "QConv2D", "BinaryConv2D", "TernaryConv2D"), _conv),
    **dict.fromkeys(("DepthwiseConv1D", "DepthwiseConv2D", "QDepthwiseConv2D"), _depthwise),
    **dict.fromkeys(("SeparableConv1D", "SeparableConv2D"), _separable),
    **dict.fromkeys(("QSeparableConv1D", "QSeparableConv2D"), _separable),
    **dict.fromkeys(("QConv2DBatchnorm", "QDepthwiseConv2DBatchnorm"), _folded),
}
