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
  wire signed [6:0] s3 = (x0 <<< 2) - x1;  // -39 .. 36
  wire signed [4:0] s4_high = (x1 >>> 4) + x1;
  wire signed [8:0] s4 = {s4_high, x1[3:0]};  // -136 .. 119
  wire signed [9:0] s5 = x1 + (x1 <<< 5);  // -264 .. 231
  wire signed [7:0] s6 = (x1 <<< 4) - x1;  // -120 .. 105
  wire signed [6:0] s7 = $signed({1'b0, s2}) + s3;  // -24 .. 36
  wire signed [9:0] s8_high = (s4 >>> 7) + s5;
  wire signed [16:0] s8 = {s8_high, s4[6:0]};  // -33928 .. 29687
  logic signed [7:0] s6_r1;
  logic signed [6:0] s7_r1;
  logic signed [16:0] s8_r1;
  always_ff @(posedge clk) begin
    s6_r1 <= s6;
    s7_r1 <= s7;
    s8_r1 <= s8;
  end
  // stage 1
  wire signed [23:0] s9 = (s6_r1 <<< 16) + s7_r1;  // -7864329 .. 6881301
  wire signed [21:0] s10_high = (s9 >>> 2) + s8_r1;
  wire signed [23:0] s10 = {s10_high, s9[1:0]};  // -8000041 .. 7000049
  assign y0 = s10;
endmodule

// 1 copy, 1 clock
module samples_linear_1_y0_2_2 (
  input  wire clk,
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [23:0] y0   // -8000059 .. 7000061
);
  // stage 0
  wire signed [4:0] s2 = x0 + x1;  // -16 .. 14
  wire signed [4:0] s3 = x1 - x0;  // -15 .. 15
  wire signed [4:0] s4_high = (x1 >>> 3) + x1;
  wire signed [7:0] s4 = {s4_high, x1[2:0]};  // -72 .. 63
  wire signed [3:0] s5_high = (x1 >>> 2) - x1;
  wire signed [5:0] s5 = {s5_high, x1[1:0]};  // -21 .. 24
  wire signed [23:0] s6 = (x1 <<< 20) - s2;  // -8388607 .. 7340033
  wire signed [7:0] s7_high = (s3 >>> 4) + s4;
  wire signed [11:0] s7 = {s7_high, s3[3:0]};  // -1167 .. 1023
  logic signed [5:0] s5_r1;
  logic signed [23:0] s6_r1;
  logic signed [11:0] s7_r1;
  always_ff @(posedge clk) begin
    s5_r1 <= s5;
    s6_r1 <= s6;
    s7_r1 <= s7;
  end
  // stage 1
  wire signed [5:0] s8_high = (s7_r1 >>> 12) + s5_r1;
  wire signed [17:0] s8 = {s8_high, s7_r1[11:0]};  // -85008 .. 97152
  wire signed [21:0] s9_high = (s6_r1 >>> 2) + s8;
  wire signed [23:0] s9 = {s9_high, s6_r1[1:0]};  // -8000059 .. 7000061
  assign y0 = s9;
endmodule

// 1 copy, 1 clock
module samples_linear_1_y0_2_3 (
  input  wire clk,
  input  wire signed [3:0] x0,  // -8 .. 7
  input  wire signed [3:0] x1,  // -8 .. 7
  output wire signed [23:0] y0   // -8000039 .. 7000021
);
  // stage 0
  wire signed [4:0] s2 = x0 - 4'sd7;  // -15 .. 0
  wire signed [5:0] s3 = (x1 <<< 2) - x1;  // -24 .. 21
  wire signed [4:0] s4_high = (x1 >>> 3) + x1;
  wire signed [7:0] s4 = {s4_high, x1[2:0]};  // -72 .. 63
  wire signed [3:0] s5_high = (x1 >>> 2) - x1;
  wire signed [5:0] s5 = {s5_high, x1[1:0]};  // -21 .. 24
  wire signed [24:0] s6 = (x1 <<< 20) + s2;  // -8388623 .. 7340032
  wire signed [7:0] s7_high = (s3 >>> 6) + s4;
  wire signed [13:0] s7 = {s7_high, s3[5:0]};  // -4632 .. 4053
  logic signed [5:0] s5_r1;
  logic signed [24:0] s6_r1;
  logic signed [13:0] s7_r1;
  always_ff @(posedge clk) begin
    s5_r1 <= s5;
    s6_r1 <= s6;
    s7_r1 <= s7;
  end
  // stage 1
  wire signed [5:0] s8_high = (s7_r1 >>> 14) + s5_r1;
  wire signed [19:0] s8 = {s8_high, s7_r1[13:0]};  // -340011 .. 388584
  wire signed [23:0] s9 = s6_r1 + s8;  // -8000039 .. 7000021
  assign y0 = s9;
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
  wire signed [74:0] s3 = (x0 <<< 43) + x1;  // -9444732965739290427400 .. 9444732965739290427399
  logic signed [4:0] s2_r1;
  logic signed [74:0] s3_r1;
  always_ff @(posedge clk) begin
    s2_r1 <= s2;
    s3_r1 <= s3;
  end
  // stage 1
  wire signed [74:0] s4_high = (s2_r1 >>> 2) + s3_r1;
  wire signed [76:0] s4 = {s4_high, s2_r1[1:0]};  // -37778931862957161709591 .. 37778931862957161709590
  assign y0 = s4;
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
