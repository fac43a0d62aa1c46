// One output of a masked linear layer (the project's convolution): sums of 64-bit words times signed weights of 18 bits.
//
// The word is cut into limbs of LIMB_BITS, each with an accumulator of 48 bits inside its own DSP slice: 16 bits take 4 slices and
// 2^14 taps, 22 bits take 3 slices and 2^8 taps (2^(30 - LIMB_BITS) in general, for weights from -2^17 to 2^17 - 1). The software's
// two halves of 32 bits with sums of 64 would take 4 slices as well, and adders in fabric behind them. Latency 3.
(* keep_hierarchy *)
module mac_cell_64 #(
    parameter int LIMB_BITS = 16,
    parameter int LIMBS = (63 + LIMB_BITS) / LIMB_BITS
) (
    input  logic                clk,
    // Both belong to the product that waits for addition, two cycles behind its operands.
    input  logic                enable,
    input  logic                first,
    input  logic [        63:0] x,
    input  logic [        17:0] weight,
    output logic [LIMBS*48-1:0] sums
);
  logic [LIMBS*LIMB_BITS-1:0] word;
  assign word = (LIMBS * LIMB_BITS)'(x);
  for (genvar i = 0; i < LIMBS; i++) begin : g_limb
    logic signed [LIMB_BITS:0] limb;
    logic signed [17:0] held;
    logic signed [LIMB_BITS+18:0] product;
    logic signed [47:0] sum;
    always_ff @(posedge clk) begin
      limb    <= signed'({1'b0, word[LIMB_BITS*i+:LIMB_BITS]});
      held    <= signed'(weight);
      product <= limb * held;
      if (enable) sum <= (first ? 48'sd0 : sum) + 48'(product);
    end
    assign sums[48*i+:48] = sum;
  end
endmodule
