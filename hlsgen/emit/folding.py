"""stub"""
from __future__ import annotations
from collections.abc import Mapping
from hlsgen.ir.hw import HwGraph
Folding = tuple[int, int]
def default_folding(graph: HwGraph) -> dict[str, Folding]:
    return {}
def stream_lanes(graph: HwGraph, folding: Mapping[str, Folding]) -> dict[str, int]:
    return dict.fromkeys(graph.types, 1)
