// x2act_close behind the ports of the common testbench; each element field is whole 32-bit words, the first named lowest.
module harness_x2act_close #(
    parameter int LANES = 1
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic [         127:0] configuration,  // offset_shifted, shift, field
    input  logic                  configure,
    input  logic                  in_valid,
    output logic                  in_ready,
    input  logic [LANES*64*4-1:0] in_data,        // y0, m0, m1, pad_rho
    output logic                  out_valid,
    output logic [  LANES*64-1:0] out_data        // x
);
  localparam int W = LANES * 64;
  assign in_ready = 1'b1;
  x2act_close #(.LANES(LANES)) kernel (
      .clk, .reset, .in_valid, .out_valid,
      .offset_shifted(configuration[63:0]),
      .shift(configuration[69:64]),
      .field(configuration[96]),
      .y0(in_data[0+:W]),
      .m0(in_data[W+:W]),
      .m1(in_data[2*W+:W]),
      .pad_rho(in_data[3*W+:W]),
      .x(out_data)
  );
  logic unused;
  assign unused = ^{configure, configuration};
endmodule
