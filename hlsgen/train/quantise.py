"""One call from a float module to a quantised one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx, nn

from hlsgen.train.config import Config
from hlsgen.train.layers import BatchNorm, QuantisedNorm, QuantisedProduct, Weighted
from hlsgen.train.operators import (
    Elementwise,
    Function,
    Input,
    MaxPool,
    Norm,
    Operator,
    Product,
    Reshape,
    Same,
)
from hlsgen.train.placing import Traced
from hlsgen.train.precision_gate import GatedProduct
from hlsgen.train.quantised import Quantised
from hlsgen.train.quantisers.bipolar import Bipolar
from hlsgen.train.quantisers.qfx import QfxQuantiser
from hlsgen.train.quantisers.quantiser import Quantiser, Source
from hlsgen.train.reading import read, refuse, short_name
from hlsgen.train.straight_through import short_through
from hlsgen.train.tracing import modules_of, trace

Examples = Tensor | tuple[Tensor, ...]


def quantise(module: nn.Module, example: Examples, config: Config | None = None) -> Quantised:
    """A quantised copy of `module`, its quantisers set for values like those of `example`.

    Batch norm becomes the scale and offset that it is in inference: train in float first.

    Args:
        module: what `torch.fx` can trace, of layers that `hlsgen.train.reading` names.
        example: a batch of the network's own inputs, on the device of its parameters; the more
            typical, the better the start.
        config: which quantisers; learned fixed point of 8 bits everywhere if None.

    Errors: Unsupported naming a layer that cannot be quantised; OptionError for a pattern of the
    config that matches nothing.
    """
    examples = (example,) if isinstance(example, Tensor) else example
    body = trace(copy.deepcopy(module), examples)
    made = _Rewriting(body, examples, Config() if config is None else config)
    made.run()
    quantised = Quantised(body).to(examples[0].device)
    _calibrate(quantised, examples)
    return quantised.train(module.training)


def _calibrate(quantised: Quantised, examples: tuple[Tensor, ...]) -> None:
    """One pass, in which each quantiser of activations sees what those before it return."""
    quantised.eval()
    with torch.no_grad():
        quantised(*examples)


class _Rewriting:
    """Puts quantisers into a traced network."""

    def __init__(self, body: fx.GraphModule, examples: tuple[Tensor, ...], config: Config) -> None:
        self.body, self.config = body, config
        modules = modules_of(body)
        nodes = list(body.graph.nodes)
        operators: dict[fx.Node, Operator] = {node: read(node, modules) for node in nodes}
        inputs = [node for node in nodes if isinstance(operators[node], Input)]
        negative = {n for n, x in zip(inputs, examples, strict=True) if bool((x < 0).any())}
        traced = Traced(operators, frozenset(negative))
        self.operators = operators
        self.sources = {node: traced.sources(node) for node in nodes}
        self.signs = {n: traced.signed(n) for n in nodes if traced.quantised(n, config.output)}
        layers = [n for n in nodes if isinstance(operators[n], (Product, Norm))]
        config.check_names({short_name(n) for n in (*layers, *self.signs)})

    def run(self) -> None:
        """Replace layers and insert quantisers, in the order of the network."""
        formats: dict[fx.Node, Source] = {}
        done: set[str] = set()
        for node, operator in self.operators.items():
            name = short_name(node)
            if isinstance(operator, (Product, Norm)) and name in done:
                raise refuse(node, "a layer used twice; make a copy of it for each use")
            done.add(name)
            match operator:
                case Product(module):
                    self._replace(node, self._product(node, module, formats))
                case Norm(module):
                    self._replace(node, self._norm(node, module))
                case Elementwise(Function.LEAKY_RELU, (slope,)):
                    self._same_slope(node, slope)
                case _:
                    pass
            self._quantise(node, operator, formats)
        self.body.graph.lint()
        self.body.recompile()

    def _product(
        self, node: fx.Node, layer: nn.Module, formats: dict[fx.Node, Source]
    ) -> QuantisedProduct:
        assert isinstance(layer, Weighted)
        if isinstance(layer, (nn.Conv1d, nn.Conv2d)) and layer.padding_mode != "zeros":
            raise refuse(node, f"padding mode '{layer.padding_mode}'; only zeros are exact")
        config = self.config.of(short_name(node))
        source = formats[self.sources[node][0]]
        weights = config.weights.for_weights(layer.weight, source)
        has_bias = layer.bias is not None or weights.bias(layer.weight) is not None
        bias = _calibrating(_wide(config.bias)) if has_bias else None
        if isinstance(config.weights, Bipolar) and config.weights.gated:
            return GatedProduct(layer, weights, bias)
        return QuantisedProduct(layer, weights, bias)

    def _norm(self, node: fx.Node, norm: nn.Module) -> QuantisedNorm:
        assert isinstance(norm, BatchNorm)
        if norm.running_mean is None:
            raise refuse(node, "batch norm without running statistics")
        config = self.config.of(short_name(node))
        factor = QfxQuantiser(
            config.batch_norm_bits, signed=True, narrow=True, shape=(norm.num_features,)
        )
        return QuantisedNorm(norm, _calibrating(factor), _calibrating(_wide(config.bias)))

    def _replace(self, node: fx.Node, module: nn.Module) -> None:
        parent, _, name = str(node.target).rpartition(".")
        setattr(self.body.get_submodule(parent), name, module)

    def _same_slope(self, node: fx.Node, slope: float) -> None:
        """A slope of 12 significant bits, so that products with it stay exact."""
        exact = float(short_through(torch.tensor(slope)))
        if node.op == "call_module":
            self._replace(node, nn.LeakyReLU(exact))
        else:
            node.args, node.kwargs = (node.args[0],), {"negative_slope": exact}

    def _quantise(self, node: fx.Node, operator: Operator, formats: dict[fx.Node, Source]) -> None:
        """Put a quantiser behind a node that needs one; note what format its value has."""
        if node not in self.signs:
            if isinstance(operator, (MaxPool, Reshape, Same)):
                source = self.sources[node][0]
                if source in formats:
                    formats[node] = formats[source]
            return
        signed = self.signs[node]
        activations = self.config.of(short_name(node)).activations
        quantiser = _calibrating(activations.for_activations(signed))
        formats[node] = Source(activations.bits, signed)
        name = f"{node.name}_quantiser"
        self.body.add_module(name, quantiser)
        with self.body.graph.inserting_after(node):
            inserted = self.body.graph.call_module(name, (node,))
        inserted.meta = dict(node.meta)
        node.replace_all_uses_with(inserted, lambda user: user is not inserted)


def _wide(bits: int) -> Quantiser:
    return QfxQuantiser(bits, signed=True, narrow=True)


def _calibrating(quantiser: Quantiser) -> Quantiser:
    quantiser.calibrating = True
    return quantiser
