"""The options of the commands: one name and one help text each, whichever command takes it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter


def _option(text: str, name: str | list[str] | None = None, *, flag: bool = False) -> Parameter:
    """What an option is called and what its help says, once for all commands."""
    return Parameter(name=name, help=text, negative="" if flag else None)


Model = Annotated[
    Path,
    _option(
        "The quantised ONNX file, a file of Keras as `import` takes it, or (but for build) a "
        "project folder."
    ),
]
KerasModel = Annotated[
    Path, _option("A .h5 or .keras file of Keras, QKeras or HGQ, or the .json of a model.")
]
KerasWeights = Annotated[
    Path | None,
    _option("The .h5 that save_weights wrote; a .json takes one beside it where it is alone."),
]
OnnxFile = Annotated[Path, _option("The ONNX file to write.", ["-o", "--output"])]
Engine = Annotated[
    Literal["python", "native", "csim", "rtl"],
    _option(
        "python: the integer graph in numpy; native: the same as plain C++ by g++, for large "
        "batches; csim: the emitted HLS C++ by g++; rtl: the emitted SystemVerilog by Verilator or "
        "Yosys."
    ),
]
Io = Annotated[
    Literal["parallel", "stream"],
    _option("parallel: all unrolled, one result a clock; stream: dataflow with line buffers."),
]
Arithmetic = Annotated[
    list[str] | None,
    _option(
        "How products with weights are made: tool (the synthesis tool decides), dsp or lut; with "
        "--io parallel also shift-add (adder graphs), dsp-packed (several products a DSP), "
        "popcount (one-bit operands), compress (counters of bits), lutgemm (tables of bit planes), "
        "table (tables of operands), bcq (sign planes of the weights), groupwise (factors behind "
        "the sums of blocks of rows) or truth-table (a neuron of few input bits as one table, its "
        "quantiser included; LAYER[0,2-5]=truth-table for some outputs); with --io "
        "stream, weights as codes: khot, shift, ternary, sherry or xnor; auto takes what the cost "
        "model finds cheapest for each layer (parallel only); LAYER=KIND for one layer.",
        "--arithmetic",
        flag=True,
    ),
]
Approximate = Annotated[
    int,
    _option("How many codes a requantisation may be off where that saves adders; 0 is exact."),
]
Reloadable = Annotated[
    list[str] | None,
    _option(
        "Weights behind ports instead of in ROMs (stream only): all, LAYER, or LAYER=int6/14 with "
        "the weights' format and the accumulator's bits, which set their budget (A2Q).",
        "--reloadable",
        flag=True,
    ),
]
Formats = Annotated[
    list[str] | None,
    _option("Format of a network input, NAME=uint8 or NAME='fixed<16,6>'.", "--input", flag=True),
]
Inputs = Annotated[
    list[str] | None,
    _option(
        "X.npz with one array per network input, samples first; NAME=FORMAT declares a format.",
        "--input",
        flag=True,
    ),
]
Shapes = Annotated[
    list[str] | None,
    _option("Sizes of an input with free dimensions, NAME=1x3x32x32.", "--shape", flag=True),
]
Scales = Annotated[
    Path | None,
    _option(
        "An npz file with scales and zero points for tensors that the file quantises dynamically.",
        "--static-scales",
    ),
]
TargetFps = Annotated[
    float,
    _option(
        "Frames a second that a streamed design is folded for, on the board with the least of it, "
        "at the clock and with the cycles of the schedule model; 0 for a default."
    ),
]
Maximise = Annotated[
    Literal["", "fps"],
    _option("fps: fold a streamed design for as many frames a second as fit the board."),
]
Minimise = Annotated[
    Literal["", "lut", "ff", "dsp", "bram", "uram"],
    _option("Which part of the board --target-fps shall take least of; all by their shares else."),
]
MaxUtil = Annotated[
    list[str] | None,
    _option(
        "The share of the board that a streamed design may take, 0.7 or dsp=0.9 "
        "(by default 0.8 of LUTs and flip-flops, 0.95 of DSPs and memories).",
        "--max-util",
        flag=True,
    ),
]
ComputeUnits = Annotated[
    str,
    _option(
        "Kernels side by side on an Alveo card, or auto: as many as give the most frames a second, "
        "or the fewest that reach --target-fps; one without such a goal.",
        "--compute-units",
    ),
]
Folding = Annotated[
    list[str] | None,
    _option(
        "Outputs and inputs that a streamed layer handles a clock, LAYER=4x8 (PE x SIMD).",
        "--folding",
        flag=True,
    ),
]
Folder = Annotated[
    Path, _option("The project folder; an older project of hlsgen is replaced.", ["-o", "--output"])
]
Weights = Annotated[
    Path,
    _option(
        "The file to write, in place of data/weights.bin; beside it as .npz what cosim.py reloads.",
        ["-o", "--output"],
    ),
]
Target = Annotated[Path, _option("The npz file to write.", ["-o", "--output"])]
Expected = Annotated[
    Path | None, _option("Y.npz with expected outputs; else the public runtimes compute them.")
]
JsonFile = Annotated[
    str | None,
    Parameter(
        name="--json",
        help="Write the result to this file as JSON ('-' prints it).",
        allow_leading_hyphen=True,
    ),
]
BoardName = Annotated[str, _option("A name of `hlsgen boards`, or a TOML file of yours.")]
Clock = Annotated[float, _option("Clock period in ns; the board's by default.")]
Top = Annotated[str, _option("Name of the hardware function; the model's name by default.")]
Samples = Annotated[int, _option("How many seeded random samples (build: test vectors).")]
Csim = Annotated[bool, Parameter(help="Compile the C++ with g++ and compare it with the model.")]
Json = Annotated[bool, _option("Print the result as JSON.", "--json", flag=True)]
SynthesisTool = Annotated[Literal["yosys"], _option("The synthesis tool.")]
Liberty = Annotated[
    Path | None, _option("Standard cells: area and delay of an ASIC instead of an FPGA's.")
]
MaxLatency = Annotated[
    int | None,
    _option("Clocks that the SystemVerilog may take; adder graphs are searched for it."),
]
ByLayer = Annotated[
    bool,
    _option("Count a streaming design operator by operator, beside what was estimated.", flag=True),
]
Combinational = Annotated[bool, _option("No registers: LUTs alone.", flag=True)]
WithRtl = Annotated[bool, _option("Add SystemVerilog of a parallel network.", flag=True)]
Projects = Annotated[
    Path, _option("A project folder that `hlsgen build` wrote; two to compare them.")
]
Page = Annotated[
    Path | None,
    _option(
        "The page to write; by default report.html in the folder, comparison.html here for two.",
        ["-o", "--output"],
    ),
]
OpenPage = Annotated[bool, _option("Show the page in a browser.", "--open", flag=True)]
Steps = Annotated[
    str, _option("Steps to run, separated by commas; all that are not up to date by default.")
]
Force = Annotated[bool, _option("Run the steps also where they are up to date.", flag=True)]
Units = Annotated[
    int | None,
    _option(
        "Compute units on an Alveo card, on dies with room by the estimate of C synthesis; by "
        "default those of the build, where it has them."
    ),
]
Dies = Annotated[
    str,
    _option(
        "The die of each compute unit, separated by commas (SLR0,SLR1), in place of --units.",
        "--slr",
    ),
]

FloatModel = Annotated[Path, _option("The float ONNX file.")]
QuantisedFile = Annotated[Path, _option("The quantised ONNX file to write.", ["-o", "--output"])]
Data = Annotated[
    Path, _option("X.npz with one array per network input, samples first, to calibrate on.")
]
TestData = Annotated[
    Path | None, _option("T.npz to judge the result on; the calibration data by default.")
]
Labels = Annotated[
    str | None,
    _option("The array of class numbers in the npz files; 'labels' where there is one."),
]
WeightBits = Annotated[
    str,
    _option(
        "Bits of a weight, 2 to 8; one scale an output channel. With K behind, as in 6k2, codes "
        "that are sums of at most K (1 to 3) signed powers of two."
    ),
]
ActivationBits = Annotated[int, _option("Bits of an activation, 2 to 8 or 16; one scale a tensor.")]
LayerBits = Annotated[
    list[str] | None,
    _option(
        "What one place has of its own, by its name in the table of errors: NAME=W4A6, bits of its "
        "weights (W6K2 as --weights 6k2) and of the values that it makes; po2, khot or free behind "
        "for its scales.",
        "--layer",
        flag=True,
    ),
]
RangesBy = Annotated[
    Literal["minmax", "percentile", "mse"],
    _option("How much of an activation's values its codes cover; mse takes the least error."),
]
Percentile = Annotated[float, _option("How many percent --ranges percentile covers.")]
RoundingBy = Annotated[
    Literal["nearest", "adaround", "gptq"],
    _option(
        "How weights become codes: each by itself, or so that the layer's output changes least."
    ),
]
ScalesBy = Annotated[
    Literal["free", "po2", "khot"],
    _option(
        "Which scales there may be: any of 12 bits; powers of two (requantisation is a shift); or "
        "such that requantisation is a sum of two shifts."
    ),
]
EqualiseBy = Annotated[
    Literal["none", "weights", "smooth"],
    _option(
        "Make the channels between two layers alike beforehand: by the weights of both, or by the "
        "activations and the weights that read them (SmoothQuant)."
    ),
]
BiasCorrection = Annotated[
    bool, Parameter(help="Move biases so that the mean of every output stays.")
]
Calibrate = Annotated[int, _option("At most so many samples calibrate, evenly spaced over all.")]

JudgeData = Annotated[
    Path | None,
    _option("T.npz that candidates are judged on; the calibration data by default."),
]
ObjectiveBy = Annotated[
    Literal["luts", "accuracy"],
    _option("luts: the fewest LUTs that lose at most --max-loss; accuracy: the best in --budget."),
]
MaxLoss = Annotated[
    float,
    _option(
        "Points of accuracy (without labels: of agreement) that may be lost against float.",
    ),
]
MinSqnr = Annotated[
    float, _option("Where outputs are no scores: the least signal over error that will do, in dB.")
]
Budget = Annotated[
    str,
    _option(
        "The most LUTs: a number, or a share of the uniform 8-bit design such as 50%; for "
        "--objective accuracy those of the board by default."
    ),
]
WeightWidths = Annotated[
    str,
    _option(
        "Bits that weights may have, separated by commas; 6k2 are those of 6 bits that are sums of "
        "at most 2 signed powers of two."
    ),
]
ActivationWidths = Annotated[str, _option("Bits that activations may have, separated by commas.")]
ScaleKinds = Annotated[
    str, _option("Kinds of scales to try, separated by commas: free, po2, khot (as of quantize).")
]
SearchedArithmetic = Annotated[
    str,
    _option(
        "How products are counted: auto counts adder graphs and settles each layer of the chosen "
        "design by the cost model; or tool, lut, table ... for all."
    ),
]
Drivers = Annotated[
    str,
    _option(
        "Who proposes candidates, one after the other: ilp, pareto, greedy, bisection, evolution "
        "(needs hlsgen[search]), refine."
    ),
]
SensitivityBy = Annotated[
    Literal["measured", "gauss-newton", "hutchinson"],
    _option(
        "What rounding a layer does: measured alone; from second moments; or from the Hessian's "
        "trace (needs torch)."
    ),
]
ExploredIo = Annotated[
    Literal["parallel", "stream"],
    _option("What candidates are made into: all unrolled, or streams folded for --target-fps."),
]
RateOfCandidates = Annotated[
    float,
    _option(
        "With --io stream: the frames a second that every candidate is folded for, with the least "
        "of the board."
    ),
]
CandidateClock = Annotated[
    float, _option("With --io stream: clock period in ns; the board's by default.")
]
MostCandidates = Annotated[int | None, _option("At most so many candidates are evaluated anew.")]
Minutes = Annotated[float | None, _option("No evaluation starts after so many minutes.")]
Jobs = Annotated[int, _option("Processes on this machine; one a core by default.")]
ExecutorAt = Annotated[
    str, _option("local, or dask://HOST:PORT of a scheduler (needs hlsgen[search]).")
]
StudyFile = Annotated[
    Path | None,
    _option("The file that keeps every outcome and goes on from there; OUT.study by default."),
]
