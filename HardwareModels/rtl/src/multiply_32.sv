// a b modulo 2^32. Latency 5, a new product each cycle, 2 DSP slices.
//
// Of the four products of digits (24 and 8 bits of a, 17 and 15 of b) one lies above bit 32 and one matters in 8 bits only, which
// fabric multiplies. The second slice adds what the first holds above its 17 low bits through the cascade.
module multiply_32 (
    input  logic        clk,
    input  logic [31:0] a,
    input  logic [31:0] b,
    output logic [31:0] product
);
  logic [23:0] a_low;
  logic [16:0] b_low, low_late;
  logic [14:0] a_part, b_high, a_part_late, b_high_late;
  logic [40:0] partial_low;
  logic [29:0] partial_high;
  logic [47:0] low;
  logic [14:0] high;
  logic [7:0] a_top, b_top, top, top_late;
  always_ff @(posedge clk) begin
    a_low        <= a[23:0];
    b_low        <= b[16:0];
    a_part_late  <= a[14:0];
    b_high_late  <= b[31:17];
    partial_low  <= a_low * b_low;
    a_part       <= a_part_late;
    b_high       <= b_high_late;
    low          <= {7'b0, partial_low};
    partial_high <= a_part * b_high;
    high         <= 15'({18'b0, partial_high} + (low >> 17));
    low_late     <= low[16:0];
    a_top        <= a[31:24];
    b_top        <= b[7:0];
    top          <= a_top * b_top;
    product      <= {high[14:7] + top_late, high[6:0], low_late};
  end
  delay #(.WIDTH(8), .CYCLES(2)) top_delay (.clk, .in(top), .out(top_late));
endmodule
