// The parts that kernels are made of, behind the ports of the common testbench: OPERATION 0 is field_multiply, 1 modular_add,
// 2 modular_subtract, 3 shift_right by the low bits of b.
module harness_arithmetic #(
    parameter int OPERATION = 0
) (
    input  logic         clk,
    input  logic         reset,
    input  logic [ 31:0] configuration,  // field, and the amount of a shift from bit 8 on
    input  logic         configure,
    input  logic         in_valid,
    output logic         in_ready,
    input  logic [127:0] in_data,        // a, b
    output logic         out_valid,
    output logic [ 63:0] out_data
);
  localparam int LATENCY = OPERATION == 0 ? 12 : 2;
  assign in_ready = 1'b1;
  valid_line #(.CYCLES(LATENCY)) valid (.clk, .reset, .in(in_valid), .out(out_valid));
  logic [63:0] a, b;
  assign {b, a} = in_data;
  if (OPERATION == 0) begin : g_multiply
    field_multiply kernel (.clk, .a, .b, .product(out_data));
  end else if (OPERATION == 1) begin : g_add
    modular_add kernel (.clk, .field(configuration[0]), .a, .b, .sum(out_data));
  end else if (OPERATION == 2) begin : g_subtract
    modular_subtract kernel (.clk, .field(configuration[0]), .a, .b, .difference(out_data));
  end else begin : g_shift
    shift_right kernel (.clk, .amount(configuration[13:8]), .word(a), .shifted(out_data));
  end
  logic unused;
  assign unused = ^{configure, configuration, b};
endmodule
