// Steps of an element by element operator: a token of every operand in, a token of the result out.
//
// stage 0       the step is taken
// stage 1       operands and `place` stand at the function
// stage 1 + F   the function's result is pushed
module stream_map #(
  parameter int OPERANDS = 1,
  parameter int PERIOD = 1,  // tokens after which the function's constants come again
  parameter int PLACE = 1,   // bits of a place among these
  parameter int FUNCTION = 1 // clocks from the operands to the result
) (
  input  wire clk,
  input  wire rst,
  input  wire [OPERANDS-1:0] x_have,
  output wire x_pop,
  output logic [PLACE-1:0] place,
  input  wire y_room,
  output wire y_issue,
  output wire y_push
);
  wire go = &x_have && y_room;
  wire [PLACE-1:0] index;
  assign x_pop = go;
  assign y_issue = go;

  stream_loop #(.COUNT(PERIOD), .BITS(PLACE)) places (
    .clk(clk), .rst(rst), .step(go), .index(index), .first(), .last());
  always_ff @(posedge clk) place <= index;

  stream_delay #(.STAGES(1 + FUNCTION)) pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));
endmodule
