"""What `hlsgen quantize` shows a person."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from hlsgen.quantise.convert import Quantised
from hlsgen.quantise.judge import Judgement
from hlsgen.quantise.scheme import Scheme
from hlsgen.quantise.where import Row
from hlsgen.report.console import console


def show(result: Quantised, model: Path) -> None:
    """The file, how good it is, where the error arises, and what to do next."""
    scheme = result.scheme
    console.print(
        f"[bold]{result.output}[/]: {model.name} with {result.layers} layers at "
        f"W{scheme.weights}A{scheme.activations}{_own(scheme)}, calibrated on "
        f"{result.calibrated} samples, in {result.seconds:.1f} s"
    )
    console.print(f"  {_verdict(result.judgement)}", markup=False)
    console.print(_table(result.rows))
    console.print(f"next: hlsgen build {result.output} -o {result.output.stem}", markup=False)


def _own(scheme: Scheme) -> str:
    count = len(scheme.layers)
    return f" but for {count} place{'s' if count > 1 else ''}" if count else ""


def _verdict(j: Judgement) -> str:
    rest = f"SQNR {j.sqnr_db:.1f} dB"
    if j.agreement is not None:
        rest = f"top-1 as float on {j.agreement:.2%}, {rest}"
    if j.float_accuracy is None or j.accuracy is None:
        return f"exact integers on {j.samples} samples: {rest}"
    return (
        f"accuracy on {j.samples} samples: float {j.float_accuracy:.2%}, exact integers "
        f"{j.accuracy:.2%} ({rest})"
    )


def _table(rows: tuple[Row, ...]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, title_justify="left")
    columns = ("operator", "node", "bits", "alone dB", "together dB", "alone, at the output dB")
    for name in columns:
        table.add_column(name, justify="right" if "dB" in name else "left", overflow="fold")
    for row in rows:
        w = f"W{row.weight_bits}" if row.weight_bits else ""
        a = f"A{row.activation_bits}" if row.activation_bits else ""
        errors = (row.alone_db, row.together_db, row.output_db)
        table.add_row(row.op, row.name, w + a, *(f"{e:.1f}" for e in errors))
    return table
