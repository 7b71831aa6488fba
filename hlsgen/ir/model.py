"""The model level: what the file says, typed, no decision taken."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hlsgen.ir.graph import Graph, Op

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelType:
    """Shape (a free batch dimension counts 1) and ONNX element type by its numpy-like name.

    `dtype` is one of float32, float16, bfloat16, float64, bool, int2 .. int64, uint2 .. uint64.
    """

    shape: Shape
    dtype: str

    @property
    def is_integer(self) -> bool:
        return not self.dtype.startswith(("float", "bfloat"))


class ModelOp(Op):
    """An operator on real numbers (or on integers, where the file's own type is integer)."""

    __slots__ = ()

    @abstractmethod
    def infer(self, *inputs: ModelType) -> tuple[ModelType, ...]:
        """Types of the outputs; raises ModelError where the inputs do not fit."""


@dataclass(frozen=True, eq=False)
class Model(Graph[ModelOp, ModelType]):
    """A whole file as the front-ends read it.

    Formats: `constants` hold the file's own numbers (float32 stays float32, integers int64);
    `batch` names the inputs whose first dimension is free in the file.
    """

    constants: Mapping[str, NDArray[np.generic]] = field(
        default_factory=dict[str, NDArray[np.generic]], repr=False
    )
    file: str = ""
    sha256: str = ""
    dialect: str = ""
    batch: frozenset[str] = frozenset()
