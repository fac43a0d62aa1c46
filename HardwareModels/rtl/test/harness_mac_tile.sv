// mac_tile behind the ports of the common testbench; each field is whole 32-bit words, the first named lowest.
module harness_mac_tile #(
    parameter int WORD = 64,
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int LIMB_BITS = 16
) (
    input  logic                                clk,
    input  logic                                reset,
    input  logic [                        31:0] configuration,  // field
    input  logic                                configure,
    input  logic                                in_valid,
    output logic                                in_ready,
    input  logic [2*COLUMNS*WORD+ROWS*32+31:0] in_data,         // x, addend, w, in_last
    output logic                                out_valid,
    output logic [         COLUMNS*WORD+31:0] out_data          // a row, out_last
);
  localparam int W = COLUMNS * WORD, WEIGHT = WORD == 64 ? 18 : 32;
  logic [ROWS*WEIGHT-1:0] weights;
  assign in_ready = 1'b1;
  for (genvar i = 0; i < ROWS; i++) begin : g_weight
    assign weights[WEIGHT*i+:WEIGHT] = in_data[2*W+32*i+:WEIGHT];
  end
  assign out_data[W+1+:31] = 31'b0;
  mac_tile #(.WORD(WORD), .ROWS(ROWS), .COLUMNS(COLUMNS), .LIMB_BITS(LIMB_BITS)) kernel (
      .clk, .reset, .in_valid, .out_valid,
      .field(configuration[0]),
      .in_last(in_data[2*W+32*ROWS]),
      .x(in_data[0+:W]),
      .w(weights),
      .addend(in_data[W+:W]),
      .out_last(out_data[W]),
      .out(out_data[0+:W])
  );
  logic unused;
  assign unused = ^{configure, configuration, in_data};
endmodule
