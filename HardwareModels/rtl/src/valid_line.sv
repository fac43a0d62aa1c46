// The valid bit that accompanies data through CYCLES registers. It is what a reset clears: data without it means nothing.
module valid_line #(
    parameter int CYCLES = 1
) (
    input  logic clk,
    input  logic reset,
    input  logic in,
    output logic out
);
  logic [CYCLES-1:0] line;
  always_ff @(posedge clk) line <= reset ? '0 : CYCLES'({line, in});
  assign out = line[CYCLES-1];
endmodule
