// Sums over the steps of a result, LANES of them side by side: `start` and then every `term`.
module stream_accumulate #(
  parameter int LANES = 1,
  parameter int BITS = 8  // of a sum, two's complement
) (
  input  wire clk,
  input  wire adds,   // a term is there
  input  wire first,  // ... the first of a sum
  input  wire [LANES*BITS-1:0] start,
  input  wire [LANES*BITS-1:0] term,
  output logic [LANES*BITS-1:0] sum
);
  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      wire [BITS-1:0] so_far = first ? start[l*BITS +: BITS] : sum[l*BITS +: BITS];
      always_ff @(posedge clk) if (adds) sum[l*BITS +: BITS] <= so_far + term[l*BITS +: BITS];
    end
  endgenerate
endmodule
