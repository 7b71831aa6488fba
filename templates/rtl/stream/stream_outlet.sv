// The FIFO in front of an output port: the oldest token stands at `pop_data` while there is one, as
// AXI4-Stream wants it.
module stream_outlet #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 2
) (
  input  wire clk,
  input  wire rst,
  output wire room,
  input  wire issue,
  input  wire push,
  input  wire [WIDTH-1:0] push_data,
  output wire have,
  input  wire pop,
  output wire [WIDTH-1:0] pop_data
`ifdef HLSGEN_WATCH
  , output wire [31:0] peak
`endif
);
  localparam int ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  wire [ADDRESS-1:0] write_at, read_at;
  (* ram_style = "distributed" *) logic [WIDTH-1:0] tokens [0:DEPTH-1];

  stream_counts #(.DEPTH(DEPTH), .ADDRESS(ADDRESS)) counts (
    .clk(clk), .rst(rst), .room(room), .issue(issue), .push(push), .write_at(write_at),
    .have(have), .pop(pop), .read_at(read_at)
`ifdef HLSGEN_WATCH
    , .peak(peak)
`endif
  );
  always_ff @(posedge clk) if (push) tokens[write_at] <= push_data;
  assign pop_data = tokens[read_at];
endmodule
