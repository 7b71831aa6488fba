"""hlsgen: quantised ONNX models as exact integer hardware.

The verbs of the command line, in Python: import_keras, load, lower, simulate, verify, emit, build.
They are imported when first used, so that `import hlsgen` costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hlsgen.build.project import BuildOptions, build
    from hlsgen.emit.project import emit
    from hlsgen.errors import HlsgenError
    from hlsgen.frontends import read_model as load
    from hlsgen.keras import import_keras
    from hlsgen.passes.lower import LowerOptions, lower
    from hlsgen.sim.run import simulate
    from hlsgen.sim.verify import verify

__version__ = "0.1.0"
__all__ = [
    "BuildOptions",
    "HlsgenError",
    "LowerOptions",
    "build",
    "emit",
    "import_keras",
    "load",
    "lower",
    "simulate",
    "verify",
]

_HOMES = {
    "BuildOptions": ("hlsgen.build.project", "BuildOptions"),
    "HlsgenError": ("hlsgen.errors", "HlsgenError"),
    "LowerOptions": ("hlsgen.passes.lower", "LowerOptions"),
    "build": ("hlsgen.build.project", "build"),
    "emit": ("hlsgen.emit.project", "emit"),
    "import_keras": ("hlsgen.keras", "import_keras"),
    "load": ("hlsgen.frontends", "read_model"),
    "lower": ("hlsgen.passes.lower", "lower"),
    "simulate": ("hlsgen.sim.run", "simulate"),
    "verify": ("hlsgen.sim.verify", "verify"),
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'hlsgen' has no attribute '{name}'")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value
