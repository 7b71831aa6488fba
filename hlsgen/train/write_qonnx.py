"""A quantised network as QONNX: standard operators, and Quant where its quantisers stand."""

from __future__ import annotations

from pathlib import Path

import onnx
from torch import Tensor, fx, nn

from hlsgen.errors import OptionError, reason_of
from hlsgen.train.headroom import check_headroom
from hlsgen.train.onnx_nodes import Writer
from hlsgen.train.operators import Input, Operator, Output, Size
from hlsgen.train.quantise import Examples
from hlsgen.train.quantised import Quantised
from hlsgen.train.reading import read
from hlsgen.train.tracing import modules_of, trace
from hlsgen.train.write_operator import write


def export(network: Quantised, path: Path | str) -> None:
    """Write `network` as QONNX: what it returns in evaluation mode, for batches of any size.

    Errors: OptionError where the file cannot be written; Unsupported where float64 might round a
    sum of products.
    """
    training = network.training
    network.eval()
    check_headroom(network.body)
    _save(_model(network.body), Path(path))
    network.train(training)


def export_float(module: nn.Module, example: Examples, path: Path | str) -> None:
    """Write a module that is not quantised as plain ONNX, for `hlsgen quantize`.

    Errors: those of `quantise` and `export`.
    """
    examples = (example,) if isinstance(example, Tensor) else example
    _save(_model(trace(module, examples)), Path(path))


def _save(model: onnx.ModelProto, path: Path) -> None:
    temporary = path.with_name(f".{path.name}.part")
    try:
        onnx.save(model, temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OptionError(f"cannot write {path}: {reason_of(error)}") from error


def _model(body: fx.GraphModule) -> onnx.ModelProto:
    writer, modules = Writer(), modules_of(body)
    names: dict[fx.Node, str] = {}
    for node in body.graph.nodes:
        operator: Operator = read(node, modules)
        match operator:
            case Input():
                names[node] = writer.input(node.name, node.meta["shape"])
            case Output():
                for value in node.all_input_nodes:
                    writer.output(names[value], value.meta["shape"])
            case Size():
                pass
            case _:
                before = [n for n in node.all_input_nodes if n in names]
                names[node] = write(writer, node, operator, [names[n] for n in before])
    return writer.model()
