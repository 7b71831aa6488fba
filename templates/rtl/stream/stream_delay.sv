// Bits that travel beside a pipeline: `q` is `d` of STAGES clocks ago, 0 after a reset.
module stream_delay #(
  parameter int BITS = 1,
  parameter int STAGES = 1
) (
  input  wire clk,
  input  wire rst,
  input  wire [BITS-1:0] d,
  output wire [BITS-1:0] q
);
  generate
    if (STAGES == 0) begin : none
      assign q = d;
    end else begin : some
      logic [BITS*STAGES-1:0] line;
      wire [BITS*(STAGES+1)-1:0] longer = {line, d};
      always_ff @(posedge clk) line <= rst ? {BITS * STAGES{1'b0}} : longer[BITS*STAGES-1:0];
      assign q = line[BITS*STAGES-1 -: BITS];
    end
  endgenerate
endmodule
