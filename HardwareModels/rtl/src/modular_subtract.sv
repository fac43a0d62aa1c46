// a - b modulo p = 2^64 - 2^32 + 1 (field = 1) or 2^64 (field = 0), operands reduced. Latency 2, a new difference each cycle.
module modular_subtract (
    input  logic        clk,
    input  logic        field,
    input  logic [63:0] a,
    input  logic [63:0] b,
    output logic [63:0] difference
);
  logic [64:0] plain;
  always_ff @(posedge clk) begin
    plain <= {1'b0, a} - {1'b0, b};
    // A borrow left p too much out: adding p is subtracting 2^32 - 1 modulo 2^64.
    difference <= plain[63:0] - {32'b0, {32{field & plain[64]}}};
  end
endmodule
