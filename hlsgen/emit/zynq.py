"""What bd.tcl has to know of a Zynq board: the processor's pins and properties, the ports taken."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hlsgen.boards import Board, Direction, Port
from hlsgen.emit.jinja import environment
from hlsgen.emit.kernel import MemoryKernel
from hlsgen.errors import Loc, OptionError

MOST_MASTERS = 16  # slave interfaces of a SmartConnect, PG247


@dataclass(frozen=True, slots=True)
class ProcessorCell:
    """A processor in a block design: pins of the fabric's clock and reset, how it is preset.

    `frequency` is the property of the clock in MHz, `fixed` what else has to be set. Source: finn
    fpgadataflow/templates.py for all names.
    """

    ip: str
    automation: str
    clock: str
    reset: str
    frequency: str
    fixed: tuple[tuple[str, int], ...] = ()

    def port_clock(self, port: str) -> str:
        """The clock pin of an AXI port: saxihp0_fpd_aclk, or S_AXI_HP0_ACLK."""
        if self.ip == "processing_system7":
            return f"{port}_ACLK"
        return f"{port.lower().replace('_axi_', 'axi')}_aclk"


CELLS = {
    cell.ip: cell
    for cell in (
        ProcessorCell(
            "zynq_ultra_ps_e", 'apply_board_preset "1"', "pl_clk0", "pl_resetn0",
            "PSU__CRL_APB__PL0_REF_CTRL__FREQMHZ", (("PSU__OVERRIDE__BASIC_CLOCK", 0),),
        ),
        ProcessorCell(
            "processing_system7",
            'make_external "FIXED_IO, DDR" apply_board_preset "1" Master "Disable" Slave "Disable"',
            "FCLK_CLK0", "FCLK_RESET0_N", "PCW_FPGA0_PERIPHERAL_FREQMHZ",
        ),
    )
}  # fmt: skip


def zynq_files(
    kernel: MemoryKernel, board: Board, clock_ns: float, templates: Path | None = None
) -> dict[str, str | bytes]:
    """bd.tcl and bd_params.tcl.

    Errors: OptionError for a board without a processor known here or without the ports needed, and
    for a kernel with more masters than a SmartConnect joins.
    """
    place = Loc(f"{board.name}.toml")
    cell = CELLS.get(board.processor.cell) if board.processor is not None else None
    if cell is None:
        raise OptionError(f"needed processor.cell, one of {', '.join(CELLS)}", place)
    if len(kernel.ports) > MOST_MASTERS:
        raise OptionError(
            f"{len(kernel.ports)} inputs and outputs, a SmartConnect joins {MOST_MASTERS}"
        )
    control = _port(board, Direction.PS_TO_PL, "", place)
    memory = _port(board, Direction.PL_TO_PS, "_HP", place)
    context = {
        "kernel": kernel,
        "board": board,
        "clock_ns": clock_ns,
        "processor": cell,
        "control": control,
        "memory": memory,
        "port_clocks": [cell.port_clock(p.name) for p in (control, memory)],
        "settings": {
            **{port.enable: int(port in (control, memory)) for port in board.ports},
            **dict(cell.fixed),
            cell.frequency: f"{1000 / clock_ns:.6g}",
        },
    }
    env = environment(templates)
    return {
        "bd.tcl": env.get_template("tcl/bd.tcl").render(),
        "bd_params.tcl": env.get_template("tcl/bd_params.tcl.j2").render(context),
    }


def _port(board: Board, direction: Direction, part: str, place: Loc) -> Port:
    """The first port of a direction whose name holds `part`, but for those that are coherent."""
    for port in board.ports:
        if port.direction is direction and part in port.name and "_HPC" not in port.name:
            return port
    wanted = f" named *{part}*" if part else ""
    raise OptionError(f"needed a port with direction {direction}{wanted}, got none", place)
