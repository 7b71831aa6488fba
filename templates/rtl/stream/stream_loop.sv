// One loop of a nest: counts the steps of the loop inside it, 0 to COUNT - 1 and again.
module stream_loop #(
  parameter int COUNT = 2,
  parameter int BITS = 1  // of the index
) (
  input  wire clk,
  input  wire rst,
  input  wire step,
  output logic [BITS-1:0] index,
  output wire first,
  output wire last
);
  assign first = index == 0;
  assign last = index == COUNT - 1;
  always_ff @(posedge clk) begin
    if (rst) index <= 0;
    else if (step) index <= last ? 0 : index + 1'b1;
  end
endmodule
