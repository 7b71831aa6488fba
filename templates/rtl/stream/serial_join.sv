// The last DIGITS digits of each of LANES numbers as words, the latest digit in the highest bits.
module serial_join #(
  parameter int LANES = 1,
  parameter int DIGIT = 1,
  parameter int DIGITS = 8
) (
  input  wire clk,
  input  wire [LANES*DIGIT-1:0] digits,
  output logic [LANES*DIGITS*DIGIT-1:0] words
);
  localparam int WORD = DIGITS * DIGIT;
  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      wire [WORD+DIGIT-1:0] longer = {digits[l*DIGIT +: DIGIT], words[l*WORD +: WORD]};
      always_ff @(posedge clk) words[l*WORD +: WORD] <= longer[WORD+DIGIT-1:DIGIT];
    end
  endgenerate
endmodule
