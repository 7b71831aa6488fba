// Steps of a reduction over all pixels of an image, CHUNKS tokens a pixel: each token meets the
// result so far of its place in the pixel, and leaves as a result where the pixel is the last.
//
// stage 0   the step is taken
// stage 1   the token stands at x_data, the result so far at `so_far`; `fresh` on the first pixel
// stage 1   the function of both, without registers, comes back at `result`, which is pushed
module stream_places #(
  parameter int PIXELS = 4,
  parameter int CHUNKS = 1,
  parameter int WIDTH = 8  // of a token of results
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  output logic fresh,
  output wire [WIDTH-1:0] so_far,
  input  wire [WIDTH-1:0] result,
  input  wire y_room,
  output wire y_issue,
  output wire y_push
);
  localparam int CHUNK = CHUNKS > 1 ? $clog2(CHUNKS) : 1;
  localparam int PIXEL = PIXELS > 1 ? $clog2(PIXELS) : 1;
  wire [CHUNK-1:0] chunk;
  wire chunk_last, pixel_first, pixel_last;
  wire go = x_have && (y_room || !pixel_last);
  assign x_pop = go;
  assign y_issue = go && pixel_last;

  stream_loop #(.COUNT(CHUNKS), .BITS(CHUNK)) chunks (
    .clk(clk), .rst(rst), .step(go), .index(chunk), .first(), .last(chunk_last));
  stream_loop #(.COUNT(PIXELS), .BITS(PIXEL)) pixels (
    .clk(clk), .rst(rst), .step(go && chunk_last), .index(), .first(pixel_first), .last(pixel_last));

  (* ram_style = "distributed" *) logic [WIDTH-1:0] results [0:CHUNKS-1];
  logic [CHUNK-1:0] at;
  logic arrives;
  always_ff @(posedge clk) begin
    at <= chunk;
    fresh <= pixel_first;
    arrives <= rst ? 1'b0 : go;
  end
  always_ff @(posedge clk) if (arrives) results[at] <= result;
  assign so_far = results[at];
  stream_delay pushed (.clk(clk), .rst(rst), .d(y_issue), .q(y_push));
endmodule
