"""Words over time: which bits of a netlist stand side by side in one numpy array."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]  # unsigned patterns: int64, or Python ints where 62 bits do not suffice
Bit = int | str  # a net, or a constant "0", "1", "x"
WIDE = 62  # bits of a word that numpy holds as an integer of its own


@dataclass(frozen=True, slots=True)
class Run:
    """Neighbouring bits of one word, or constants (`word` -1)."""

    word: int
    offset: int
    count: int
    value: int = 0


class Words:
    """Which word and bit every net is, and the words: (copies of the module, clocks)."""

    def __init__(self, shape: tuple[int, int], last: Mapping[Bit, int]) -> None:
        self.shape, self.last = shape, last
        self.place: dict[Bit, tuple[int, int]] = {}
        self.words: list[Array | None] = []
        self.ends: dict[int, list[int]] = {}

    def put(self, bits: Sequence[Bit], values: Array) -> None:
        """A new word, kept until its last bit was read."""
        word = len(self.words)
        for k, bit in enumerate(bits):
            self.place[bit] = word, k
        end = max((self.last.get(bit, -1) for bit in bits), default=-1)
        self.words.append(None if end < 0 else values)
        self.ends.setdefault(end, []).append(word)

    def forget(self, step: int) -> None:
        """Lets go of what no later step reads."""
        for word in self.ends.pop(step, ()):
            self.words[word] = None

    def runs(self, bits: Sequence[Bit]) -> list[Run]:
        """The bits as few runs, the lowest first; an x counts as 0."""
        found: list[Run] = []
        for bit in bits:
            word, offset = (-1, 0) if isinstance(bit, str) else self.place[bit]
            last = found[-1] if found else None
            if last and word == last.word and (word < 0 or offset == last.offset + last.count):
                value = last.value | (bit == "1") << last.count
                found[-1] = Run(word, last.offset, last.count + 1, value)
            else:
                found.append(Run(word, offset, 1, int(bit == "1")))
        return found

    def part(self, run: Run) -> Array:
        if run.word < 0:
            return np.full(self.shape, run.value, dtype=object if run.count > WIDE else np.int64)
        word = self.words[run.word]
        if word is None:
            raise AssertionError("a word was let go before it was read")
        values = (word >> run.offset) & ((1 << run.count) - 1)
        return values if run.count > WIDE else values.astype(np.int64)

    def get(self, bits: Sequence[Bit]) -> Array:
        """The unsigned pattern of some bits."""
        wide = len(bits) > WIDE
        runs = self.runs(bits)
        if len(runs) == 1:
            return self.part(runs[0])
        total: Array = np.zeros(self.shape, dtype=object if wide else np.int64)
        at = 0
        for run in runs:
            part = self.part(run)
            total = total + ((part.astype(object) if wide else part) << at)
            at += run.count
        return total
