"""Streaming designs counted part by part: cells to resources, parts to operators."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from build.test_yosys import VERSION, stand_in
from hls_graphs import Builder, matmul, residual
from test_rtl_ops import needs_yosys

from hlsgen.build.synth_parts import layer_uses, part_uses
from hlsgen.emit.hls import HlsOptions, Io, design_of
from hlsgen.emit.rtl.stream.emit import emit_stream_rtl
from hlsgen.errors import HlsgenError
from hlsgen.fold.use import Use
from hlsgen.ir.hw import IntType

OPTIONS = HlsOptions(io=Io.STREAM)


def cells(*kinds: str) -> dict[str, object]:
    return {"attributes": {}, "cells": {f"c{k}": {"type": kind} for k, kind in enumerate(kinds)}}


def test_cells_are_counted_through_all_levels(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rtl = emit_stream_rtl(residual(), OPTIONS)
    top = {"attributes": {}, "cells": {"a": {"type": "unit"}, "b": {"type": "LUT2"}}}
    netlist = {
        "modules": {
            rtl.top: top,
            "unit": cells("inner", "inner", "FDRE", "RAM32M16", "INV", "DSP48E2"),
            "inner": cells("LUT6", "LUT1", "SRLC32E", "FDSE", "RAMB36E2", "CARRY4"),
            "LUT6": {"attributes": {"blackbox": 1}, "cells": {}},
        }
    }
    written = f"cat > netlist.json <<'E'\n{json.dumps(netlist)}\nE"
    stand_in(tmp_path, monkeypatch, f"{VERSION}\n{written}")
    assert part_uses(rtl) == {"a": Use(lut=14, ff=3, dsp=1, bram18=4), "b": Use(lut=1)}
    stand_in(tmp_path, monkeypatch, f"{VERSION}\necho '{{}}' > netlist.json")
    with pytest.raises(HlsgenError, match="wrote no netlist that hlsgen can read"):
        part_uses(rtl)


@needs_yosys
def test_every_operator_has_its_parts() -> None:
    """No part is lost or counted twice."""
    b = Builder("small", x=IntType.of((1, 4), -8, 7))
    graph = b.graph(b.add(matmul(3, 2), b.add(matmul(4, 3), "x")))
    design, rtl = design_of(graph, OPTIONS), emit_stream_rtl(graph, OPTIONS)
    parts = part_uses(rtl)
    assert {u.name if u.parameters else f"unit_{u.name}" for u in rtl.plan.units} <= {*parts}
    found = layer_uses(rtl, {o.function: o.node.output for o in design.operators})
    assert all(found[o.node.output].lut > 0 for o in design.operators)
    assert sum(u.lut for u in found.values()) == sum(u.lut for u in parts.values())
