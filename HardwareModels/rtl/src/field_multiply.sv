// a b modulo p = 2^64 - 2^32 + 1. Latency 12, a new product each cycle, 12 DSP slices.
(* keep_hierarchy *)
module field_multiply (
    input  logic        clk,
    input  logic [63:0] a,
    input  logic [63:0] b,
    output logic [63:0] product
);
  logic [127:0] full;
  multiply_64 multiply (.clk, .a, .b, .product(full));
  field_reduce reduce (.clk, .low(full[63:0]), .high(full[127:64]), .reduced(product));
endmodule
