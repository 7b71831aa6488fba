"""The typed, immutable graph that both operator levels share."""

from __future__ import annotations

from abc import ABC
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Generic, TypeVar

from hlsgen.errors import Loc

TypeT = TypeVar("TypeT")


class Op(ABC):  # noqa: B024 - the two levels below it add the abstract methods
    """What a node does; a frozen dataclass whose fields are its attributes."""

    __slots__ = ()


OpT_co = TypeVar("OpT_co", bound=Op, covariant=True)


@dataclass(frozen=True, slots=True)
class Node(Generic[OpT_co]):
    """One application of an operator to named values; `loc` says which ONNX node asked for it."""

    op: OpT_co
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    loc: Loc

    @property
    def output(self) -> str:
        """The first output: the only one of most operators."""
        return self.outputs[0]


@dataclass(frozen=True, eq=False)
class Graph(Generic[OpT_co, TypeT]):
    """Nodes in an order in which every input is known before it is used (single assignment)."""

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node[OpT_co], ...]
    types: Mapping[str, TypeT] = field(repr=False)

    @cached_property
    def producer(self) -> Mapping[str, Node[OpT_co]]:
        """The node that makes a value; inputs and constants have none."""
        return {name: node for node in self.nodes for name in node.outputs}

    @cached_property
    def consumers(self) -> Mapping[str, tuple[Node[OpT_co], ...]]:
        """The nodes that read a value."""
        found: dict[str, list[Node[OpT_co]]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    def __iter__(self) -> Iterator[Node[OpT_co]]:
        return iter(self.nodes)
