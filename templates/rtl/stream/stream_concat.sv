// Channels of several tensors side by side: for every pixel first the tokens of operand 0, then
// those of operand 1, and so on.
module stream_concat #(
  parameter int OPERANDS = 2,
  parameter int WIDTH = 8,                    // of a result's token
  parameter [32*OPERANDS-1:0] TOKENS = 0      // how many of each operand, 32 bits a number
) (
  input  wire clk,
  input  wire rst,
  input  wire [OPERANDS-1:0] x_have,
  output wire [OPERANDS-1:0] x_pop,
  input  wire [OPERANDS*WIDTH-1:0] x_data,
  input  wire y_room,
  output wire y_issue,
  output wire y_push,
  output logic [WIDTH-1:0] y_data
);
  logic [OPERANDS-1:0] turn, shown;  // one bit is set: whose token this step takes
  logic [31:0] left;                 // tokens after this one in its turn
  wire go = |(turn & x_have) && y_room;
  assign x_pop = go ? turn : 0;
  assign y_issue = go;

  wire [OPERANDS-1:0] next = left != 0 ? turn : {turn, turn[OPERANDS-1]};
  logic [31:0] next_left;
  always_comb begin
    next_left = left - 1;
    for (int k = 0; k < OPERANDS; k++)
      if (left == 0 && next[k]) next_left = TOKENS[32*k +: 32] - 1;
  end
  always_ff @(posedge clk) begin
    shown <= turn;
    if (go) begin
      turn <= next;
      left <= next_left;
    end
    if (rst) begin
      turn <= 1;
      left <= TOKENS[31:0] - 1;
    end
  end
  stream_delay pushed (.clk(clk), .rst(rst), .d(go), .q(y_push));

  always_comb begin
    y_data = 0;
    for (int k = 0; k < OPERANDS; k++)
      if (shown[k]) y_data = y_data | x_data[WIDTH*k +: WIDTH];
  end
endmodule
