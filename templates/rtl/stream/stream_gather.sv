// Tokens in another order: transposition, padding, cropping, repetition. A table says for every step
// which token of the frame it makes, or that it makes PAD, and which tokens no later step needs.
//
// The ring of DEPTH tokens is the channel in front of the unit, as in stream_window.
//
// stage 0   the step is taken; the table's entry of the next step is read
// stage 1   the token, or PAD, is pushed
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
  input  wire covered,               // the step makes the token ...
  input  wire [COUNT-1:0] index,    // ... of this number,
  input  wire [ADDRESS-1:0] offset, // ... which lies so far behind the frame's first one
  input  wire [COUNT-1:0] free_to,  // tokens before this number are let go of
  output logic x_room,
  input  wire x_issue,
  input  wire x_push,
  input  wire [LANES*BITS-1:0] x_data,
`ifdef HLSGEN_WATCH
  output logic [31:0] peak,         // the most places of the ring taken at a time
`endif
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output wire [LANES*RESULT-1:0] y_data
);
  logic [STEP-1:0] step;
  logic [COUNT-1:0] arrived, freed, taken;  // tokens of the present frame, and in the ring
  wire last = step == STEPS - 1;
  wire go = y_room && (!covered || arrived > index) && arrived >= free_to;
  assign y_issue = go;
  assign next = rst || (go && last) ? 0 : go ? step + 1'b1 : step;

  wire [COUNT-1:0] taken_next = taken + {{COUNT{1'b0}}, x_issue} - (go ? free_to - freed : 0);
  always_ff @(posedge clk) begin
    step <= next;
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

  (* ram_style = STYLE *) logic [LANES*BITS-1:0] tokens [0:DEPTH-1];
  logic [ADDRESS-1:0] write_at, frame_at;  // of the next token, and of the frame's first one
  wire [ADDRESS:0] far = frame_at + offset;
  wire [ADDRESS-1:0] read_at = far >= DEPTH ? far - DEPTH : far;
  wire [ADDRESS:0] frame_far = frame_at + FRAME % DEPTH;
  logic [LANES*BITS-1:0] token;
  logic shown;
  always_ff @(posedge clk) begin
    if (x_push) write_at <= write_at == DEPTH - 1 ? 0 : write_at + 1'b1;
    if (go && last) frame_at <= frame_far >= DEPTH ? frame_far - DEPTH : frame_far;
    if (rst) begin
      write_at <= 0;
      frame_at <= 0;
    end
  end
  always_ff @(posedge clk) if (x_push) tokens[write_at] <= x_data;
  always_ff @(posedge clk) if (go) token <= tokens[read_at];
  always_ff @(posedge clk) if (go) shown <= covered;

  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      wire sign = SIGNED != 0 && token[l*BITS+BITS-1];
      wire [RESULT+BITS-1:0] wide = {{RESULT{sign}}, token[l*BITS +: BITS]};
      assign y_data[l*RESULT +: RESULT] = shown ? wide[RESULT-1:0] : PAD;
    end
  endgenerate
  stream_delay pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));
endmodule
