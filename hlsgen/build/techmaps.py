"""What hlsgen tells Yosys to make of some cells, before it makes anything of them itself.

On an FPGA an adder is a carry chain, and so is a comparison. Yosys would rather join adders that
follow each other to trees of full adders, two LUTs a bit, and tell <= by < and by = apart.
"""

from __future__ import annotations

from collections.abc import Mapping

# A bit of a constant of 64 at a variable place is one LUT. Yosys makes a shifter of it, of some 400
# multiplexers, before it finds the LUT.
_LUTS = """
(* techmap_celltype = "$shiftx" *)
module lut_of_constant (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTVAL_A_ = 0;
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  generate
    if (Y_WIDTH == 1 && B_WIDTH <= 6 && A_WIDTH == 2 ** B_WIDTH && &_TECHMAP_CONSTMSK_A_)
      \\$lut #(.WIDTH(B_WIDTH), .LUT(_TECHMAP_CONSTVAL_A_)) found (.A(B), .Y(Y));
    else
      wire _TECHMAP_FAIL_ = 1;
  endgenerate
endmodule
"""

# y = a >= b is the carry out of a + ~b + 1, signed operands with their top bits flipped. Up to six
# bits beside a constant are one LUT.
_CHAINS = """
(* techmap_celltype = "$add $sub" *)
module adder (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  localparam MINUS = _TECHMAP_CELLTYPE_ == "$sub";
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [Y_WIDTH-1:0] propagated, carried;
  \\$alu #(
    .A_SIGNED(A_SIGNED), .B_SIGNED(B_SIGNED),
    .A_WIDTH(A_WIDTH), .B_WIDTH(B_WIDTH), .Y_WIDTH(Y_WIDTH)
  ) chain (.A(A), .B(B), .BI(MINUS), .CI(MINUS), .Y(Y), .X(propagated), .CO(carried));
endmodule

(* techmap_celltype = "$lt $le $gt $ge" *)
module comparison (A, B, Y);
  parameter A_SIGNED = 0, B_SIGNED = 0, A_WIDTH = 1, B_WIDTH = 1, Y_WIDTH = 1;
  parameter _TECHMAP_CELLTYPE_ = "";
  parameter _TECHMAP_CONSTMSK_A_ = 0;
  parameter _TECHMAP_CONSTMSK_B_ = 0;
  localparam SWAPPED = _TECHMAP_CELLTYPE_ == "$le" || _TECHMAP_CELLTYPE_ == "$gt";
  localparam INVERTED = _TECHMAP_CELLTYPE_ == "$lt" || _TECHMAP_CELLTYPE_ == "$gt";
  localparam BITS = A_WIDTH > B_WIDTH ? A_WIDTH : B_WIDTH;
  localparam SMALL =
    (&_TECHMAP_CONSTMSK_B_ && A_WIDTH <= 6) || (&_TECHMAP_CONSTMSK_A_ && B_WIDTH <= 6);
  input [A_WIDTH-1:0] A;
  input [B_WIDTH-1:0] B;
  output [Y_WIDTH-1:0] Y;
  wire [BITS-1:0] a, b, x, y;
  \\$pos #(.A_SIGNED(A_SIGNED), .A_WIDTH(A_WIDTH), .Y_WIDTH(BITS)) wide_a (.A(A), .Y(a));
  \\$pos #(.A_SIGNED(B_SIGNED), .A_WIDTH(B_WIDTH), .Y_WIDTH(BITS)) wide_b (.A(B), .Y(b));
  wire [BITS-1:0] top = A_SIGNED && B_SIGNED ? 1'b1 << (BITS - 1) : 1'b0;
  assign x = (SWAPPED ? b : a) ^ top;
  assign y = (SWAPPED ? a : b) ^ top;
  wire [BITS:0] carried;
  assign carried[0] = 1'b1;
  generate
    if (SMALL) begin
      assign carried[BITS:1] = (x & ~y) | (~(x ^ y) & carried[BITS-1:0]);
    end else begin
      wire [BITS-1:0] propagated, sum;
      \\$alu #(
        .A_SIGNED(0), .B_SIGNED(0), .A_WIDTH(BITS), .B_WIDTH(BITS), .Y_WIDTH(BITS)
      ) chain (
        .A(x), .B(y), .BI(1'b1), .CI(1'b1), .Y(sum), .X(propagated), .CO(carried[BITS:1]));
    end
  endgenerate
  assign Y = carried[BITS] ^ INVERTED;
endmodule
"""

TECHMAPS: Mapping[str, str] = {"luts.v": _LUTS, "chains.v": _CHAINS}
