// Which steps of a loop are due: FIRST, and from there every STRIDE-th up to LAST.
module stream_due #(
  parameter int FIRST = 0,
  parameter int STRIDE = 1,
  parameter int LAST = 1,
  parameter int BITS = 1  // of the loop's index
) (
  input  wire clk,
  input  wire rst,
  input  wire step,
  input  wire last,       // of the loop
  input  wire [BITS-1:0] index,
  output wire due
);
  localparam int FAR = FIRST > STRIDE ? FIRST : STRIDE;
  logic [$clog2(FAR + 1)-1:0] left;  // steps until the next one that is due
  assign due = left == 0 && index <= LAST;
  always_ff @(posedge clk) begin
    if (rst) left <= FIRST;
    else if (step) left <= last ? FIRST : left == 0 ? STRIDE - 1 : left - 1'b1;
  end
endmodule
