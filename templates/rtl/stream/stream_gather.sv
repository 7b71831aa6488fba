// Tokens in another order: transposition, padding, cropping, repetition. A table says for every step
// which token of the frame it makes, or that it makes PAD, and which tokens no later step needs.
//
// The ring of DEPTH tokens is the channel in front of the unit; its stages are those of the unit. In
// stage 0 the table's entry of the next step is read, too.
module stream_gather #(
  parameter int LANES = 1,
  parameter int BITS = 8,           // of an element
  parameter int SIGNED = 0,
  parameter int RESULT = 8,         // bits of a result's element
  parameter [RESULT-1:0] PAD = 0,
  parameter int DEPTH = 16,
  parameter STYLE = "distributed",  // ram_style of the ring
  parameter int FRAME = 16,         // tokens in
  parameter int STEPS = 16,         // tokens out
  parameter int STEP = 4,           // bits of a step's number
  parameter int COUNT = 6,          // bits of a number of tokens
  parameter int ADDRESS = 4         // bits of an address of the ring
) (
  input  wire clk,
  input  wire rst,
  output wire [STEP-1:0] next,      // the table has this step's entry one clock later
  input  wire covered,              // the step makes the token ...
  input  wire [COUNT-1:0] index,    // ... of this number,
  input  wire [ADDRESS-1:0] offset, // ... which lies so far behind the frame's first one
  input  wire [COUNT-1:0] free_to,  // tokens before this number are let go of
  output wire x_room,
  input  wire x_issue,
  input  wire x_push,
  input  wire [LANES*BITS-1:0] x_data,
`ifdef HLSGEN_WATCH
  output wire [31:0] peak,
`endif
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output wire [LANES*RESULT-1:0] y_data
);
  wire go;
  logic [STEP-1:0] step;
  wire last = step == STEPS - 1;
  assign y_issue = go;
  assign next = rst || (go && last) ? 0 : go ? step + 1'b1 : step;
  always_ff @(posedge clk) step <= next;

  // ---- addresses, modulo the depth: of the frame's first token, and of the step's
  logic [ADDRESS-1:0] frame_at;
  wire [ADDRESS:0] far = frame_at + offset;
  wire [ADDRESS:0] frame_far = frame_at + FRAME % DEPTH;
  always_ff @(posedge clk) begin
    if (go && last) frame_at <= frame_far >= DEPTH ? frame_far - DEPTH : frame_far;
    if (rst) frame_at <= 0;
  end
  wire [ADDRESS-1:0] read_at = far >= DEPTH ? far - DEPTH : far;

  stream_ring #(
    .LANES(LANES), .BITS(BITS), .SIGNED(SIGNED), .RESULT(RESULT), .PAD(PAD), .DEPTH(DEPTH),
    .STYLE(STYLE), .FRAME(FRAME), .COUNT(COUNT), .ADDRESS(ADDRESS)
  ) ring (
    .clk(clk), .rst(rst), .x_room(x_room), .x_issue(x_issue), .x_push(x_push), .x_data(x_data),
`ifdef HLSGEN_WATCH
    .peak(peak),
`endif
    .covered(covered), .index(index), .read_at(read_at), .free_to(free_to), .last(last), .go(go),
    .y_room(y_room), .y_push(y_push), .y_data(y_data));
endmodule
