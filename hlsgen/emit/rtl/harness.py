"""What a simulator is driven with: C++ around the model that Verilator or Yosys makes."""

from __future__ import annotations

from pathlib import Path

from hlsgen.emit.jinja import environment, tidy
from hlsgen.emit.rtl.emit import Rtl


def emit_harness(rtl: Rtl, kind: str, templates: Path | None = None) -> dict[str, str]:
    """harness.cpp and its model.h; `kind` is verilator or cxxrtl."""
    env = environment(templates).overlay()
    env.filters["mangled"] = mangled
    context = {
        "top": rtl.top,
        "latency": rtl.latency,
        "inputs": rtl.inputs,
        "outputs": rtl.outputs,
    }
    return {
        "harness.cpp": tidy(env.get_template("rtl/harness.cpp.j2").render(context)),
        "model.h": tidy(env.get_template(f"rtl/model_{kind}.h.j2").render(context)),
    }


def mangled(name: str) -> str:
    """An identifier as CXXRTL spells it."""
    return name.replace("_", "__")
