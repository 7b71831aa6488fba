// Steps of a digit-serial unit: a vector in, DIGITS steps, a token of sums out. Once a vector is
// taken, no step waits: the place of its sums is taken with it.
//
// stage 0                   the step is taken, with the first one the vector
// stage 1                   the vector stands at x_data, until the next one is taken; `digit` of it
// stage 2                   the digits stand at the graph, and `keep` says that others follow
// stage 2 + LEVELS          the digits of the sums stand behind the graph
// stage 2 + LEVELS + DIGITS all of them have come: the sums are pushed
module stream_digits #(
  parameter int DIGITS = 8,
  parameter int INDEX = 3,  // bits of a digit's number
  parameter int LEVELS = 1  // clocks that the graph takes
) (
  input  wire clk,
  input  wire rst,
  input  wire x_have,
  output wire x_pop,
  output logic [INDEX-1:0] digit,
  output wire keep,
  input  wire y_room,
  output wire y_issue,
  output wire y_push
);
  wire [INDEX-1:0] index;
  wire first, last;
  wire go = !first || (x_have && y_room);
  assign x_pop = go && first;
  assign y_issue = x_pop;
  stream_loop #(.COUNT(DIGITS), .BITS(INDEX)) steps (
    .clk(clk), .rst(rst), .step(go), .index(index), .first(first), .last(last));
  always_ff @(posedge clk) digit <= index;
  stream_delay #(.STAGES(2)) follows (.clk(clk), .rst(rst), .d(go && !last), .q(keep));
  stream_delay #(.STAGES(2 + LEVELS + DIGITS)) pushed (
    .clk(clk), .rst(rst), .d(y_issue), .q(y_push));
endmodule
