// Linear for samples.onnx: node 0 'linear_0' (Linear)
//   reads linear_0_x0: 1x3x1x1 int4, -8 to 7
//   reads linear_0_x1: 1x3x1x1 int4, -8 to 7
//   makes linear_0_y0: 1x3x1x1 int5, -16 to 14
//   constants: shift-add

// 3 copies, combinational
module samples_linear_0_y0_2 (
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [4:0] y0   // -16 .. 14
);
  wire signed [4:0] s2 = x0 + x1;  // -16 .. 14
  assign y0 = s2;
endmodule

// Linear for samples.onnx: node 1 'linear_1' (Linear)
//   reads linear_1_x0: 1x3x1x1 int4, -8 to 7
//   reads linear_1_x1: 1x3x1x1 int4, -8 to 7
//   makes linear_1_y0: 1x3x1x1 int24, -8000059 to 7000061
//   constants: shift-add

// 1 copy, 1 clock
module samples_linear_1_y0_2 (
  input  wire clk,
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [23:0] y0   // -8000041 .. 7000049
);
  // stage 0
  wire [3:0] s2 = -x0 + 4'sd7;  // 0 .. 15
  wire [6:0] s3_a = x0 <<< 2;
  wire [6:0] s3_b = x1 <<< 2;
  wire [6:0] s3_c = x1;
  wire signed [6:0] s3;  // a + b - c, -56 .. 49
  hlsgen_add3 #(.WIDTH(7), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s3_sum (
    .a(s3_a), .b(s3_b), .c(s3_c), .y(s3));
  wire [12:0] s4_a = x1;
  wire [12:0] s4_b = x1 <<< 3;
  wire [12:0] s4_c = x1 <<< 8;
  wire signed [12:0] s4;  // a + b + c, -2120 .. 1855
  hlsgen_add3 #(.WIDTH(10), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s4_sum (
    .a(s4_a[12:3]), .b(s4_b[12:3]), .c(s4_c[12:3]), .y(s4[12:3]));
  assign s4[2:0] = s4_a[2:0];
  wire [23:0] s5_a = x1 <<< 20;
  wire [23:0] s5_b = s2;
  wire [23:0] s5_c = x1 <<< 16;
  wire signed [23:0] s5;  // a + b - c, -7864320 .. 6881295
  hlsgen_add3 #(.WIDTH(8), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s5_sum (
    .a(s5_a[23:16]), .b(s5_b[23:16]), .c(s5_c[23:16]), .y(s5[23:16]));
  assign s5[15:0] = s5_b[15:0];
  logic signed [6:0] s3_r1;
  logic signed [12:0] s4_r1;
  logic signed [23:0] s5_r1;
  always_ff @(posedge clk) begin
    s3_r1 <= s3;
    s4_r1 <= s4;
    s5_r1 <= s5;
  end
  // stage 1
  wire [23:0] s6_a = s3_r1;
  wire [23:0] s6_b = s4_r1 <<< 6;
  wire [23:0] s6_c = s5_r1;
  wire signed [23:0] s6;  // a + b + c, -8000041 .. 7000049
  hlsgen_add3 #(.WIDTH(24), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s6_sum (
    .a(s6_a), .b(s6_b), .c(s6_c), .y(s6));
  assign y0 = s6;
endmodule

