// Steps of a matrix unit: vectors times a constant matrix, some inputs by some outputs a clock.
//
// A vector comes in STEPS tokens, while the first FOLD of outputs is summed up; the other folds take
// it from `vector`. The last step of each fold makes a token.
//
// stage 0       the step is taken; `row` of the weights
// stage 1       the token stands at x_data; the vector is written and read
// stage 2       `operand` and the weights stand at the function
// stage 1 + F   `fold` says whose start value is looked up
// stage 2 + F   the function's sum of products meets the accumulator: `adds`, and anew at `first`
// stage 3 + F   the result is pushed
module stream_matrix #(
  parameter int WIDTH = 8,     // of an input token
  parameter int STEPS = 4,     // input tokens a vector
  parameter int FOLDS = 2,     // output tokens a vector
  parameter int ROWS = 8,      // of the weights: STEPS * FOLDS for each group of channels
  parameter int ROW = 3,       // bits of a row's number
  parameter int OUTPUTS = 2,   // output tokens after which the rows come again
  parameter int FOLD = 1,      // bits of an output token's number
  parameter int FUNCTION = 1   // clocks from the operand to the sum of products
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  input  wire [WIDTH-1:0] x_data,
  output wire [ROW-1:0] row,
  output wire [WIDTH-1:0] operand,
  output wire adds,
  output wire first,
  output wire [FOLD-1:0] fold,
  input  wire y_room,
  output wire y_issue,
  output wire y_push
);
  localparam int STEP = STEPS > 1 ? $clog2(STEPS) : 1;
  localparam int TURN = FOLDS > 1 ? $clog2(FOLDS) : 1;
  wire [STEP-1:0] step;
  wire step_first, step_last, reads;
  wire [FOLD-1:0] output_index;
  wire go = (x_have || !reads) && (y_room || !step_last);
  assign x_pop = go && reads;
  assign y_issue = go && step_last;

  stream_loop #(.COUNT(STEPS), .BITS(STEP)) steps (
    .clk(clk), .rst(rst), .step(go), .index(step), .first(step_first), .last(step_last));
  stream_loop #(.COUNT(FOLDS), .BITS(TURN)) folds (
    .clk(clk), .rst(rst), .step(y_issue), .index(), .first(reads), .last());
  stream_loop #(.COUNT(OUTPUTS), .BITS(FOLD)) outputs (
    .clk(clk), .rst(rst), .step(y_issue), .index(output_index), .first(), .last());
  stream_loop #(.COUNT(ROWS), .BITS(ROW)) rows (
    .clk(clk), .rst(rst), .step(go), .index(row), .first(), .last());

  logic [WIDTH-1:0] token;
  always_ff @(posedge clk) token <= x_data;
  generate
    if (FOLDS == 1) begin : once
      assign operand = token;
    end else begin : again  // the vector is written in the first fold and read in all others
      logic fresh, fresh_later;
      logic [STEP-1:0] at;
      logic [WIDTH-1:0] held;
      (* ram_style = "distributed" *) logic [WIDTH-1:0] vector [0:STEPS-1];
      always_ff @(posedge clk) begin
        fresh <= x_pop;
        fresh_later <= fresh;
        at <= step;
        held <= vector[at];
        if (fresh) vector[at] <= x_data;
      end
      assign operand = fresh_later ? token : held;
    end
  endgenerate

  stream_delay #(.BITS(FOLD), .STAGES(1 + FUNCTION)) folded (
    .clk(clk), .rst(rst), .d(output_index), .q(fold));
  stream_delay #(.BITS(2), .STAGES(2 + FUNCTION)) summed (
    .clk(clk), .rst(rst), .d({go, step_first}), .q({adds, first}));
  stream_delay #(.STAGES(3 + FUNCTION)) pushed (
    .clk(clk), .rst(rst), .d(y_issue), .q(y_push));
endmodule
