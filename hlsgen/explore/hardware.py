"""What a candidate is made into, and the LUTs that it takes there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hlsgen.boards import Board
from hlsgen.emit.arithmetic import Adders, Arithmetic, key_of, split_key
from hlsgen.emit.choice import settled
from hlsgen.emit.hls import HlsOptions, Io
from hlsgen.emit.rtl.design_cost import luts
from hlsgen.emit.rtl.netlist import netlist
from hlsgen.emit.rtl.offsets import absorb_offsets
from hlsgen.emit.truth_tables import with_truth_tables
from hlsgen.expr.network import Network
from hlsgen.fold.choose import fold
from hlsgen.fold.goal import Goal
from hlsgen.fold.use import Use

# What `hlsgen synth --combinational` builds of, searched less: a tenth of the effort costs all
# candidates about as much, one to two per cent of their LUTs.
_ADDERS = Adders(operands=3, slack=1, effort=0.1)


@dataclass(frozen=True)
class Unrolled:
    """The parallel design without registers; `arithmetic` by layer, "" for all others."""

    arithmetic: Mapping[str, Arithmetic]


@dataclass(frozen=True)
class Streamed:
    """The streamed design with the least of the board that makes so many frames a second.

    `arithmetic` by layer, "" for all others; what is not named is chosen with the folding.
    """

    board: Board
    clock_ns: float
    target_fps: float
    arithmetic: Mapping[str, Arithmetic]


Hardware = Unrolled | Streamed


def luts_of(network: Network, hardware: Hardware) -> float:
    """LUTs by the cost model: an estimate; those of a streamed design as of `equivalents`.

    Errors: OptionError, Unsupported for an arithmetic or operator that it cannot have, or where no
    folding makes so many frames on the board.
    """
    match hardware:
        case Unrolled(arithmetic):
            return parallel_luts(network, arithmetic)
        case Streamed(board):
            return equivalents(_folded(network, hardware), board)


def parallel_luts(network: Network, arithmetic: Mapping[str, Arithmetic]) -> float:
    """LUTs of the parallel design.

    Errors: OptionError, Unsupported for an arithmetic or operator that it cannot have.
    """
    graph, chosen = with_truth_tables(network.graph, arithmetic)
    return luts(netlist(absorb_offsets(graph), "candidate", chosen, _ADDERS))


def _folded(network: Network, hardware: Streamed) -> Use:
    """What all compute units take together."""
    options = HlsOptions(
        io=Io.STREAM, part=hardware.board.part, clock_ns=hardware.clock_ns,
        flow_target=hardware.board.flow.value, arithmetic=hardware.arithmetic,
    )  # fmt: skip
    goal = Goal(target_fps=hardware.target_fps)
    found = fold(network.graph, options, hardware.board, goal)
    return found.estimate.use * found.units


def equivalents(use: Use, board: Board) -> float:
    """LUTs, and for every DSP and memory as many as make the same share of the board.

    Flip-flops do not count: a design runs out of them last.
    """
    lut, _, *others = board.budget.counts
    _, _, *taken = use.counts
    shares = sum(t / n for t, n in zip(taken, others, strict=True) if n)
    return use.lut + lut * shares


def settle(network: Network) -> tuple[float, Mapping[str, Arithmetic]]:
    """The LUTs of a parallel design whose layers each have the arithmetic of fewest, and which.

    Requantisers are adders and shifts. Layers go by their ONNX nodes.
    """
    graph = network.graph
    found = settled(graph, {"": Arithmetic.AUTO})
    names = {node.output: node.loc.name for node in graph.nodes}
    others = {_named(key, names): how for key, how in found.items()}
    chosen = {"": Arithmetic.SHIFT_ADD}
    chosen |= {key: how for key, how in others.items() if how is not Arithmetic.SHIFT_ADD}
    return parallel_luts(network, chosen), chosen


def _named(key: str, names: Mapping[str, str]) -> str:
    """A key of the choices with the ONNX node in place of the value."""
    layer, some = split_key(key, names)
    name = names[layer] or layer
    return name if some is None else key_of(name, some)
