// A token of PARTS parts as PARTS tokens, the lowest part first.
module stream_narrow #(
  parameter int PARTS = 2,
  parameter int WIDTH = 8  // of a part
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  input  wire [PARTS*WIDTH-1:0] x_data,
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output wire [WIDTH-1:0] y_data
);
  localparam int PART = $clog2(PARTS);
  wire [PART-1:0] part;
  logic [PART-1:0] shown;
  wire reads;
  wire go = (x_have || !reads) && y_room;
  assign x_pop = go && reads;
  assign y_issue = go;

  stream_loop #(.COUNT(PARTS), .BITS(PART)) parts (
    .clk(clk), .rst(rst), .step(go), .index(part), .first(reads), .last());
  stream_delay pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));
  always_ff @(posedge clk) shown <= part;
  assign y_data = x_data[shown*WIDTH +: WIDTH];  // it stands there until the next pop
endmodule
