// Whole windows of an image: for every place of the output one token of KERNEL_X columns of taps, the
// left one in the lowest bits, each of KERNEL_Y rows from the top, each of all LANES channels.
//
// The unit goes over the image row by row, over its border left and right of it, and over as many
// rows above and below it as windows need. A step takes a pixel, or PAD beyond the image; the pixels
// above it, from the lines that are kept of earlier rows, make it a column of taps.
//
// stage 0   the step is taken; the lines are read
// stage 1   the pixel stands at x_data; column and lines are there, and the lines take the pixel
// stage 2   the window of this column and those before it is pushed, where the output has a place
module stream_windows #(
  parameter int LANES = 1,
  parameter int BITS = 8,           // of an element
  parameter int SIGNED = 0,
  parameter int RESULT = 8,         // bits of a tap's element: PAD may need more than the image's
  parameter [RESULT-1:0] PAD = 0,
  parameter STYLE = "distributed",  // ram_style of the lines
  parameter int HEIGHT = 4,
  parameter int WIDTH = 4,
  parameter int ABOVE = 0,          // rows gone over before the image
  parameter int LEFT = 1,           // columns before it
  parameter int ROWS = 5,           // all that are gone over
  parameter int COLUMNS = 6,
  parameter int KERNEL_Y = 3,
  parameter int KERNEL_X = 3,
  parameter int DILATION_Y = 1,
  parameter int FIRST_Y = 1,        // the row with which the first window is whole, and the last
  parameter int LAST_Y = 4,
  parameter int LAST_X = 5,
  parameter int STRIDE_Y = 1,
  parameter int STRIDE_X = 1
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  input  wire [LANES*BITS-1:0] x_data,
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output wire [KERNEL_X*KERNEL_Y*LANES*RESULT-1:0] y_data
);
  // ---- where the step is, and what it takes and makes
  localparam int ROW = $clog2(ROWS + 1);
  localparam int COLUMN = $clog2(COLUMNS + 1);
  wire [ROW-1:0] row;
  wire [COLUMN-1:0] column;
  wire row_last, column_last, row_due, column_due;
  wire across = column >= LEFT && column < LEFT + WIDTH;
  wire takes = across && row >= ABOVE && row < ABOVE + HEIGHT;
  wire makes = row_due && column_due;
  wire go = (x_have || !takes) && (y_room || !makes);
  wire next_row = go && column_last;
  assign x_pop = go && takes;
  assign y_issue = go && makes;
  stream_loop #(.COUNT(COLUMNS), .BITS(COLUMN)) columns (
    .clk(clk), .rst(rst), .step(go), .index(column), .first(), .last(column_last));
  stream_loop #(.COUNT(ROWS), .BITS(ROW)) rows (
    .clk(clk), .rst(rst), .step(next_row), .index(row), .first(), .last(row_last));
  stream_due #(.FIRST(KERNEL_X - 1), .STRIDE(STRIDE_X), .LAST(LAST_X), .BITS(COLUMN)) due_x (
    .clk(clk), .rst(rst), .step(go), .last(column_last), .index(column), .due(column_due));
  stream_due #(.FIRST(FIRST_Y), .STRIDE(STRIDE_Y), .LAST(LAST_Y), .BITS(ROW)) due_y (
    .clk(clk), .rst(rst), .step(next_row), .last(row_last), .index(row), .due(row_due));

  // ---- stage 1: which taps of the column lie within the image
  localparam int PIXEL = LANES * BITS;
  localparam int LINES = (KERNEL_Y - 1) * DILATION_Y;
  logic fresh, kept;
  logic [KERNEL_Y-1:0] covered;  // from the top
  wire [KERNEL_Y-1:0] inside;
  always_ff @(posedge clk) begin
    fresh <= go && !rst;
    kept <= go && across;
    covered <= inside;
  end
  wire [(LINES+1)*PIXEL-1:0] pixels;  // the present one lowest, then that of the row above, ...
  assign pixels[PIXEL-1:0] = x_data;

  // ---- the lines: a word for each column of the image
  generate
    if (LINES > 0 && WIDTH == 1) begin : line
      logic [LINES*PIXEL-1:0] above;
      always_ff @(posedge clk) if (kept) above <= pixels[LINES*PIXEL-1:0];
      assign pixels[(LINES+1)*PIXEL-1:PIXEL] = above;
    end else if (LINES > 0) begin : lines  // no column comes twice in a row: none is read too early
      (* ram_style = STYLE *) logic [LINES*PIXEL-1:0] words [0:WIDTH-1];
      logic [LINES*PIXEL-1:0] above;
      logic [COLUMN-1:0] at;
      wire [COLUMN-1:0] place = across ? column - LEFT : 0;
      always_ff @(posedge clk) if (go && across) above <= words[place];
      always_ff @(posedge clk) at <= place;
      always_ff @(posedge clk) if (kept) words[at] <= pixels[LINES*PIXEL-1:0];
      assign pixels[(LINES+1)*PIXEL-1:PIXEL] = above;
    end
  endgenerate

  // ---- the column, and the window
  wire [KERNEL_Y*LANES*RESULT-1:0] taps;
  generate
    for (genvar i = 0; i < KERNEL_Y; i++) begin : tap
      localparam int UP = (KERNEL_Y - 1 - i) * DILATION_Y;  // rows above the present one
      assign inside[i] = across && row >= ABOVE + UP && row < ABOVE + HEIGHT + UP;
      for (genvar l = 0; l < LANES; l++) begin : lane
        wire [BITS-1:0] element = pixels[UP*PIXEL + l*BITS +: BITS];
        wire sign = SIGNED != 0 && element[BITS-1];
        wire [RESULT+BITS-1:0] wide = {{RESULT{sign}}, element};
        assign taps[(i*LANES+l)*RESULT +: RESULT] = covered[i] ? wide[RESULT-1:0] : PAD;
      end
    end
  endgenerate
  localparam int TAPS = KERNEL_Y * LANES * RESULT;
  logic [KERNEL_X*TAPS-1:0] window;
  wire [(KERNEL_X+1)*TAPS-1:0] longer = {taps, window};
  always_ff @(posedge clk) if (fresh) window <= longer[(KERNEL_X+1)*TAPS-1:TAPS];
  assign y_data = window;
  stream_delay #(.STAGES(2)) pushed (.clk(clk), .rst(rst), .d(y_issue), .q(y_push));
endmodule
