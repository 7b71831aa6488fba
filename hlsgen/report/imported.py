"""What an import found, in a few lines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hlsgen.report.console import console

if TYPE_CHECKING:
    from hlsgen.keras import Imported

_SHOWN = 4


def imported_json(result: Imported, output: Path) -> dict[str, Any]:
    """The same for scripts."""
    return {
        "format": 1,
        "output": str(output),
        "keras": result.version,
        "layers": result.layers,
        "quantisers": dict(result.quantisers),
        "unquantised": list(result.unquantised),
    }


def show(result: Imported, output: Path) -> None:
    """Layers, quantisers, what is still real-valued, and the command that comes next."""
    version = f" of Keras {result.version}" if result.version else ""
    counts = sorted(result.quantisers.items(), key=lambda item: -item[1])
    used = [f"{count} {name}" for name, count in counts]
    console.print(
        f"{output}: {result.layers} layers{version}, {_listed(used) or 'no quantisers'}",
        markup=False,
        soft_wrap=True,
    )
    if result.unquantised:
        names = _listed(list(result.unquantised))
        console.print(
            f"  real weights, to be quantised before hardware: {names}",
            markup=False,
            soft_wrap=True,
        )
    console.print(f"  next: hlsgen build {output} -o DIR", markup=False, soft_wrap=True)


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
