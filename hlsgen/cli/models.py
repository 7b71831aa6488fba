"""The commands that make models: from floats and samples, from files of Keras."""

from __future__ import annotations

from hlsgen.cli.given import bits_of_weights, explore_options, precisions
from hlsgen.cli.output import print_json, write_bytes
from hlsgen.cli.parameters import (
    ActivationBits,
    ActivationWidths,
    BiasCorrection,
    BoardName,
    Budget,
    Calibrate,
    CandidateClock,
    Data,
    Drivers,
    EqualiseBy,
    ExecutorAt,
    ExploredIo,
    FloatModel,
    Jobs,
    Json,
    JudgeData,
    KerasModel,
    KerasWeights,
    Labels,
    LayerBits,
    MaxLoss,
    MinSqnr,
    Minutes,
    MostCandidates,
    ObjectiveBy,
    OnnxFile,
    Percentile,
    QuantisedFile,
    RangesBy,
    RateOfCandidates,
    RoundingBy,
    ScaleKinds,
    ScalesBy,
    SearchedArithmetic,
    SensitivityBy,
    StudyFile,
    TestData,
    WeightBits,
    WeightWidths,
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
    weights: WeightBits = "8",
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
        bits_of_weights(weights), activations, Ranges(ranges), percentile, Rounding(rounding),
        ScaleKind(scales), Equalise(equalise), bias_correction, calibrate, precisions(layer),
    )  # fmt: skip
    with progress(show=not json_) as observe:
        result = convert(model, data, test, labels, output, scheme, observe)
    if json_:
        print_json(result.to_json())
    else:
        from hlsgen.report.quantised import show

        show(result, model)
    return 0


def explore(
    model: FloatModel,
    /,
    *,
    data: Data,
    output: QuantisedFile,
    test: JudgeData = None,
    labels: Labels = None,
    board: BoardName = "ultra96v2",
    objective: ObjectiveBy = "luts",
    max_loss: MaxLoss = 0.5,
    min_sqnr: MinSqnr = 30.0,
    budget: Budget = "",
    weights: WeightWidths = "2,3,4,5,6,8",
    activations: ActivationWidths = "3,4,5,6,8",
    scales: ScaleKinds = "free",
    arithmetic: SearchedArithmetic = "auto",
    driver: Drivers = "ilp,refine",
    sensitivity: SensitivityBy = "measured",
    candidates: MostCandidates = None,
    minutes: Minutes = None,
    jobs: Jobs = 0,
    executor: ExecutorAt = "local",
    study: StudyFile = None,
    io: ExploredIo = "parallel",
    target_fps: RateOfCandidates = 0.0,
    clock_ns: CandidateClock = 0.0,
    ranges: RangesBy = "mse",
    rounding: RoundingBy = "gptq",
    equalise: EqualiseBy = "none",
    calibrate: Calibrate = 256,
    seed: int = 0,
    json_: Json = False,
) -> int:
    """Find the bits of every layer: the fewest LUTs at an accuracy, or the best within LUTs."""
    from hlsgen.explore.explore import Files
    from hlsgen.explore.explore import explore as run
    from hlsgen.quantise.scheme import Equalise, Ranges, Rounding, Scheme
    from hlsgen.report.explored import explored_json, show, written

    options = explore_options(
        board, objective, max_loss, min_sqnr, budget, weights, activations, scales, arithmetic,
        driver, sensitivity, candidates, minutes, jobs, executor, study, seed, io,
        target_fps, clock_ns,
    )  # fmt: skip
    scheme = Scheme(
        ranges=Ranges(ranges), rounding=Rounding(rounding), equalise=Equalise(equalise),
        samples=calibrate,
    )  # fmt: skip
    with progress(show=not json_) as observe:
        result = run(Files(model, data, test, labels, output), scheme, options, observe)
    files = written(result)
    if json_:
        print_json(explored_json(result, files))
    else:
        show(result, files)
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
