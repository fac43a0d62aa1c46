// A delay line of CYCLES registers. Without a reset, so that synthesis may use shift registers made of LUTs.
module delay #(
    parameter int WIDTH  = 1,
    parameter int CYCLES = 1
) (
    input  logic             clk,
    input  logic [WIDTH-1:0] in,
    output logic [WIDTH-1:0] out
);
  if (CYCLES == 0) begin : g_wire
    logic unused;
    assign unused = clk;
    assign out = in;
  end else if (CYCLES == 1) begin : g_register
    always_ff @(posedge clk) out <= in;
  end else begin : g_line
    logic [CYCLES*WIDTH-1:0] line;
    always_ff @(posedge clk) line <= {line[(CYCLES-1)*WIDTH-1:0], in};
    assign out = line[(CYCLES-1)*WIDTH+:WIDTH];
  end
endmodule
