// Words of a stream from a block of AES-128-CTR, as Sources/Randomness takes them: bytes in order, words little-endian. FIELD = 0:
// the block's two words, the first one low, without delay. FIELD = 1: the 128-bit number reduced mod p, latency 4, in the low 64 bits.
module prg_words #(
    parameter int FIELD = 0
) (
    input  logic         clk,
    input  logic [127:0] block,
    output logic [127:0] words
);
  logic [127:0] number;
  for (genvar i = 0; i < 16; i++) begin : g_byte
    assign number[8*i+:8] = block[127-8*i-:8];
  end
  if (FIELD != 0) begin : g_field
    logic [63:0] element;
    field_reduce reduce (.clk, .low(number[63:0]), .high(number[127:64]), .reduced(element));
    assign words = {64'b0, element};
  end else begin : g_words
    logic unused;
    assign unused = clk;
    assign words = number;
  end
endmodule
