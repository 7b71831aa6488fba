"""The hardware level: integers of known range, operators with one exact meaning."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hlsgen.arith.format import IntFormat
from hlsgen.ir.field import compress, field_of
from hlsgen.ir.graph import Graph, Op
from hlsgen.ir.model import Shape

IntArray = NDArray[Any]  # int64, or object (Python ints) where 63 bits do not suffice
SAFE = 1 << 62


@dataclass(frozen=True, eq=False)
class IntType:
    """A tensor of integers with exact bounds per element.

    Shapes: `lo` and `hi` have the rank of `shape` and broadcast to it (size 1 where all agree).
    """

    shape: Shape
    lo: IntArray
    hi: IntArray

    @classmethod
    def of(cls, shape: Shape, lo: int | IntArray, hi: int | IntArray) -> IntType:
        return cls(shape, compress(field_of(lo, len(shape))), compress(field_of(hi, len(shape))))

    @cached_property
    def min(self) -> int:
        return int(self.lo.min()) if self.lo.size else 0

    @cached_property
    def max(self) -> int:
        return int(self.hi.max()) if self.hi.size else 0

    @cached_property
    def format(self) -> IntFormat:
        """The narrowest format that holds every element: the type of the wires and streams."""
        return IntFormat.of_range(self.min, self.max)

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=np.int64))

    @property
    def dtype(self) -> Any:
        """The numpy type that co-simulation holds these integers in."""
        return np.dtype(np.int64) if self.min >= -SAFE and self.max <= SAFE else np.dtype(object)


@dataclass(frozen=True, eq=False)
class HwOp(Op):
    """An integer operator: `evaluate` is its meaning, the templates of its name are its hardware.

    Arrays carry one more leading axis than the types: the samples of a batch.
    """

    @abstractmethod
    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        """Shapes and exact bounds of the outputs."""

    @abstractmethod
    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        """The outputs' integers; `types` are those of the inputs."""

    @classmethod
    @abstractmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        """Instances with input types on which every engine is compared with `evaluate`."""

    def partial_bounds(self, *inputs: IntType) -> tuple[int, int] | None:
        """Bounds of every partial sum in any order, for operators that accumulate."""
        return None


@dataclass(frozen=True, eq=False)
class HwGraph(Graph[HwOp, IntType]):
    """An integer-only network.

    `codes` are the only integers that an input takes, where its quantiser chooses among a few.
    """

    codes: Mapping[str, frozenset[int]] = field(default_factory=dict[str, frozenset[int]])
