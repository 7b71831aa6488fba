"""Where quantisers of activations stand in a traced network, and with which sign."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import fx

from hlsgen.train.operators import (
    Add,
    AveragePool,
    Concat,
    Elementwise,
    Function,
    GlobalAveragePool,
    Input,
    MaxPool,
    Norm,
    Operator,
    Output,
    Product,
    Quantisation,
    Reshape,
    Same,
    Size,
)

_LINEAR = (Function.RELU, Function.CLIP, Function.LEAKY_RELU)


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """A traced network: its nodes in order, what each means, which inputs have negative values."""

    operators: Mapping[fx.Node, Operator]
    negative_inputs: frozenset[fx.Node]

    def sources(self, node: fx.Node) -> list[fx.Node]:
        """The values that a node takes, sizes left out."""
        return [n for n in node.all_input_nodes if not isinstance(self.operators[n], Size)]

    def users(self, node: fx.Node) -> list[fx.Node]:
        """The nodes that compute with a value, looking through those that only move elements."""
        found: list[fx.Node] = []
        for user in node.users:
            match self.operators[user]:
                case MaxPool() | Reshape() | Same():
                    found += self.users(user)
                case Size():
                    pass
                case _:
                    found.append(user)
        return found

    def signed(self, node: fx.Node) -> bool:
        """Whether a value can be negative."""
        match self.operators[node]:
            case Input():
                return node in self.negative_inputs
            case Product() | Norm() | Output() | Size():
                return True
            case Quantisation(module):
                return bool(getattr(module, "low", -1) < 0)
            case Elementwise(Function.RELU | Function.SIGMOID | Function.HARD_SIGMOID):
                return False
            case Elementwise(Function.CLIP, parameters):
                return parameters[0] < 0
            case Elementwise():
                return True
            case _:
                return any(self.signed(source) for source in self.sources(node))

    def quantised(self, node: fx.Node, output: bool) -> bool:
        """Whether a quantiser follows a node.

        1. Inputs, products, batch norms, functions, sums, means and Concats have one.
        2. None stands before a batch norm or a function that is the only use of a value: with what
           comes behind it they are one function of an exact sum.
        3. None on what the network returns, unless `output`; but means and curved functions have no
           exact result without one.
        """
        match self.operators[node]:
            case Output() | Quantisation() | MaxPool() | Reshape() | Same() | Size():
                return False
            case Input():
                return True
            case AveragePool() | GlobalAveragePool() | Concat():
                inexact = True
            case Elementwise(function):
                inexact = function not in _LINEAR
            case Product() | Norm() | Add():
                inexact = False
        users = self.users(node)
        if users and all(isinstance(self.operators[u], (Norm, Elementwise)) for u in users):
            return False
        returned = bool(users) and all(isinstance(self.operators[u], Output) for u in users)
        return inexact or output or not returned
