"""Configuration files of the unified tools hold documented keys only, each once but for lists."""

from __future__ import annotations

from collections import Counter

import pytest
from hls_graphs import mlp

from hlsgen.emit.hls import HlsOptions, Io, emit_hls

# UG1399 2023.2 to 2025.2, "HLS config file commands"; flow_target to 2024.2.
KEYS = {
    "": {"part", "platform", "freqhz"},
    "hls": {
        "clock", "clock_uncertainty", "flow_target", "syn.top", "syn.file", "syn.cflags", "tb.file",
        "tb.cflags", "package.output.format", "package.output.file", "cosim.rtl", "csim.clean",
    },
}  # fmt: skip
LISTS = {"syn.file", "tb.file"}


@pytest.mark.parametrize("target", ["vivado", "vitis"])
@pytest.mark.parametrize("name", ["hls_config.cfg", "kernel.cfg"])
def test_keys(name: str, target: str) -> None:
    text = str(emit_hls(mlp(), HlsOptions(io=Io.STREAM, flow_target=target))[name])
    section, entries = "", []
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, value = line.split("=", 1)
            assert key in KEYS[section], line
            entries.append((key, value))
    counts = Counter(key for key, _ in entries)
    assert {key for key, count in counts.items() if count > 1} <= LISTS
    values = dict(entries)
    assert values["package.output.format"] == ("xo" if target == "vitis" else "ip_catalog")
    assert values.get("flow_target", "vivado") == target
    top = "mlp" if name == "hls_config.cfg" else "mlp_kernel"
    assert values["syn.top"] == top
    assert ("syn.file", f"src/{top}.cpp") in entries
    assert ("-DHLSGEN_KERNEL" in values["syn.cflags"]) == (name == "kernel.cfg")
