// The greatest term over the steps of a result, LANES of them side by side.
module stream_greatest #(
  parameter int LANES = 1,
  parameter int BITS = 8,
  parameter int SIGNED = 1
) (
  input  wire clk,
  input  wire adds,   // a term is there
  input  wire first,  // ... the first of a result
  input  wire [LANES*BITS-1:0] term,
  output logic [LANES*BITS-1:0] greatest
);
  generate
    for (genvar l = 0; l < LANES; l++) begin : lane
      // One more bit, so that both kinds of numbers compare as signed ones.
      wire signed [BITS:0] now = {SIGNED != 0 && term[l*BITS+BITS-1], term[l*BITS +: BITS]};
      wire signed [BITS:0] so_far =
        {SIGNED != 0 && greatest[l*BITS+BITS-1], greatest[l*BITS +: BITS]};
      always_ff @(posedge clk) if (adds && (first || now > so_far))
        greatest[l*BITS +: BITS] <= now[BITS-1:0];
    end
  endgenerate
endmodule