// 1 copy, 1 clock
module samples_linear_1_y0_2_2 (
  input  wire clk,
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [23:0] y0   // -8000059 .. 7000061
);
  // stage 0
  wire [6:0] s2_a = x0;
  wire [6:0] s2_b = x0 <<< 2;
  wire [6:0] s2_c = x1;
  wire signed [6:0] s2;  // a + b + c, -48 .. 42
  hlsgen_add3 #(.WIDTH(7), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s2_sum (
    .a(s2_a), .b(s2_b), .c(s2_c), .y(s2));
  wire [11:0] s3_a = x1;
  wire [11:0] s3_b = x1 <<< 4;
  wire [11:0] s3_c = x1 <<< 7;
  wire signed [11:0] s3;  // a + b + c, -1160 .. 1015
  hlsgen_add3 #(.WIDTH(8), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s3_sum (
    .a(s3_a[11:4]), .b(s3_b[11:4]), .c(s3_c[11:4]), .y(s3[11:4]));
  assign s3[3:0] = s3_a[3:0];
  wire [9:0] s4_a = x1;
  wire [9:0] s4_b = x1 <<< 6;
  wire [9:0] s4_c = x1 <<< 2;
  wire signed [9:0] s4;  // a + b - c, -488 .. 427
  hlsgen_add3 #(.WIDTH(8), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s4_sum (
    .a(s4_a[9:2]), .b(s4_b[9:2]), .c(s4_c[9:2]), .y(s4[9:2]));
  assign s4[1:0] = s4_a[1:0];
  logic signed [6:0] s2_r1;
  logic signed [11:0] s3_r1;
  logic signed [9:0] s4_r1;
  always_ff @(posedge clk) begin
    s2_r1 <= s2;
    s3_r1 <= s3;
    s4_r1 <= s4;
  end
  // stage 1
  wire [23:0] s5_a = s3_r1 <<< 2;
  wire [23:0] s5_b = s4_r1 <<< 14;
  wire [23:0] s5_c = s2_r1;
  wire signed [23:0] s5;  // a + b - c, -8000059 .. 7000061
  hlsgen_add3 #(.WIDTH(24), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s5_sum (
    .a(s5_a), .b(s5_b), .c(s5_c), .y(s5));
  assign y0 = s5;
endmodule

// 1 copy, 1 clock
module samples_linear_1_y0_2_3 (
  input  wire clk,
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [23:0] y0   // -8000039 .. 7000021
);
  // stage 0
  wire [5:0] s2_b = x0;
  wire [5:0] s2_c = x1;
  wire signed [5:0] s2;  // a + b - c, -22 .. 8
  hlsgen_add3 #(.WIDTH(6), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s2_sum (
    .a(6'd57), .b(s2_b), .c(s2_c), .y(s2));
  wire [11:0] s3_a = x1;
  wire [11:0] s3_b = x1 <<< 4;
  wire [11:0] s3_c = x1 <<< 7;
  wire signed [11:0] s3;  // a + b + c, -1160 .. 1015
  hlsgen_add3 #(.WIDTH(8), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s3_sum (
    .a(s3_a[11:4]), .b(s3_b[11:4]), .c(s3_c[11:4]), .y(s3[11:4]));
  assign s3[3:0] = s3_a[3:0];
  wire [9:0] s4_a = x1;
  wire [9:0] s4_b = x1 <<< 6;
  wire [9:0] s4_c = x1 <<< 2;
  wire signed [9:0] s4;  // a + b - c, -488 .. 427
  hlsgen_add3 #(.WIDTH(8), .NEGATE_B(1'b0), .NEGATE_C(1'b1)) s4_sum (
    .a(s4_a[9:2]), .b(s4_b[9:2]), .c(s4_c[9:2]), .y(s4[9:2]));
  assign s4[1:0] = s4_a[1:0];
  wire [23:0] s5_a = s2;
  wire [23:0] s5_b = s3 <<< 2;
  wire [23:0] s5_c = s4 <<< 14;
  wire signed [23:0] s5;  // a + b + c, -8000039 .. 7000021
  hlsgen_add3 #(.WIDTH(22), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s5_sum (
    .a(s5_a[23:2]), .b(s5_b[23:2]), .c(s5_c[23:2]), .y(s5[23:2]));
  assign s5[1:0] = s5_a[1:0];
  logic signed [23:0] s5_r1;
  always_ff @(posedge clk) begin
    s5_r1 <= s5;
  end
  assign y0 = s5_r1;
endmodule

// Linear for samples.onnx: node 2 'linear_2' (Linear)
//   reads linear_2_x0: 1x3x1x1 int4, -8 to 7
//   makes linear_2_y0: 1x3x1x1 int5, -5 to 10
//   constants: shift-add

// 3 copies, combinational
module samples_linear_2_y0_2 (
  input  wire signed [3:0] x0,  // -8 .. 7
  output wire signed [4:0] y0   // -5 .. 10
);
  wire signed [4:0] s1 = -x0 + 3'sd2;  // -5 .. 10
  assign y0 = s1;
endmodule

