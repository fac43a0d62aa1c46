// MixColumns of AES (FIPS 197, 5.1.3) on one column, byte 0 highest: 2 a0 + 3 a1 + a2 + a3 and its rotations in GF(2^8).
module aes_mix_column (
    input  logic [31:0] in,
    output logic [31:0] out
);
  for (genvar i = 0; i < 4; i++) begin : g_row
    logic [7:0] first, second, third, fourth, both;
    assign first = in[31-8*i-:8];
    assign second = in[31-8*((i+1)%4)-:8];
    assign third = in[31-8*((i+2)%4)-:8];
    assign fourth = in[31-8*((i+3)%4)-:8];
    assign both = first ^ second;
    assign out[31-8*i-:8] = {both[6:0], 1'b0} ^ (both[7] ? 8'h1b : 8'h00) ^ second ^ third ^ fourth;
  end
endmodule
