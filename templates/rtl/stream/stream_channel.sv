// A FIFO between two units. What is popped stands at `pop_data` from the next clock on, until the
// next pop: so any memory will do, and its output register is the reader's first pipeline stage.
module stream_channel #(
  parameter int WIDTH = 8,
  parameter int DEPTH = 2,
  parameter STYLE = "distributed"  // ram_style: distributed, block or ultra
) (
  input  wire clk,
  input  wire rst,
  output wire room,
  input  wire issue,
  input  wire push,
  input  wire [WIDTH-1:0] push_data,
  output wire have,
  input  wire pop,
  output logic [WIDTH-1:0] pop_data
`ifdef HLSGEN_WATCH
  , output wire [31:0] peak
`endif
);
  localparam int ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  wire [ADDRESS-1:0] write_at, read_at;
  (* ram_style = STYLE *) logic [WIDTH-1:0] tokens [0:DEPTH-1];

  stream_counts #(.DEPTH(DEPTH), .ADDRESS(ADDRESS)) counts (
    .clk(clk), .rst(rst), .room(room), .issue(issue), .push(push), .write_at(write_at),
    .have(have), .pop(pop), .read_at(read_at)
`ifdef HLSGEN_WATCH
    , .peak(peak)
`endif
  );
  always_ff @(posedge clk) if (push) tokens[write_at] <= push_data;
  always_ff @(posedge clk) if (pop) pop_data <= tokens[read_at];
endmodule
