// Linear for samples.onnx: node 25 'linear_0' (Linear)
//   x0 = linear_0_x0: 1x3x2x4 int4, -8 to 7
//   x1 = linear_0_x1: 1x3x2x4 int4, -8 to 7
//   y0 = linear_0_y0: 1x3x2x4 int5, -16 to 14
//   sums: int5, of terms int4
static void n000_linear_0_y0(const ap_int<4> x0[24], const ap_int<4> x1[24], ap_int<5> y0[24]) {
#pragma HLS PIPELINE II=1
#pragma HLS ARRAY_PARTITION variable=x0 complete dim=0
#pragma HLS ARRAY_PARTITION variable=x1 complete dim=0
#pragma HLS ARRAY_PARTITION variable=y0 complete dim=0
  typedef ap_int<4> x0_t;
  typedef ap_int<4> x1_t;
  typedef ap_int<5> y0_t;
  // factor0: 1 x 1 x 1 x 1 of uint1
  typedef ap_uint<1> factor0_t;
  static const rom<1>::u factor0[1] = {
    1
  };
  // factor1: 1 x 1 x 1 x 1 of uint1
  typedef ap_uint<1> factor1_t;
  static const rom<1>::u factor1[1] = {
    1
  };
  // bias: 1 x 1 x 1 x 1 of uint1
  typedef ap_uint<1> bias_t;
  static const rom<1>::u bias[1] = {
    0
  };
  for (int i = 0; i < 24; i++) {
#pragma HLS UNROLL
    const x0_t a0 = x0[i];
    const x1_t a1 = x1[i];
    const int at_factor0 = 0;
    const int at_factor1 = 0;
    const int at_bias = 0;
    ap_int<5> sum = (bias_t)bias[at_bias];
    sum += (factor0_t)factor0[at_factor0] * a0;
    sum += (factor1_t)factor1[at_factor1] * a1;
    const y0_t out = (y0_t)sum;
    y0[i] = out;
  }
}
