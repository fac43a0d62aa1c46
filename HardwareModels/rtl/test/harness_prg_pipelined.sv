// prg_pipelined behind the ports of the common testbench; fields are whole 32-bit words, the first named lowest.
module harness_prg_pipelined #(
    parameter int LANES = 1,
    parameter int FIELD = 0
) (
    input  logic                 clk,
    input  logic                 reset,
    input  logic [        127:0] configuration,  // key, its first byte highest
    input  logic                 configure,
    input  logic                 in_valid,
    output logic                 in_ready,
    input  logic [        159:0] in_data,        // first, count
    output logic                 out_valid,
    output logic [LANES*128-1:0] out_data        // words
);
  prg_pipelined #(.LANES(LANES), .FIELD(FIELD)) kernel (
      .clk, .reset, .in_valid, .in_ready, .out_valid,
      .key(configuration),
      .key_load(configure),
      .first(in_data[127:0]),
      .count(in_data[159:128]),
      .words(out_data)
  );
endmodule
