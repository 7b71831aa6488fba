"""What Yosys is told to make of adders and comparisons computes what they did."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_rtl_ops import needs_yosys

from hlsgen.build.techmaps import TECHMAPS
from hlsgen.build.yosys import find_yosys
from hlsgen.errors import HlsgenError

GOLD = """
module gold(
  input [6:0] a, input [4:0] b, input signed [6:0] c, input signed [4:0] d,
  output [8:0] s, t, output signed [8:0] u, v, output [21:0] y
);
  assign s = a + b;
  assign t = a - b;
  assign u = c + d;
  assign v = d - c;
  assign y = {a < b, a <= b, a > b, b >= a, c < d, c <= d, c > d, d >= c,
              a >= 7'd19, b >= 5'd19, b < 5'd7, 5'd9 <= b, c >= -7'sd5, d >= -5'sd5, d < 5'sd3,
              d <= 5'sd3, 7'sd30 > c, c <= 7'sd11, a > 7'd100, 5'd30 > b, 7'd44 >= b, d > 7'sd2};
endmodule
"""
PROOF = (
    "read_verilog -sv gold.sv; proc; opt_expr; wreduce; opt_clean; copy gold gate; "
    "techmap -map chains.v gate; select -assert-none gate/t:$add gate/t:$sub gate/t:$lt "
    "gate/t:$le gate/t:$gt gate/t:$ge; select -clear; "
    "miter -equiv -flatten gold gate both; sat -verify -prove trigger 0 both"
)


def prove(folder: Path, chains: str) -> None:
    (folder / "gold.sv").write_text(GOLD)
    (folder / "chains.v").write_text(chains)
    find_yosys().run(PROOF, folder)


@needs_yosys
def test_chains_equal_the_operators(tmp_path: Path) -> None:
    prove(tmp_path, TECHMAPS["chains.v"])


@needs_yosys
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (".CI(MINUS)", ".CI(1'b0)"),
        ("A_SIGNED && B_SIGNED ? 1'b1", "1'b0 ? 1'b1"),
        ('"$le" ||', '"$lt" ||'),
        ("(x & ~y)", "(x & y)"),
        ("carried[0] = 1'b1", "carried[0] = 1'b0"),
    ],
)
def test_a_wrong_chain_is_found(old: str, new: str, tmp_path: Path) -> None:
    assert old in TECHMAPS["chains.v"]
    with pytest.raises(HlsgenError, match="proof did fail"):
        prove(tmp_path, TECHMAPS["chains.v"].replace(old, new))
