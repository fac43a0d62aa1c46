// word >> amount, for 0 to 63. Latency 2, a new word each cycle. The amount is configuration, the same for a whole stream.
module shift_right (
    input  logic        clk,
    input  logic [ 5:0] amount,
    input  logic [63:0] word,
    output logic [63:0] shifted
);
  logic [63:0] coarse;
  always_ff @(posedge clk) begin
    coarse  <= word >> {amount[5:3], 3'b0};
    shifted <= coarse >> amount[2:0];
  end
endmodule
