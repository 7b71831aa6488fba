// The bookkeeping of a FIFO: who may go on, and where the next token stands in the memory.
//
// A place is taken when the writer issues a step (`issue`), not when its data arrives behind the
// writer's pipeline (`push`): so pipelines run freely and never overflow what is behind them. A place
// that is freed (`pop`) can be taken again from the next clock on. `room` and `have` are registers:
// no path leads from one side of the FIFO to the other.
module stream_counts #(
  parameter int DEPTH = 2,
  parameter int ADDRESS = 1  // bits of an address
) (
  input  wire clk,
  input  wire rst,
  output logic room,  // a place is free
  input  wire issue,  // ... and is taken
  input  wire push,   // its token is written
  output logic [ADDRESS-1:0] write_at,
  output logic have,  // a token is stored
  input  wire pop,    // ... and is read
  output logic [ADDRESS-1:0] read_at
`ifdef HLSGEN_WATCH
  , output logic [31:0] peak  // the most places taken at a time
`endif
);
  localparam int COUNT = $clog2(DEPTH + 1);
  logic [COUNT-1:0] taken, stored;
  wire [COUNT-1:0] taken_next = taken + {{COUNT{1'b0}}, issue} - {{COUNT{1'b0}}, pop};
  wire [COUNT-1:0] stored_next = stored + {{COUNT{1'b0}}, push} - {{COUNT{1'b0}}, pop};

  always_ff @(posedge clk) begin
    taken <= taken_next;
    stored <= stored_next;
    room <= taken_next != DEPTH;
    have <= stored_next != 0;
    if (push) write_at <= write_at == DEPTH - 1 ? 0 : write_at + 1'b1;
    if (pop) read_at <= read_at == DEPTH - 1 ? 0 : read_at + 1'b1;
    if (rst) begin
      taken <= 0;
      stored <= 0;
      room <= 1'b1;
      have <= 1'b0;
      write_at <= 0;
      read_at <= 0;
    end
  end

`ifdef HLSGEN_WATCH
  always_ff @(posedge clk) begin
    if (rst) peak <= 0;
    else if (taken_next > peak) peak <= taken_next;
  end
`endif
endmodule
