"""The commands that make models: from floats and samples, from files of Keras."""

from __future__ import annotations

from hlsgen.cli.given import precisions
from hlsgen.cli.output import print_json, write_bytes
from hlsgen.cli.parameters import (
    ActivationBits,
    BiasCorrection,
    Calibrate,
    Data,
    EqualiseBy,
    FloatModel,
    Json,
    KerasModel,
    KerasWeights,
    Labels,
    LayerBits,
    OnnxFile,
    Percentile,
    QuantisedFile,
    RangesBy,
    RoundingBy,
    ScalesBy,
    TestData,
    WeightBits,
)
from hlsgen.cli.progress import progress
from hlsgen.errors import OptionError


def quantize(
    model: FloatModel,
    /,
    *,
    data: Data,
    output: QuantisedFile,
    test: TestData = None,
    labels: Labels = None,
    weights: WeightBits = 8,
    activations: ActivationBits = 8,
    layer: LayerBits = None,
    ranges: RangesBy = "mse",
    percentile: Percentile = 99.99,
    rounding: RoundingBy = "gptq",
    scales: ScalesBy = "free",
    equalise: EqualiseBy = "none",
    bias_correction: BiasCorrection = True,
    calibrate: Calibrate = 256,
    json_: Json = False,
) -> int:
    """Quantise a float model on samples, without training; judge its exact integers."""
    from hlsgen.quantise.convert import convert
    from hlsgen.quantise.scheme import Equalise, Ranges, Rounding, Scheme
    from hlsgen.quantise.scheme import Scales as ScaleKind

    scheme = Scheme(
        weights, activations, Ranges(ranges), percentile, Rounding(rounding), ScaleKind(scales),
        Equalise(equalise), bias_correction, calibrate, precisions(layer),
    )  # fmt: skip
    with progress(show=not json_) as observe:
        result = convert(model, data, test, labels, output, scheme, observe)
    if json_:
        print_json(result.to_json())
    else:
        from hlsgen.report.quantised import show

        show(result, model)
    return 0


def import_(
    model: KerasModel,
    /,
    *,
    output: OnnxFile,
    weights: KerasWeights = None,
    json_: Json = False,
) -> int:
    """Write a model of Keras, QKeras or HGQ as ONNX; TensorFlow is not needed."""
    from hlsgen.keras import import_keras
    from hlsgen.report.imported import imported_json, show

    if output.suffix.lower() != ".onnx":
        raise OptionError(f"-o {output}: the file to write is an ONNX file, NAME.onnx")
    result = import_keras(model, weights)
    write_bytes(output, result.model.SerializeToString())
    if json_:
        print_json(imported_json(result, output))
    else:
        show(result, output)
    return 0
