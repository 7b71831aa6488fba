"""Neurons as truth tables: sum, activation and quantiser in one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from hlsgen.arith.truth_table import BitTable
from hlsgen.errors import ModelError
from hlsgen.ir.field import to_int64
from hlsgen.ir.hw import HwOp, IntArray, IntType


@dataclass(frozen=True, eq=False)
class TruthTable(HwOp):
    """y[..., j] = tables[j].values at the bits of x[...] that tables[j].pins names.

    Shapes: x (..., `inputs`), y (..., tables).
    Source: LogicNets (Umuroglu et al., FPL 2020): a neuron of few input bits is one table.
    """

    inputs: int
    tables: tuple[BitTable, ...]

    def infer(self, *inputs: IntType) -> tuple[IntType, ...]:
        (x,) = inputs
        if not x.shape or x.shape[-1] != self.inputs:
            raise ModelError(f"truth tables need {self.inputs} inputs, got shape {x.shape}")
        ends = [(int(t.values.min()), int(t.values.max())) for t in self.tables]
        lo, hi = (to_int64(np.array(end, dtype=object)) for end in zip(*ends, strict=True))
        return (IntType.of((*x.shape[:-1], len(self.tables)), lo, hi),)

    def evaluate(self, *inputs: IntArray, types: tuple[IntType, ...]) -> tuple[IntArray, ...]:
        return (np.stack([table.evaluate(inputs[0]) for table in self.tables], axis=-1),)

    @property
    def flat(self) -> dict[str, IntArray]:
        """All tables in a row, for engines.

        Table j reads pins start[j] up to start[j + 1]; its values begin at first[j].
        """
        counts = [len(t.pins) for t in self.tables]
        pins = np.array([p for t in self.tables for p in t.pins], dtype=np.int64).reshape(-1, 2)
        return {
            "start": np.concatenate(([0], np.cumsum(counts))).astype(np.int64),
            "operand": pins[:, 0],
            "bit": pins[:, 1],
            "first": np.cumsum([0] + [1 << n for n in counts])[:-1].astype(np.int64),
            "values": np.concatenate([t.values for t in self.tables]),
        }

    @classmethod
    def samples(cls) -> Iterator[tuple[HwOp, tuple[IntType, ...]]]:
        rng = np.random.default_rng(11)

        def table(bits: int, lo: int, hi: int) -> BitTable:
            places = rng.choice(5 * 3, bits, replace=False)
            pins = tuple((int(p) // 3, int(p) % 3) for p in places)
            return BitTable(pins, rng.integers(lo, hi + 1, 1 << bits))

        for shape in ((1, 5), (2, 3, 5)):
            tables = (
                table(3, 0, 3), table(0, -2, -2), table(6, -4, 3), table(1, 0, 1),
                table(7, -1, 0), table(9, -8, 7), table(6, 5, 90), table(2, -1, -1),
            )  # fmt: skip
            yield cls(5, tables), (IntType.of(shape, -4, 3),)
        # sums of bits: a table that falls apart into smaller ones
        ones = np.array([min(i.bit_count(), 7) // 2 for i in range(1 << 10)])
        pins = tuple((k % 5, k // 5) for k in range(10))
        yield cls(5, (BitTable(pins, ones), BitTable(pins, 1 - ones))), (IntType.of((1, 5), -4, 3),)
