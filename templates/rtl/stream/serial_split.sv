// One digit of each of LANES words, a clock later; above a word its sign goes on, or zeros.
module serial_split #(
  parameter int LANES = 1,
  parameter int BITS = 8,    // of a word
  parameter int SIGNED = 0,
  parameter int DIGIT = 1,
  parameter int INDEX = 3    // bits of a digit's number
) (
  input  wire clk,
  input  wire [INDEX-1:0] digit,
  input  wire [LANES*BITS-1:0] words,
  output logic [LANES*DIGIT-1:0] digits
);
  localparam int COUNT = (BITS + DIGIT - 1) / DIGIT;  // digits of a word
  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      wire [BITS-1:0] word = words[l*BITS +: BITS];
      wire sign = SIGNED != 0 && word[BITS-1];
      wire [BITS+DIGIT-1:0] wide = {{DIGIT{sign}}, word};
      logic [DIGIT-1:0] picked;
      always_comb begin
        picked = {DIGIT{sign}};
        for (int k = 0; k < COUNT; k++) if (digit == k) picked = wide[k*DIGIT +: DIGIT];
      end
      always_ff @(posedge clk) digits[l*DIGIT +: DIGIT] <= picked;
    end
  endgenerate
endmodule
