// Windows of an image: for every place of the output, GROUPS times KERNEL_Y x KERNEL_X taps of EACH
// tokens. Taps beyond the border are PAD and take no tokens.
//
// The ring of DEPTH tokens is the channel in front of the unit; its stages are those of the unit.
// Tokens may be read again and again until no later window needs them. A window lets go of all tokens
// before its own origin (the upper left corner within the image); but where the next row of windows
// begins at the same row of the image, which happens in the upper border, its row has to stay. The
// last step of a frame waits for all of its tokens and lets go of them.
module stream_window #(
  parameter int LANES = 1,
  parameter int BITS = 8,           // of an element
  parameter int SIGNED = 0,
  parameter int RESULT = 8,         // bits of a tap's element: PAD may need more than the image's
  parameter [RESULT-1:0] PAD = 0,
  parameter int DEPTH = 16,
  parameter STYLE = "distributed",  // ram_style of the ring
  parameter int HEIGHT = 4,
  parameter int WIDTH = 4,
  parameter int CHUNKS = 1,         // tokens of a pixel
  parameter int GROUPS = 1,         // windows side by side in the channels
  parameter int KERNEL_Y = 3,
  parameter int KERNEL_X = 3,
  parameter int STRIDE_Y = 1,
  parameter int STRIDE_X = 1,
  parameter int DILATION_Y = 1,
  parameter int DILATION_X = 1,
  parameter int TOP = 1,            // rows of the border
  parameter int LEFT = 1,
  parameter int OUT_HEIGHT = 4,
  parameter int OUT_WIDTH = 4
) (
  input  wire clk,
  input  wire rst,
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
  // ---- the loops, innermost first: token of a tap, tap, group, place of the output
  localparam int EACH = CHUNKS / GROUPS;
  wire go;
  assign y_issue = go;
  wire c_last, j_last, i_last, g_last, ox_last, oy_last;
  wire step_j = go && c_last, step_i = step_j && j_last, step_g = step_i && i_last;
  wire step_x = step_g && g_last, step_y = step_x && ox_last;
  wire last = c_last && j_last && i_last && g_last && ox_last && oy_last;
  stream_loop #(.COUNT(EACH), .BITS($clog2(EACH + 1))) loop_c (
    .clk(clk), .rst(rst), .step(go), .index(), .first(), .last(c_last));
  stream_loop #(.COUNT(KERNEL_X), .BITS($clog2(KERNEL_X + 1))) loop_j (
    .clk(clk), .rst(rst), .step(step_j), .index(), .first(), .last(j_last));
  stream_loop #(.COUNT(KERNEL_Y), .BITS($clog2(KERNEL_Y + 1))) loop_i (
    .clk(clk), .rst(rst), .step(step_i), .index(), .first(), .last(i_last));
  stream_loop #(.COUNT(GROUPS), .BITS($clog2(GROUPS + 1))) loop_g (
    .clk(clk), .rst(rst), .step(step_g), .index(), .first(), .last(g_last));
  stream_loop #(.COUNT(OUT_WIDTH), .BITS($clog2(OUT_WIDTH + 1))) loop_x (
    .clk(clk), .rst(rst), .step(step_x), .index(), .first(), .last(ox_last));
  stream_loop #(.COUNT(OUT_HEIGHT), .BITS($clog2(OUT_HEIGHT + 1))) loop_y (
    .clk(clk), .rst(rst), .step(step_y), .index(), .first(), .last(oy_last));

  // ---- which token of the frame a step looks at: where each loop goes on, all inner ones return
  localparam int LINE = WIDTH * CHUNKS;
  localparam int FRAME = HEIGHT * LINE;
  localparam int START = -TOP * LINE - LEFT * CHUNKS;
  localparam int BACK_C = EACH - 1;
  localparam int BACK_J = BACK_C + (KERNEL_X - 1) * DILATION_X * CHUNKS;
  localparam int BACK_I = BACK_J + (KERNEL_Y - 1) * DILATION_Y * LINE;
  localparam int BACK_G = BACK_I + (GROUPS - 1) * EACH;
  localparam int BACK_X = BACK_G + (OUT_WIDTH - 1) * STRIDE_X * CHUNKS;
  localparam int BACK_Y = BACK_X + (OUT_HEIGHT - 1) * STRIDE_Y * LINE;
  localparam int STEP_J = DILATION_X * CHUNKS - BACK_C;
  localparam int STEP_I = DILATION_Y * LINE - BACK_J;
  localparam int STEP_G = EACH - BACK_I;
  localparam int STEP_X = STRIDE_X * CHUNKS - BACK_G;
  localparam int STEP_Y = STRIDE_Y * LINE - BACK_X;
  // Reaches of a tap's row and column, token and so on, on either side of zero.
  localparam int FAR = FRAME + BACK_Y + DEPTH + TOP * LINE + LEFT * CHUNKS + 1;
  localparam int INDEX = $clog2(FAR) + 1;
  localparam int ROW = $clog2(HEIGHT + TOP + (OUT_HEIGHT + 1) * STRIDE_Y + KERNEL_Y * DILATION_Y) + 1;
  localparam int COLUMN = $clog2(WIDTH + LEFT + (OUT_WIDTH + 1) * STRIDE_X + KERNEL_X * DILATION_X) + 1;
  logic signed [INDEX-1:0] index;
  logic signed [ROW-1:0] y;
  logic signed [COLUMN-1:0] x;
  always_ff @(posedge clk) begin
    if (go) begin
      index <= index + (!c_last ? 1 : !j_last ? STEP_J : !i_last ? STEP_I : !g_last ? STEP_G :
                        !ox_last ? STEP_X : !oy_last ? STEP_Y : -BACK_Y);
      if (step_j) x <= !j_last ? x + DILATION_X :
                       !(i_last && g_last) ? x - (KERNEL_X - 1) * DILATION_X :
                       !ox_last ? x + STRIDE_X - (KERNEL_X - 1) * DILATION_X : -LEFT;
      if (step_i) y <= !i_last ? y + DILATION_Y :
                       !(g_last && ox_last) ? y - (KERNEL_Y - 1) * DILATION_Y :
                       !oy_last ? y + STRIDE_Y - (KERNEL_Y - 1) * DILATION_Y : -TOP;
    end
    if (rst) begin
      index <= START;
      x <= -LEFT;
      y <= -TOP;
    end
  end
  wire covered = y >= 0 && y < HEIGHT && x >= 0 && x < WIDTH;

  // ---- the origin of the window: `line` from its row, `gone` from its column
  function automatic [INDEX-1:0] clipped(input int place, input int size);
    clipped = place < 0 ? 0 : place > size ? size : place;
  endfunction
  logic [INDEX-1:0] line, gone;
  logic moving;                            // the next row of windows begins at a later row
  logic signed [ROW-1:0] below;            // row at which the next row of windows begins
  logic signed [COLUMN-1:0] beside;        // column at which the next window begins
  wire [INDEX-1:0] origin = moving ? line + gone : line;
  always_ff @(posedge clk) begin
    if (step_x) begin
      beside <= ox_last ? STRIDE_X - LEFT : beside + STRIDE_X;
      gone <= ox_last ? 0 : clipped(beside, WIDTH) * CHUNKS;
    end
    if (step_y) begin
      below <= oy_last ? STRIDE_Y - TOP : below + STRIDE_Y;
      line <= oy_last ? 0 : clipped(below, HEIGHT) * LINE;
      moving <= oy_last ? STRIDE_Y > TOP : clipped(below + STRIDE_Y, HEIGHT) > clipped(below, HEIGHT);
    end
    if (rst) begin
      beside <= STRIDE_X - LEFT;
      below <= STRIDE_Y - TOP;
      gone <= 0;
      line <= 0;
      moving <= STRIDE_Y > TOP;
    end
  end

  // ---- the ring's addresses go the way of the tokens, modulo the depth
  localparam int ADDRESS = DEPTH > 1 ? $clog2(DEPTH) : 1;
  function automatic [ADDRESS-1:0] around(input int steps);
    around = (steps % DEPTH + DEPTH) % DEPTH;
  endfunction
  localparam [ADDRESS-1:0] AROUND_C = around(1), AROUND_J = around(STEP_J), AROUND_I = around(STEP_I);
  localparam [ADDRESS-1:0] AROUND_G = around(STEP_G), AROUND_X = around(STEP_X);
  localparam [ADDRESS-1:0] AROUND_Y = around(STEP_Y), AROUND_FRAME = around(FRAME - BACK_Y);
  logic [ADDRESS-1:0] read_at;
  wire [ADDRESS:0] ahead = read_at + (!c_last ? AROUND_C : !j_last ? AROUND_J : !i_last ? AROUND_I :
    !g_last ? AROUND_G : !ox_last ? AROUND_X : !oy_last ? AROUND_Y : AROUND_FRAME);
  always_ff @(posedge clk) begin
    if (go) read_at <= ahead >= DEPTH ? ahead - DEPTH : ahead;
    if (rst) read_at <= around(START);
  end

  stream_ring #(
    .LANES(LANES), .BITS(BITS), .SIGNED(SIGNED), .RESULT(RESULT), .PAD(PAD), .DEPTH(DEPTH),
    .STYLE(STYLE), .FRAME(FRAME), .COUNT(INDEX), .ADDRESS(ADDRESS)
  ) ring (
    .clk(clk), .rst(rst), .x_room(x_room), .x_issue(x_issue), .x_push(x_push), .x_data(x_data),
`ifdef HLSGEN_WATCH
    .peak(peak),
`endif
    .covered(covered), .index(index), .read_at(read_at), .free_to(last ? FRAME : origin),
    .last(last), .go(go), .y_room(y_room), .y_push(y_push), .y_data(y_data));
endmodule
