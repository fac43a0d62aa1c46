// x2act_open behind the ports of the common testbench; each element field is whole 32-bit words, the first named lowest.
module harness_x2act_open #(
    parameter int LANES = 1
) (
    input  logic                        clk,
    input  logic                        reset,
    input  logic [               127:0] configuration,  // k, constant
    input  logic                        configure,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [LANES*64*3+LANES*32-1:0] in_data,     // z0, alpha, u, rho
    output logic                        out_valid,
    output logic [LANES*64*2+LANES*32-1:0] out_data     // d, y0, delta
);
  localparam int W = LANES * 64;
  logic [LANES-1:0] rho, delta;
  assign in_ready = 1'b1;
  for (genvar i = 0; i < LANES; i++) begin : g_bit
    assign rho[i] = in_data[3*W+32*i];
    assign out_data[2*W+32*i+:32] = {31'b0, delta[i]};
  end
  x2act_open #(.LANES(LANES)) kernel (
      .clk, .reset, .in_valid, .out_valid, .rho, .delta,
      .k(configuration[63:0]),
      .constant(configuration[127:64]),
      .z0(in_data[0+:W]),
      .alpha(in_data[W+:W]),
      .u(in_data[2*W+:W]),
      .d(out_data[0+:W]),
      .y0(out_data[W+:W])
  );
  logic unused;
  assign unused = ^{configure, in_data};
endmodule
