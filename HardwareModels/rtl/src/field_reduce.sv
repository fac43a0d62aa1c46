// low + 2^64 high modulo p = 2^64 - 2^32 + 1, for any two words. Latency 4, a new word each cycle.
//
// 2^96 = -1 takes the top 32 bits, 2^64 = 2^32 - 1 the next 32: no multiplier.
module field_reduce (
    input  logic        clk,
    input  logic [63:0] low,
    input  logic [63:0] high,
    output logic [63:0] reduced
);
  logic [64:0] difference;
  logic [63:0] product, lifted, product_late;
  always_ff @(posedge clk) begin
    difference   <= {1'b0, low} - {33'b0, high[63:32]};
    product      <= {high[31:0], 32'b0} - {32'b0, high[31:0]};
    lifted       <= difference[63:0] - {32'b0, {32{difference[64]}}};
    product_late <= product;
  end
  // product is at most (2^32 - 1)^2 = 2^64 - 2^33 + 1, so `lifted` need not be reduced.
  modular_add add (.clk, .field(1'b1), .a(lifted), .b(product_late), .sum(reduced));
endmodule
