// a + b modulo p = 2^64 - 2^32 + 1 (field = 1) or 2^64 (field = 0). Latency 2, a new sum each cycle.
//
// One carry chain a stage: -p is 2^32 - 1 modulo 2^64, so the sum reduced once is a second addition, and its carry (or that of
// the first) says which of the two is right. For field = 1, a may be any word where b <= 2^64 - 2^33 + 1; else both are reduced.
module modular_add (
    input  logic        clk,
    input  logic        field,
    input  logic [63:0] a,
    input  logic [63:0] b,
    output logic [63:0] sum
);
  logic [64:0] plain, lowered;
  always_ff @(posedge clk) plain <= {1'b0, a} + {1'b0, b};
  assign lowered = {1'b0, plain[63:0]} + 65'h0_FFFF_FFFF;
  always_ff @(posedge clk) sum <= field & (plain[64] | lowered[64]) ? lowered[63:0] : plain[63:0];
endmodule
