// PARTS tokens as one, the first in the lowest bits.
module stream_widen #(
  parameter int PARTS = 2,
  parameter int WIDTH = 8  // of a part
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  input  wire [WIDTH-1:0] x_data,
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output wire [PARTS*WIDTH-1:0] y_data
);
  localparam int PART = $clog2(PARTS);
  wire makes;
  wire go = x_have && (y_room || !makes);
  assign x_pop = go;
  assign y_issue = go && makes;

  stream_loop #(.COUNT(PARTS), .BITS(PART)) parts (
    .clk(clk), .rst(rst), .step(go), .index(), .first(), .last(makes));
  wire arrives;  // a part stands at x_data
  stream_delay popped (.clk(clk), .rst(rst), .d(go), .q(arrives));
  stream_delay pushed (.clk(clk), .rst(rst), .d(y_issue), .q(y_push));

  logic [PARTS*WIDTH-1:0] held;  // earlier parts move down as later ones come
  assign y_data = {x_data, held[PARTS*WIDTH-1:WIDTH]};
  always_ff @(posedge clk) if (arrives) held <= y_data;
endmodule
