"""The arbitrary-precision integer headers that g++ needs."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from hlsgen.errors import ToolMissing

_INSIDE_HLS4ML = Path("templates/vivado/ap_types")


def ap_include() -> Path:
    """The folder of ap_int.h: of the vendor tool that XILINX_HLS names, else the open copy.

    Errors: ToolMissing where there is neither.
    """
    vendor = os.environ.get("XILINX_HLS")
    if vendor:
        folder = Path(vendor) / "include"
        if (folder / "ap_int.h").is_file():
            return folder
    spec = find_spec("hls4ml")  # found, not imported
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / _INSIDE_HLS4ML
        if (folder / "ap_int.h").is_file():
            return folder
    raise ToolMissing(
        "C simulation needs the ap_int.h headers: run  pip install 'hlsgen[csim]'  "
        "or set XILINX_HLS to a Vitis HLS installation"
    )
