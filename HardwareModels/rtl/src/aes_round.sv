// One round of AES (FIPS 197, 5.1) without registers. Byte 0 of a block is its highest. MixColumns is left out in the last round:
// always (LAST = 1), never (LAST = 0) or where the input `last` says so (LAST = 2).
//
// Kept as a module of its own in synthesis, which then optimises each kind of round once instead of all copies together.
(* keep_hierarchy *)
module aes_round #(
    parameter int LAST = 2
) (
    input  logic         last,
    input  logic [127:0] state,
    input  logic [127:0] key,
    output logic [127:0] out
);
  logic [127:0] substituted, shifted, mixed;
  for (genvar i = 0; i < 16; i++) begin : g_byte
    aes_sbox box (.in(state[8*i+:8]), .out(substituted[8*i+:8]));
  end
  for (genvar column = 0; column < 4; column++) begin : g_column
    for (genvar row = 0; row < 4; row++) begin : g_row
      assign shifted[127-8*(4*column+row)-:8] = substituted[127-8*(4*((column+row)%4)+row)-:8];
    end
    aes_mix_column mix (.in(shifted[127-32*column-:32]), .out(mixed[127-32*column-:32]));
  end
  if (LAST == 2) begin : g_choice
    assign out = (last ? shifted : mixed) ^ key;
  end else begin : g_constant
    logic unused;
    assign unused = ^{last, shifted, mixed};
    assign out = (LAST == 1 ? shifted : mixed) ^ key;
  end
endmodule
