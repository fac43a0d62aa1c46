// square_32 behind the ports of the common testbench; each element field is whole 32-bit words, the first named lowest.
module harness_square_32 #(
    parameter int LANES = 1
) (
    input  logic                  clk,
    input  logic                  reset,
    input  logic [          31:0] configuration,  // adds_square
    input  logic                  configure,
    input  logic                  in_valid,
    output logic                  in_ready,
    input  logic [LANES*32*3-1:0] in_data,        // e, a, z
    output logic                  out_valid,
    output logic [  LANES*32-1:0] out_data        // r
);
  localparam int W = LANES * 32;
  assign in_ready = 1'b1;
  square_32 #(.LANES(LANES)) kernel (
      .clk, .reset, .in_valid, .out_valid,
      .adds_square(configuration[0]),
      .e(in_data[0+:W]),
      .a(in_data[W+:W]),
      .z(in_data[2*W+:W]),
      .r(out_data)
  );
  logic unused;
  assign unused = ^{configure, configuration};
endmodule