// Linear for samples.onnx: node 3 'linear_3' (Linear)
//   reads linear_3_x0: 1x3x1x1 int4, -8 to 7
//   reads linear_3_x1: 1x3x1x1 uint8, 0 to 255
//   makes linear_3_y0: 1x3x1x1 int10, -16 to 269
//   constants: shift-add

// 3 copies, combinational
module samples_linear_3_y0_2 (
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire [7:0] x1,  // 0 .. 255
  output wire signed [9:0] y0   // -16 .. 269
);
  wire signed [8:0] s2_high = ($signed({1'b0, x1}) >>> 1) + x0;
  wire signed [9:0] s2 = {s2_high, x1[0]};  // -16 .. 269
  assign y0 = s2;
endmodule

// Linear for samples.onnx: node 4 'linear_4' (Linear)
//   reads linear_4_x0: 1x3x1x1 int32, -1073741824 to 1073741824
//   reads linear_4_x1: 1x3x1x1 int4, -8 to 7
//   makes linear_4_y0: 1x3x1x1 int77, -37778931862957161709591 to 37778931862957161709590
//   constants: shift-add

// 3 copies, 1 clock
module samples_linear_4_y0_2 (
  input  wire clk,
  input  wire signed [31:0] x0,  // -1073741824 .. 1073741824
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [76:0] y0   // -37778931862957161709591 .. 37778931862957161709590
);
  // stage 0
  wire signed [4:0] s2 = -x1 + 2'sd1;  // -6 .. 9
  logic signed [31:0] x0_r1;
  logic signed [3:0] x1_r1;
  logic signed [4:0] s2_r1;
  always_ff @(posedge clk) begin
    x0_r1 <= x0;
    x1_r1 <= x1;
    s2_r1 <= s2;
  end
  // stage 1
  wire [76:0] s3_a = x0_r1 <<< 45;
  wire [76:0] s3_b = x1_r1 <<< 2;
  wire [76:0] s3_c = s2_r1;
  wire signed [76:0] s3;  // a + b + c, -37778931862957161709591 .. 37778931862957161709590
  hlsgen_add3 #(.WIDTH(75), .NEGATE_B(1'b0), .NEGATE_C(1'b0)) s3_sum (
    .a(s3_a[76:2]), .b(s3_b[76:2]), .c(s3_c[76:2]), .y(s3[76:2]));
  assign s3[1:0] = s3_c[1:0];
  assign y0 = s3;
endmodule

// samples: 5 layers, latency 2 clocks at 2.5 ns (estimated delays), a sample a clock. Generated by hlsgen.
// Tensors are flat vectors in row-major order, the first element in the lowest bits.
//   input  linear_0_x0 = linear_0_x0: 1x3x1x1 int4, -8 to 7
//   input  linear_0_x1 = linear_0_x1: 1x3x1x1 int4, -8 to 7
//   input  linear_1_x0 = linear_1_x0: 1x3x1x1 int4, -8 to 7
//   input  linear_1_x1 = linear_1_x1: 1x3x1x1 int4, -8 to 7
//   input  linear_2_x0 = linear_2_x0: 1x3x1x1 int4, -8 to 7
//   input  linear_3_x0 = linear_3_x0: 1x3x1x1 int4, -8 to 7
//   input  linear_3_x1 = linear_3_x1: 1x3x1x1 uint8, 0 to 255
//   input  linear_4_x0 = linear_4_x0: 1x3x1x1 int32, -1073741824 to 1073741824
//   input  linear_4_x1 = linear_4_x1: 1x3x1x1 int4, -8 to 7
//   output linear_0_y0 = linear_0_y0, int5, -16 to 14
//   output linear_1_y0 = linear_1_y0, int24, -8000059 to 7000061
//   output linear_2_y0 = linear_2_y0, int5, -5 to 10
//   output linear_3_y0 = linear_3_y0, int10, -16 to 269
//   output linear_4_y0 = linear_4_y0, int77, -37778931862957161709591 to 37778931862957161709590
module samples (
  input  wire clk,
  input  wire in_valid,
  input  wire [11:0] linear_0_x0,
  input  wire [11:0] linear_0_x1,
  input  wire [11:0] linear_1_x0,
  input  wire [11:0] linear_1_x1,
  input  wire [11:0] linear_2_x0,
  input  wire [11:0] linear_3_x0,
  input  wire [23:0] linear_3_x1,
  input  wire [95:0] linear_4_x0,
  input  wire [11:0] linear_4_x1,
  output wire [14:0] linear_0_y0,
  output wire [71:0] linear_1_y0,
  output wire [14:0] linear_2_y0,
  output wire [29:0] linear_3_y0,
  output wire [230:0] linear_4_y0,
  output wire out_valid
);
  // Data registers have no reset: what leaves them counts only 2 clocks after a valid input.
  logic [1:0] valid = 2'd0;
  always_ff @(posedge clk) valid <= {valid[0:0], in_valid};
  assign out_valid = valid[1];

  // Linear for samples.onnx: node 0 'linear_0' (Linear)
  wire [14:0] linear_0_y0_2;  // linear_0_y0: 1x3x1x1 int5, -16 to 14
  for (genvar i = 0; i < 3; i = i + 1) begin : linear_0_y0_2_at
    samples_linear_0_y0_2 u (
      .x0(linear_0_x0[4*i +: 4]),
      .x1(linear_0_x1[4*i +: 4]),
      .y0(linear_0_y0_2[5*i +: 5])
    );
  end
  logic [14:0] linear_0_y0_2_r1;
  always_ff @(posedge clk) linear_0_y0_2_r1 <= linear_0_y0_2;
  logic [14:0] linear_0_y0_2_r2;
  always_ff @(posedge clk) linear_0_y0_2_r2 <= linear_0_y0_2_r1;

  // Linear for samples.onnx: node 1 'linear_1' (Linear)
  wire [71:0] linear_1_y0_2;  // linear_1_y0: 1x3x1x1 int24, -8000059 to 7000061
  samples_linear_1_y0_2 u_linear_1_y0_2 (
    .clk(clk),
    .x0(linear_1_x0[4*0 +: 4]),
    .x1(linear_1_x1[4*0 +: 4]),
    .y0(linear_1_y0_2[24*0 +: 24])
  );
  samples_linear_1_y0_2_2 u_linear_1_y0_2_2 (
    .clk(clk),
    .x0(linear_1_x0[4*1 +: 4]),
    .x1(linear_1_x1[4*1 +: 4]),
    .y0(linear_1_y0_2[24*1 +: 24])
  );
  samples_linear_1_y0_2_3 u_linear_1_y0_2_3 (
    .clk(clk),
    .x0(linear_1_x0[4*2 +: 4]),
    .x1(linear_1_x1[4*2 +: 4]),
    .y0(linear_1_y0_2[24*2 +: 24])
  );
  logic [71:0] linear_1_y0_2_r1;
  always_ff @(posedge clk) linear_1_y0_2_r1 <= linear_1_y0_2;

  // Linear for samples.onnx: node 2 'linear_2' (Linear)
  wire [14:0] linear_2_y0_2;  // linear_2_y0: 1x3x1x1 int5, -5 to 10
  for (genvar i = 0; i < 3; i = i + 1) begin : linear_2_y0_2_at
    samples_linear_2_y0_2 u (.x0(linear_2_x0[4*i +: 4]), .y0(linear_2_y0_2[5*i +: 5]));
  end
  logic [14:0] linear_2_y0_2_r1;
  always_ff @(posedge clk) linear_2_y0_2_r1 <= linear_2_y0_2;
  logic [14:0] linear_2_y0_2_r2;
  always_ff @(posedge clk) linear_2_y0_2_r2 <= linear_2_y0_2_r1;

  // Linear for samples.onnx: node 3 'linear_3' (Linear)
  wire [29:0] linear_3_y0_2;  // linear_3_y0: 1x3x1x1 int10, -16 to 269
  for (genvar i = 0; i < 3; i = i + 1) begin : linear_3_y0_2_at
    samples_linear_3_y0_2 u (
      .x0(linear_3_x0[4*i +: 4]),
      .x1(linear_3_x1[8*i +: 8]),
      .y0(linear_3_y0_2[10*i +: 10])
    );
  end
  logic [29:0] linear_3_y0_2_r1;
  always_ff @(posedge clk) linear_3_y0_2_r1 <= linear_3_y0_2;
  logic [29:0] linear_3_y0_2_r2;
  always_ff @(posedge clk) linear_3_y0_2_r2 <= linear_3_y0_2_r1;

  // Linear for samples.onnx: node 4 'linear_4' (Linear)
  wire [230:0] linear_4_y0_2;  // linear_4_y0: 1x3x1x1 int77, -37778931862957161709591 to 37778931862957161709590
  for (genvar i = 0; i < 3; i = i + 1) begin : linear_4_y0_2_at
    samples_linear_4_y0_2 u (
      .clk(clk),
      .x0(linear_4_x0[32*i +: 32]),
      .x1(linear_4_x1[4*i +: 4]),
      .y0(linear_4_y0_2[77*i +: 77])
    );
  end
  logic [230:0] linear_4_y0_2_r1;
  always_ff @(posedge clk) linear_4_y0_2_r1 <= linear_4_y0_2;

  assign linear_0_y0 = linear_0_y0_2_r2;
  assign linear_1_y0 = linear_1_y0_2_r1;
  assign linear_2_y0 = linear_2_y0_2_r2;
  assign linear_3_y0 = linear_3_y0_2_r2;
  assign linear_4_y0 = linear_4_y0_2_r1;
endmodule

// y = a + b + c modulo 2^WIDTH, b and c subtracted where NEGATE_B and NEGATE_C say so.
// Generated by hlsgen.
//
// Define HLSGEN_ULTRASCALE when synthesising for UltraScale or UltraScale+: a LUT6_2 a bit reduces three
// bits to a sum and a carry, and a CARRY8 chain adds the carries of the bits below. Everywhere else
// (simulators, other parts, ASIC) the sum is left to the tool. Both were proven equal.
module hlsgen_add3 #(
  parameter int WIDTH = 8,
  parameter bit NEGATE_B = 1'b0,
  parameter bit NEGATE_C = 1'b0
) (
  input  wire [WIDTH-1:0] a,
  input  wire [WIDTH-1:0] b,
  input  wire [WIDTH-1:0] c,
  output wire [WIDTH-1:0] y
);
`ifdef HLSGEN_ULTRASCALE
  // -b = ~b + 1: a LUT inverts for nothing, and the two ones are the two carries into bit 0.
  function automatic [63:0] truth(input bit not_b, input bit not_c);
    for (int i = 0; i < 32; i++) begin
      truth[i]      = (i[0] & (i[1] ^ not_b)) | (i[0] & (i[2] ^ not_c)) | ((i[1] ^ not_b) & (i[2] ^ not_c));
      truth[32 + i] = i[0] ^ i[1] ^ not_b ^ i[2] ^ not_c ^ i[3];
    end
  endfunction

  localparam int CHAINS = (WIDTH + 7) / 8;
  wire [WIDTH:0] carry;  // carry[i + 1]: two or three of the bits i are set
  wire [8*CHAINS-1:0] propagate, generated, sum;
  wire [8*CHAINS:0] chain;
  assign carry[0] = NEGATE_C;
  assign chain[0] = NEGATE_B;

  for (genvar i = 0; i < 8 * CHAINS; i++) begin : bits
    if (i < WIDTH) begin : used
      LUT6_2 #(.INIT(truth(NEGATE_B, NEGATE_C))) compress (
        .I0(a[i]), .I1(b[i]), .I2(c[i]), .I3(carry[i]), .I4(1'b0), .I5(1'b1),
        .O6(propagate[i]), .O5(carry[i+1]));
      assign generated[i] = carry[i];
    end else begin : unused
      assign propagate[i] = 1'b0;
      assign generated[i] = 1'b0;
    end
  end
  for (genvar k = 0; k < CHAINS; k++) begin : chains
    CARRY8 #(.CARRY_TYPE("SINGLE_CY8")) adder (
      .CI(chain[8*k]), .CI_TOP(1'b0), .DI(generated[8*k+:8]), .S(propagate[8*k+:8]),
      .O(sum[8*k+:8]), .CO(chain[8*k+1+:8]));
  end
  assign y = sum[WIDTH-1:0];
`else
  wire [WIDTH-1:0] minus_b = NEGATE_B ? -b : b;
  wire [WIDTH-1:0] minus_c = NEGATE_C ? -c : c;
  assign y = a + minus_b + minus_c;
`endif
endmodule
