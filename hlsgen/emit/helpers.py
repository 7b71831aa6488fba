"""The processes between operators: what each is called with in C++, and when it moves its beats.

One class for each function of templates/hls/streams.h.j2 that the plan of a design calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from hlsgen.arith.format import IntFormat
from hlsgen.emit import processes
from hlsgen.emit.processes import Pattern
from hlsgen.ops.hw._window import Window

Layout = tuple[int, int, int, int]  # lanes, and a tensor as (batch, channels, pixels)


@dataclass(frozen=True, slots=True)
class FromPort:
    """Beats from the words of a port."""

    format: IntFormat
    lanes: int
    word_bits: int
    beats: int

    @property
    def call(self) -> str:
        return _call("from_port", *_port(self))

    @property
    def pattern(self) -> Pattern:
        return processes.each_step(self.beats, reads=0)


@dataclass(frozen=True, slots=True)
class ToPort:
    """Words of a port from beats."""

    format: IntFormat
    lanes: int
    word_bits: int
    beats: int

    @property
    def call(self) -> str:
        return _call("to_port", *_port(self))

    @property
    def pattern(self) -> Pattern:
        return processes.each_step(self.beats, writes=0)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """One stream as two."""

    format: IntFormat
    lanes: int
    beats: int

    @property
    def call(self) -> str:
        return _call("duplicate", self.format.cpp, self.lanes, self.beats)

    @property
    def pattern(self) -> Pattern:
        return processes.each_step(self.beats, writes=2)


@dataclass(frozen=True, slots=True)
class Discard:
    """A stream that nothing reads."""

    format: IntFormat
    lanes: int
    beats: int

    @property
    def call(self) -> str:
        return _call("discard", self.format.cpp, self.lanes, self.beats)

    @property
    def pattern(self) -> Pattern:
        return processes.each_step(self.beats, writes=0)


@dataclass(frozen=True, slots=True)
class Resize:
    """Beats of `given` lanes as beats of `wanted`, which divide `lanes`, `groups` times over.

    Where `given` does not divide `lanes` the last beat of a group has lanes that say nothing.
    """

    format: IntFormat
    given: int
    wanted: int
    lanes: int
    groups: int

    @classmethod
    def of(cls, fmt: IntFormat, given: int, wanted: int, channels: int, places: int) -> Resize:
        """The converter of a tensor with so many places, its channels side by side."""
        lanes = channels if channels % given else math.lcm(given, wanted)
        return cls(fmt, given, wanted, lanes, places * channels // lanes)

    @property
    def reads(self) -> int:
        """Beats taken for a group."""
        return -(-self.lanes // self.given)

    @property
    def writes(self) -> int:
        """Beats made of a group."""
        return self.lanes // self.wanted

    @property
    def call(self) -> str:
        return _call(
            "resize", self.format.cpp, self.given, self.wanted, self.lanes, self.groups
        )  # fmt: skip

    @property
    def pattern(self) -> Pattern:
        return processes.resize(self.given, self.wanted, self.lanes, self.groups)


@dataclass(frozen=True, slots=True)
class Reorder:
    """The same tensor in another order and width."""

    format: IntFormat
    given: Layout
    wanted: Layout

    @property
    def call(self) -> str:
        return _call("reorder", self.format.cpp, *self.given, *self.wanted)

    @property
    def pattern(self) -> Pattern:
        beats = [math.prod(layout[1:]) // layout[0] for layout in (self.given, self.wanted)]
        return processes.whole(beats[:1], beats[1:], 0)


@dataclass(frozen=True, slots=True)
class Slide:
    """Windows of images (height, width), `chunks` beats of `lanes` a place, in `groups`.

    `taps` of a window make a beat: 1, a column of them, or all. `pace`: clocks of a frame in which
    its reader takes whole windows; windows that come faster would wait, and are the widest beats.
    """

    format: IntFormat
    operand: IntFormat
    lanes: int
    batch: int
    chunks: int
    groups: int
    size: tuple[int, int]
    places: tuple[int, int]
    window: Window
    taps: int = 1
    pace: int = 0

    @property
    def made(self) -> int:
        """Lanes of a beat of windows."""
        return self.lanes * self.taps

    @property
    def whole(self) -> bool:
        """Whether a beat is a whole window."""
        return self.taps == math.prod(self.window.kernel)

    @property
    def ring_rows(self) -> int:
        """Rows that are held: those a window spans, and those that come in meanwhile."""
        w = self.window
        return (w.kernel[0] - 1) * w.dilations[0] + 1 + w.strides[0]

    @property
    def call(self) -> str:
        w = self.window
        if self.taps > 1:
            return _call(
                "slide_columns", self.format.cpp, self.operand.cpp, self.lanes,
                str(self.whole).lower(), self.batch, *self.size, *w.kernel, *w.strides,
                *w.dilations, *w.pads_begin, *self.places,
            )  # fmt: skip
        return _call(
            "slide", self.format.cpp, self.operand.cpp, self.lanes, self.batch, self.chunks,
            self.groups, *self.size, *w.kernel, *w.strides, *w.dilations, *w.pads_begin,
            *self.places,
        )  # fmt: skip

    @property
    def pattern(self) -> Pattern:
        if self.taps > 1:
            return processes.slide_columns(
                self.window, self.batch, self.size, self.places, whole=self.whole,
                pace=self.pace,
            )  # fmt: skip
        return processes.slide(self.window, self.batch, self.chunks, self.size, self.places)


Helper = FromPort | ToPort | Duplicate | Discard | Resize | Reorder | Slide


def _call(function: str, *parameters: object) -> str:
    return f"{function}<{', '.join(map(str, parameters))}>"


def _port(port: FromPort | ToPort) -> tuple[object, ...]:
    return port.format.cpp, port.format.width, port.lanes, port.word_bits, port.beats
