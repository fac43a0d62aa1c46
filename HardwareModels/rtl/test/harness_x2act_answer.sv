// x2act_answer behind the ports of the common testbench; each element field is whole 32-bit words, the first named lowest.
module harness_x2act_answer #(
    parameter int LANES = 1
) (
    input  logic                        clk,
    input  logic                        reset,
    input  logic [               127:0] configuration,  // turn, shift, field
    input  logic                        configure,
    input  logic                        in_valid,
    output logic                        in_ready,
    input  logic [LANES*64*6+LANES*32-1:0] in_data,     // d, c, v, mask, pad0, pad1, delta
    output logic                        out_valid,
    output logic [      LANES*64*2-1:0] out_data        // m0, m1
);
  localparam int W = LANES * 64;
  logic [LANES-1:0] delta;
  assign in_ready = 1'b1;
  for (genvar i = 0; i < LANES; i++) begin : g_bit
    assign delta[i] = in_data[6*W+32*i];
  end
  x2act_answer #(.LANES(LANES)) kernel (
      .clk, .reset, .in_valid, .out_valid, .delta,
      .turn(configuration[63:0]),
      .shift(configuration[69:64]),
      .field(configuration[96]),
      .d(in_data[0+:W]),
      .c(in_data[W+:W]),
      .v(in_data[2*W+:W]),
      .mask(in_data[3*W+:W]),
      .pad0(in_data[4*W+:W]),
      .pad1(in_data[5*W+:W]),
      .m0(out_data[0+:W]),
      .m1(out_data[W+:W])
  );
  logic unused;
  assign unused = ^{configure, configuration, in_data};
endmodule
