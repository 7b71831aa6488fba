"""The graph under construction: values, constants, aliases, nodes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from hlsgen.errors import Loc, ModelError
from hlsgen.frontends.fold import fold_movement
from hlsgen.frontends.load import check_size
from hlsgen.ir.graph import Node
from hlsgen.ir.model import ModelOp, ModelType

Array = NDArray[np.generic]


@dataclass(slots=True)
class Builder:
    """What has been read so far; readers change it through `Call` only."""

    types: dict[str, ModelType] = field(default_factory=dict[str, ModelType])
    constants: dict[str, Array] = field(default_factory=dict[str, Array])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    nodes: list[Node[ModelOp]] = field(default_factory=list[Node[ModelOp]])
    known: dict[str, Array] = field(default_factory=dict[str, Array])

    def resolve(self, name: str) -> str:
        """The value that `name` is another name of."""
        while name in self.aliases:
            name = self.aliases[name]
        return name

    def is_known(self, name: str) -> bool:
        """Whether something makes or holds this value."""
        return self.resolve(name) in self.types

    def add_constant(self, name: str, array: Array, dtype: str | None = None) -> str:
        """Holds an array under `name`."""
        self.declare(name, ModelType(tuple(array.shape), dtype or str(array.dtype)))
        self.constants[name] = array
        return name

    def declare(self, name: str, item: ModelType) -> None:
        """Gives a value its type, once."""
        if name in self.types or name in self.aliases:
            raise ModelError(f"value '{name}' is made twice")
        check_size(item.shape, f"value '{name}'")
        self.types[name] = item

    def emit(
        self, op: ModelOp, inputs: tuple[str, ...], outputs: tuple[str, ...], loc: Loc
    ) -> None:
        """Adds a node, or its result where it only moves the elements of constants."""
        items = op.infer(*(self.types[name] for name in inputs))
        for name, item in zip(outputs, items, strict=True):
            self.declare(name, item)
        if all(name in self.constants for name in inputs):
            folded = fold_movement(op, [self.constants[name] for name in inputs])
            if folded is not None:
                self.constants[outputs[0]] = folded
                return
        self.nodes.append(Node(op, inputs, outputs, loc))

    def rename(self, old: str, new: str) -> None:
        """Gives a value made by the newest node, or a fresh constant, another name."""
        self.declare(new, self.types.pop(old))
        if old in self.constants:
            self.constants[new] = self.constants.pop(old)
            return
        for index in range(len(self.nodes) - 1, -1, -1):
            node = self.nodes[index]
            if old in node.outputs:
                outputs = tuple(new if name == old else name for name in node.outputs)
                self.nodes[index] = replace(node, outputs=outputs)
                return
