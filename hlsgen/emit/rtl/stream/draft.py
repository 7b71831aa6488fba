"""A plan in the making: channels and units are added one by one, with unique names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from hlsgen.arith.format import IntFormat
from hlsgen.emit.jinja import comment
from hlsgen.emit.names import Namer
from hlsgen.emit.processes import each_step
from hlsgen.emit.rtl.stream.gather import Order, gather_unit, lanes_of
from hlsgen.emit.rtl.stream.patterns import converted
from hlsgen.emit.rtl.stream.unit import Channel, Holder, Unit
from hlsgen.emit.views import Value
from hlsgen.schedule.process import Steps


@dataclass
class Draft:
    """Channels by name, and units in an order in which writers come before readers."""

    top: str
    namer: Namer
    channels: dict[str, Channel] = field(default_factory=dict[str, Channel])
    units: list[Unit] = field(default_factory=list[Unit])

    def channel(self, name: str, v: Value, lanes: int, width: int | None = None) -> str:
        """A new channel for tokens of some elements of a value, `width` bits each."""
        name = self.namer.take(name)
        bits = lanes * (width or v.type.format.width)
        self.channels[name] = Channel(name, bits, comment(v.note))
        return name

    def hold(self, channel: str, holder: Holder) -> None:
        """Says what holds the tokens of a channel."""
        self.channels[channel] = replace(self.channels[channel], holder=holder)

    def fork(self, v: Value, lanes: int, source: str, count: int) -> list[str]:
        """The same tokens for several readers."""
        targets = [self.channel(f"{v.name}_to{k + 1}", v, lanes) for k in range(count)]
        name = self.namer.take(f"fork_{v.name}")
        title = f"{comment(v.onnx)} for {count} reader{'s' if count > 1 else ''}"
        parameters: dict[str, int | str] = {
            "READERS": count,
            "WIDTH": self.channels[source].bits,
        }
        pattern = each_step(v.size // lanes, writes=count)
        unit = Unit(name, title, "stream_fork", pattern, (source,), tuple(targets), 1, parameters)
        self.units.append(unit)
        return targets

    def discard(self, v: Value, source: str) -> None:
        """A value that nothing reads."""
        name = self.namer.take(f"discard_{v.name}")
        title, pattern = f"{comment(v.onnx)} has no reader", each_step(v.beats, writes=0)
        self.units.append(Unit(name, title, "discard", pattern, (source,), (), 0))

    def resized(self, v: Value, given: int, wanted: int, source: str) -> str:
        """Tokens of another width; by two units where neither width divides the other."""
        for lanes in dict.fromkeys((math.gcd(given, wanted), wanted)):
            if lanes == given:
                continue
            target = self.channel(f"{v.name}_by{lanes}", v, lanes)
            module = "stream_narrow" if given > lanes else "stream_widen"
            parameters: dict[str, int | str] = {
                "PARTS": max(given, lanes) // min(given, lanes),
                "WIDTH": min(given, lanes) * v.type.format.width,
            }
            name = self.namer.take(f"{module.removeprefix('stream_')}_{target}")
            pattern = converted(given, lanes, v.size // given)
            title = f"{given} elements a token to {lanes}"
            unit = Unit(name, title, module, pattern, (source,), (target,), 1, parameters)
            self.units.append(unit)
            source, given = target, lanes
        return source

    def reordered(
        self, v: Value, source: str, given: int, orders: tuple[Steps, Steps], lanes: int
    ) -> str:
        """The same tensor in another order: row-major offsets of its elements, before and after."""
        place = np.empty(v.size, np.int64)
        place[orders[0]] = np.arange(v.size)
        places = place[orders[1]]
        width = lanes_of(places, math.gcd(given, lanes))
        source = self.resized(v, given, width, source)
        return self.ordered(v, source, places, width, v.type.format, 0, v.size, lanes)

    def ordered(
        self, v: Value, source: str, places: Steps, width: int, given: IntFormat, pad: int,
        size: int, lanes: int,
    ) -> str:  # fmt: skip
        """Elements from `places` among the `size` of a channel, `width` of them a token.

        They come in the format `given` and leave in that of `v`, `lanes` a token.
        """
        target = self.channel(f"{v.name}_ordered", v, width)
        self.hold(source, Holder.RING)
        tokens = places[::width]
        order = Order(np.where(tokens < 0, tokens, tokens // width), size // width)
        name = self.namer.take(f"{self.top}_{target}_order")
        title = f"{comment(v.onnx)} in another order"
        unit = gather_unit(
            name, title, source, target, order, width, given, v.type.format, pad
        )  # fmt: skip
        self.units.append(unit)
        return self.resized(v, width, lanes, target)
