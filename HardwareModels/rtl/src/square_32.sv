// A party's share of X2act's square as the paper has it: Beaver's Z = A o A in the ring of 32-bit words, LANES elements a cycle.
// With e = x - a opened (the sum of both parties' x_i - a_i) and shares a, z of A and A o A:
//   r = z + 2 e a + [party 1] e^2 = z + e (2 a + [party 1] e),   r_0 + r_1 = x^2 mod 2^32.
// e^2 enters once, by the party whose `adds_square` is 1. Coefficients of the polynomial and truncation are not part of this lane.
//
// Latency 7, initiation interval 1, 2 DSP slices a lane. Valid only, without back-pressure.
module square_32 #(
    parameter int LANES = 1
) (
    input  logic                clk,
    input  logic                reset,
    input  logic                adds_square,
    input  logic                in_valid,
    input  logic [LANES*32-1:0] e,
    input  logic [LANES*32-1:0] a,
    input  logic [LANES*32-1:0] z,
    output logic                out_valid,
    output logic [LANES*32-1:0] r
);
  valid_line #(.CYCLES(7)) valid (.clk, .reset, .in(in_valid), .out(out_valid));
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [31:0] opened, factor, z_late, product;
    always_ff @(posedge clk) begin
      opened <= e[32*i+:32];
      factor <= (a[32*i+:32] << 1) + (adds_square ? e[32*i+:32] : 32'b0);
    end
    multiply_32 multiply (.clk, .a(opened), .b(factor), .product);
    delay #(.WIDTH(32), .CYCLES(6)) z_delay (.clk, .in(z[32*i+:32]), .out(z_late));
    always_ff @(posedge clk) r[32*i+:32] <= product + z_late;
  end
endmodule
