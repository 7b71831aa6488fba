"""Lower a model, simulate it, and compare every integer and every output with the oracle."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from hlsgen.expr import constant
from hlsgen.expr.network import Network
from hlsgen.frontends import read_model
from hlsgen.ir.model import Model
from hlsgen.passes.lower import LowerOptions, lower
from hlsgen.sim.run import input_codes, output_values, simulate
from tests.passes import oracle
from tests.passes.exact_numbers import NoMeaning, Undecided, ends

Array = Any


@dataclass
class Verdict:
    """What came out: `wrong` lists differences; `undecided` counts samples the oracle gave up."""

    compared: int = 0
    undecided: int = 0
    meaningless: int = 0
    wrong: list[str] = field(default_factory=list[str])


def read(proto: Any, folder: Path) -> Model:
    path = folder / "model.onnx"
    onnx.save(proto, path)
    return read_model(path)


def check(
    model: Model,
    samples: Mapping[str, Array],
    options: LowerOptions | None = None,
    observe: Callable[[Network], None] | None = None,
) -> Verdict:
    """`samples[name]` has a leading sample axis."""
    net = lower(model, options)
    if observe is not None:
        observe(net)
    return compare(net, samples)


def compare(net: Network, samples: Mapping[str, Array]) -> Verdict:
    verdict = Verdict()
    count = len(next(iter(samples.values())))
    codes = input_codes(net, samples)
    values = evaluated(net, codes)
    verdict.wrong += bounds_kept(net, values)
    got = output_values(net, {name: values[name] for name in net.graph.outputs})
    for name, y in simulate(net, samples).items():
        if not np.array_equal(y, got[name]):
            verdict.wrong.append(f"simulate: output '{name}' differs from its operators' meaning")
    for j in range(count):
        feeds = {name: fed(net, name, v[j]) for name, v in samples.items()}
        try:
            want = oracle.evaluate(net.model, feeds)
        except Undecided:
            verdict.undecided += 1
            continue
        except NoMeaning:
            verdict.meaningless += 1
            continue
        verdict.wrong += [f"sample {j}: {text}" for text in origins_equal(net, values, want, j)]
        for port in net.outputs:
            verdict.wrong += [
                f"sample {j}: {text}"
                for text in output_equal(port.name, got[port.name][j], want[port.name], port.dtype)
            ]
        verdict.compared += 1
    return verdict


def evaluated(net: Network, codes: Mapping[str, Array]) -> dict[str, Array]:
    """Every hardware value by the operators' own definition, samples along axis 0."""
    values = dict(codes)
    for node in net.graph:
        types = tuple(net.graph.types[name] for name in node.inputs)
        results = node.op.evaluate(*(values[name] for name in node.inputs), types=types)
        values.update(zip(node.outputs, results, strict=True))
    count = max(v.shape[0] for v in codes.values())
    return {name: np.broadcast_to(v, (count, *v.shape[1:])) for name, v in values.items()}


def fed(net: Network, name: str, values: Array) -> Array:
    """The values that the reference is evaluated on: rounded where no format was declared."""
    if name not in net.rounded:
        return values
    note = next(n for n in net.notes if f"'{name}'" in n)
    if found := re.search(r"taken as (u?)fixed<(\d+),(-?\d+)>", note):
        width, whole = int(found[2]), int(found[3])
        return oracle.declared(values, width, width - whole, not found[1])
    found = re.search(r"taken as (u?)int(\d+)", note)
    assert found is not None, note
    return oracle.declared(values, int(found[2]), 0, not found[1])


def bounds_kept(net: Network, values: Mapping[str, Array]) -> list[str]:
    wrong: list[str] = []
    for name, t in net.graph.types.items():
        v = values[name]
        if v.shape[1:] != t.shape:
            wrong.append(f"{name}: shape {v.shape[1:]} is not {t.shape}")
        elif v.size and not (np.all(v >= t.lo) and np.all(v <= t.hi)):
            wrong.append(f"{name}: outside of its bounds")
        for extra in (t.lo, t.hi):
            if extra.ndim != len(t.shape):
                wrong.append(f"{name}: bounds of rank {extra.ndim} for {t.shape}")
    return wrong


def origins_equal(
    net: Network, values: Mapping[str, Array], want: Mapping[str, Array], j: int
) -> list[str]:
    wrong: list[str] = []
    for o in net.origins:
        if o.value not in values or o.tensor not in want:
            continue
        scale, offset = constant.rationals(o.scale), constant.rationals(o.offset)
        if scale is None or offset is None:
            continue
        v = values[o.value]
        v = oracle.tensor(v[j if len(v) > 1 else 0])
        real = np.broadcast_to(v * scale + offset, want[o.tensor].shape)
        bad = [p for p in np.ndindex(*real.shape) if not same(real[p], want[o.tensor][p])]
        if bad:
            wrong.append(
                f"'{o.tensor}' ({o.loc}) at {bad[0]} of {len(bad)}: {real[bad[0]]}, "
                f"not {oracle.approximate(want[o.tensor][bad[0]])}"
            )
    return wrong


def same(a: Fraction, b: Any) -> bool:
    low, high = ends(b)
    return low <= a <= high


def output_equal(name: str, got: Array, want: Array, dtype: str) -> list[str]:
    if got.shape != want.shape:
        return [f"'{name}': shape {got.shape}, not {want.shape}"]
    real = np.array([oracle.approximate(v) for v in want.flat]).reshape(want.shape)
    if dtype.startswith(("float", "bfloat")):
        top = max(1e-30, float(np.abs(real).max(initial=0)))
        good = np.abs(got - real) <= 1e-6 * np.abs(real) + 1e-9 * max(1.0, top)
    else:
        good = got == real
    if np.all(good):
        return []
    place = tuple(int(i) for i in np.argwhere(~good)[0])
    return [
        f"output '{name}' at {place}, {int((~good).sum())} in all: {got[place]}, not {real[place]}"
    ]
