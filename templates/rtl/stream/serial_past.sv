// A digit with the PAST bits before it, zeros below the lowest digit of a number: DIGIT of these bits,
// some places down, are a digit of the number times a power of two.
module serial_past #(
  parameter int DIGIT = 1,
  parameter int PAST = 1
) (
  input  wire clk,
  input  wire keep,  // another digit of the number follows
  input  wire [DIGIT-1:0] x,
  output wire [DIGIT+PAST-1:0] y
);
  logic [PAST-1:0] past;
  assign y = {x, past};
  always_ff @(posedge clk) past <= keep ? y[DIGIT+PAST-1:DIGIT] : {PAST{1'b0}};
endmodule
