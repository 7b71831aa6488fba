// Every token for several readers, when all of them have room.
module stream_fork #(
  parameter int READERS = 2,
  parameter int WIDTH = 8
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  input  wire [WIDTH-1:0] x_data,
  input  wire [READERS-1:0] y_room,
  output wire y_issue,
  output wire y_push,
  output wire [WIDTH-1:0] y_data
);
  wire go = x_have && &y_room;
  assign x_pop = go;
  assign y_issue = go;
  assign y_data = x_data;
  stream_delay pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));
endmodule
