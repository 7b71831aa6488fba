// A line buffer: the channel in front of a unit that reads its tokens in any order, again and again.
//
// Every step of the unit makes one token: that of number `index` of its frame, or PAD where nothing
// is `covered`. A step is taken (`go`) when that token has arrived and all those before `free_to`,
// which it lets go of: their places can be taken again from the next clock on. The `last` step of a
// frame lets go of all of its tokens. The next frame enters while the last windows of this one leave.
//
// stage 0   the step is taken
// stage 1   the token, or PAD, is pushed
module stream_ring #(
  parameter int LANES = 1,
  parameter int BITS = 8,           // of an element
  parameter int SIGNED = 0,
  parameter int RESULT = 8,         // bits of a result's element: PAD may need more than the tokens'
  parameter [RESULT-1:0] PAD = 0,
  parameter int DEPTH = 16,
  parameter STYLE = "distributed",  // ram_style
  parameter int FRAME = 16,         // tokens of a frame
  parameter int COUNT = 6,          // bits of a number of tokens, up to FRAME + DEPTH
  parameter int ADDRESS = 4         // bits of an address
) (
  input  wire clk,
  input  wire rst,
  output logic x_room,
  input  wire x_issue,
  input  wire x_push,
  input  wire [LANES*BITS-1:0] x_data,
`ifdef HLSGEN_WATCH
  output logic [31:0] peak,         // the most places taken at a time
`endif
  input  wire covered,              // the step makes the token ...
  input  wire [COUNT-1:0] index,    // ... of this number ...
  input  wire [ADDRESS-1:0] read_at,  // ... at this address
  input  wire [COUNT-1:0] free_to,  // tokens before this number are let go of
  input  wire last,
  output wire go,
  input  wire y_room,
  output wire y_push,
  output wire [LANES*RESULT-1:0] y_data
);
  // ---- tokens that have arrived and been let go of, both of the present frame; places taken
  logic [COUNT-1:0] arrived, freed, taken;
  assign go = y_room && (!covered || arrived > index) && arrived >= free_to;
  wire [COUNT-1:0] taken_next = taken + {{COUNT{1'b0}}, x_issue} - (go ? free_to - freed : 0);
  always_ff @(posedge clk) begin
    arrived <= arrived + {{COUNT{1'b0}}, x_push} - (go && last ? FRAME : 0);
    taken <= taken_next;
    x_room <= taken_next < DEPTH;
    if (go) freed <= last ? 0 : free_to;
    if (rst) begin
      arrived <= 0;
      taken <= 0;
      freed <= 0;
      x_room <= 1'b1;
    end
  end
`ifdef HLSGEN_WATCH
  always_ff @(posedge clk) begin
    if (rst) peak <= 0;
    else if (taken_next > peak) peak <= taken_next;
  end
`endif

  // ---- the memory
  (* ram_style = STYLE *) logic [LANES*BITS-1:0] tokens [0:DEPTH-1];
  logic [ADDRESS-1:0] write_at;
  logic [LANES*BITS-1:0] token;
  logic shown;
  always_ff @(posedge clk) begin
    if (x_push) write_at <= write_at == DEPTH - 1 ? 0 : write_at + 1'b1;
    if (rst) write_at <= 0;
  end
  always_ff @(posedge clk) if (x_push) tokens[write_at] <= x_data;
  always_ff @(posedge clk) if (go) token <= tokens[read_at];
  always_ff @(posedge clk) if (go) shown <= covered;

  // ---- its elements, in the result's format
  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      wire sign = SIGNED != 0 && token[l*BITS+BITS-1];
      wire [RESULT+BITS-1:0] wide = {{RESULT{sign}}, token[l*BITS +: BITS]};
      assign y_data[l*RESULT +: RESULT] = shown ? wide[RESULT-1:0] : PAD;
    end
  endgenerate
  stream_delay pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));
endmodule
