"""Shape and type arithmetic that the model operators share; every refusal is a ModelError."""

from __future__ import annotations

from hlsgen.errors import ModelError
from hlsgen.ir.model import ModelType, Shape


def broadcast(*shapes: Shape) -> Shape:
    """The numpy broadcast of shapes."""
    rank = max((len(shape) for shape in shapes), default=0)
    result = [1] * rank
    for shape in shapes:
        for axis, size in enumerate(shape, start=rank - len(shape)):
            if size != 1 and result[axis] not in (1, size):
                raise ModelError(f"shapes {_text(shapes)} do not broadcast against each other")
            result[axis] = size if size != 1 else result[axis]
    return tuple(result)


def normal_axis(axis: int, rank: int) -> int:
    """`axis` counted from the front, with ONNX's negative axes resolved."""
    if not -rank <= axis < max(rank, 1):
        raise ModelError(f"axis {axis} does not exist in a tensor of rank {rank}")
    return axis + rank if axis < 0 else axis


def common_dtype(*inputs: ModelType) -> str:
    """The element type of a result: a floating type where there is one, else the first input's.

    No file mixes floating types in one operator, but constants of the front-ends' own are float32.
    """
    real = [item.dtype for item in inputs if not item.is_integer]
    own = [dtype for dtype in real if dtype != "float32"]
    return (own or real or [inputs[0].dtype])[0]


def product_dtype(*inputs: ModelType) -> str:
    """The element type of a sum of products: int32 or wider for integers."""
    if all(item.is_integer for item in inputs):
        return "int64" if any(item.dtype in ("int64", "uint64") for item in inputs) else "int32"
    return common_dtype(*inputs)


def windows(size: int, kernel: int, stride: int, dilation: int, pads: tuple[int, int]) -> int:
    """How many windows of `kernel` taps fit along one padded axis."""
    span = dilation * (kernel - 1) + 1
    room = size + pads[0] + pads[1] - span
    if min(kernel, stride, dilation) < 1:
        raise ModelError(f"kernel {kernel}, stride {stride} and dilation {dilation} must be >= 1")
    if room < 0:
        hint = "; a free first dimension counts 1: --shape INPUT=20x10 sets it" if size == 1 else ""
        raise ModelError(
            f"a window of {span} does not fit an axis of {size} padded by {list(pads)}{hint}"
        )
    return room // stride + 1


def spatial(
    shape: Shape,
    kernel: Shape,
    strides: Shape,
    dilations: Shape,
    begin: Shape,
    end: Shape,
) -> Shape:
    """Spatial output sizes of a sliding window over the axes behind batch and channel."""
    rank = len(shape) - 2
    if rank < 0 or any(len(item) != rank for item in (kernel, strides, dilations, begin, end)):
        raise ModelError(
            f"a window over shape {list(shape)} needs {max(rank, 0)} kernel sizes, strides, "
            f"dilations and pads on either side; got kernel {list(kernel)}, "
            f"strides {list(strides)}, dilations {list(dilations)}, pads {[*begin, *end]}"
        )
    return tuple(
        windows(size, k, s, d, (b, e))
        for size, k, s, d, b, e in zip(
            shape[2:], kernel, strides, dilations, begin, end, strict=True
        )
    )


def _text(shapes: tuple[Shape, ...]) -> str:
    return " and ".join(str(list(shape)) for shape in shapes)
