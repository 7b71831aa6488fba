// A digit of a + b, or of a - b = a + ~b + 1, one clock later. The carry waits for the next digit;
// where `keep` says that none follows, it is ready for another number.
module serial_add #(
  parameter int DIGIT = 1,
  parameter [0:0] SUBTRACT = 0
) (
  input  wire clk,
  input  wire keep,
  input  wire [DIGIT-1:0] a,
  input  wire [DIGIT-1:0] b,
  output logic [DIGIT-1:0] y
);
  logic carry;
  wire [DIGIT:0] sum = {1'b0, a} + {1'b0, SUBTRACT ? ~b : b} + {{DIGIT{1'b0}}, carry};
  always_ff @(posedge clk) y <= sum[DIGIT-1:0];
  always_ff @(posedge clk) carry <= keep ? sum[DIGIT] : SUBTRACT;
endmodule
