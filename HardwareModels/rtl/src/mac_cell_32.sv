// One output of a linear layer in the ring of 32-bit words, as the paper's operators have it: sums of words times words.
//
// The three digit products that matter modulo 2^32 (see multiply_32) are summed apart, two of them inside their DSP slices, the
// 8-bit one in fabric; they are put together once a result. Any number of taps: what leaves an accumulator is a multiple of 2^32.
// Latency 3.
(* keep_hierarchy *)
module mac_cell_32 (
    input  logic        clk,
    // Both belong to the product that waits for addition, two cycles behind its operands.
    input  logic        enable,
    input  logic        first,
    input  logic [31:0] x,
    input  logic [31:0] weight,
    output logic [54:0] sums
);
  logic [23:0] x_low;
  logic [16:0] weight_low;
  logic [14:0] x_part, weight_high;
  logic [7:0] x_top, weight_part, product_top, sum_top;
  logic [31:0] product_low, sum_low;
  logic [14:0] product_high, sum_high;
  always_ff @(posedge clk) begin
    x_low        <= x[23:0];
    weight_low   <= weight[16:0];
    product_low  <= {8'b0, x_low} * {15'b0, weight_low};
    x_part       <= x[14:0];
    weight_high  <= weight[31:17];
    product_high <= x_part * weight_high;
    x_top        <= x[31:24];
    weight_part  <= weight[7:0];
    product_top  <= x_top * weight_part;
    if (enable) begin
      sum_low  <= (first ? 32'd0 : sum_low) + product_low;
      sum_high <= (first ? 15'd0 : sum_high) + product_high;
      sum_top  <= (first ? 8'd0 : sum_top) + product_top;
    end
  end
  assign sums = {sum_top, sum_high, sum_low};
endmodule
