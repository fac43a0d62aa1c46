// 1 where a word of F_p is at least (p + 1) / 2, that is where it stands for a negative number. Latency 1.
module top_bit (
    input  logic        clk,
    input  logic [63:0] word,
    output logic        top
);
  always_ff @(posedge clk) top <= word >= 64'h7FFF_FFFF_8000_0001;
endmodule
