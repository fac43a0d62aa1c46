// The next round key of AES-128 from the one before (FIPS 197, 5.2), without registers.
(* keep_hierarchy *)
module aes_key_step (
    input  logic [127:0] key,
    input  logic [  7:0] constant,
    output logic [127:0] next
);
  logic [31:0] rotated, substituted, word0, word1, word2;
  assign rotated = {key[23:0], key[31:24]};
  for (genvar i = 0; i < 4; i++) begin : g_byte
    aes_sbox box (.in(rotated[8*i+:8]), .out(substituted[8*i+:8]));
  end
  assign word0 = key[127:96] ^ substituted ^ {constant, 24'b0};
  assign word1 = key[95:64] ^ word0;
  assign word2 = key[63:32] ^ word1;
  assign next  = {word0, word1, word2, key[31:0] ^ word2};
endmodule
