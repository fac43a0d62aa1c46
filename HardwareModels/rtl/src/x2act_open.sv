// Model owner's first step of X2act (Protocols/x2act/spec.md, step 1), LANES elements a cycle:
//   d = 2 z0 + k - alpha,   y0 = u + z0^2 + k z0 + constant,   delta = [y0 >= (p + 1) / 2] xor rho,
// in F_p with constant = a0 + O. d and delta go to the data owner, y0 waits for its answer.
//
// Latency 18, initiation interval 1, 12 DSP slices a lane: z0^2 + k z0 = z0 (z0 + k) takes one product. Valid only, without
// back-pressure: who requests elements has room for their results. k and constant are held during a stream, and are secret.
module x2act_open #(
    parameter int LANES = 1
) (
    input  logic                clk,
    input  logic                reset,
    input  logic [        63:0] k,
    input  logic [        63:0] constant,
    input  logic                in_valid,
    input  logic [LANES*64-1:0] z0,
    input  logic [LANES*64-1:0] alpha,
    input  logic [LANES*64-1:0] u,
    input  logic [   LANES-1:0] rho,
    output logic                out_valid,
    output logic [LANES*64-1:0] d,
    output logic [LANES*64-1:0] y0,
    output logic [   LANES-1:0] delta
);
  valid_line #(.CYCLES(18)) valid (.clk, .reset, .in(in_valid), .out(out_valid));
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [63:0] z, z_late, linear, product, twice, opened, alpha_late, u_late, masked, share;
    logic top, rho_late;
    always_ff @(posedge clk) z <= z0[64*i+:64];
    modular_add linear_add (.clk, .field(1'b1), .a(z), .b(k), .sum(linear));
    delay #(.WIDTH(64), .CYCLES(2)) z_delay (.clk, .in(z), .out(z_late));
    field_multiply multiply (.clk, .a(z_late), .b(linear), .product);

    modular_add twice_add (.clk, .field(1'b1), .a(z_late), .b(linear), .sum(twice));
    delay #(.WIDTH(64), .CYCLES(5)) alpha_delay (.clk, .in(alpha[64*i+:64]), .out(alpha_late));
    modular_subtract open_subtract (.clk, .field(1'b1), .a(twice), .b(alpha_late), .difference(opened));
    delay #(.WIDTH(64), .CYCLES(11)) d_delay (.clk, .in(opened), .out(d[64*i+:64]));

    // The constant joins u ahead of the product: nothing stands behind the multiplier but one addition.
    delay #(.WIDTH(64), .CYCLES(13)) u_delay (.clk, .in(u[64*i+:64]), .out(u_late));
    modular_add constant_add (.clk, .field(1'b1), .a(u_late), .b(constant), .sum(masked));
    modular_add share_add (.clk, .field(1'b1), .a(product), .b(masked), .sum(share));
    top_bit compare (.clk, .word(share), .top);
    delay #(.WIDTH(1), .CYCLES(18)) rho_delay (.clk, .in(rho[i]), .out(rho_late));
    always_ff @(posedge clk) y0[64*i+:64] <= share;
    assign delta[i] = top ^ rho_late;
  end
endmodule
