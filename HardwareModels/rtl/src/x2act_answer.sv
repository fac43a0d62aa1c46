// Data owner's step of X2act (Protocols/x2act/spec.md, step 2), LANES elements a cycle: with y1 = d c + v + c^2 in F_p,
// w1 = [y1 >= (p + 1) / 2] and b = 0, 1:
//   m_b = floor(y1 / 2^shift) - mask - turn (b or w1) + pad_(b xor delta)   in the output's ring.
// d and delta come from the model owner, m_0 and m_1 go to it; mask is r'.
//
// Latency 25, initiation interval 1, 12 DSP slices a lane: d c + c^2 = c (d + c) takes one product, so that nothing is left to
// prepare but the material. Valid only, without back-pressure. Configuration is held during a stream and public: shift (0 to 62),
// turn = floor(p / 2^shift) (in F_p: 0 where shift = 0), field (output in F_p, else in Z_2^64).
module x2act_answer #(
    parameter int LANES = 1
) (
    input  logic                clk,
    input  logic                reset,
    input  logic                field,
    input  logic [         5:0] shift,
    input  logic [        63:0] turn,
    input  logic                in_valid,
    input  logic [LANES*64-1:0] d,
    input  logic [   LANES-1:0] delta,
    input  logic [LANES*64-1:0] c,
    input  logic [LANES*64-1:0] v,
    input  logic [LANES*64-1:0] mask,
    input  logic [LANES*64-1:0] pad0,
    input  logic [LANES*64-1:0] pad1,
    output logic                out_valid,
    output logic [LANES*64-1:0] m0,
    output logic [LANES*64-1:0] m1
);
  valid_line #(.CYCLES(25)) valid (.clk, .reset, .in(in_valid), .out(out_valid));
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [63:0] d_held, c_held, c_late, factor, product, v_late, share, floor, mask_late, plain, plain_late, turned;
    logic [63:0] pad_same, pad_other, same_late, other_late, first;
    logic top, top_late;
    always_ff @(posedge clk) begin
      d_held    <= d[64*i+:64];
      c_held    <= c[64*i+:64];
      pad_same  <= delta[i] ? pad1[64*i+:64] : pad0[64*i+:64];
      pad_other <= delta[i] ? pad0[64*i+:64] : pad1[64*i+:64];
    end
    modular_add factor_add (.clk, .field(1'b1), .a(d_held), .b(c_held), .sum(factor));
    delay #(.WIDTH(64), .CYCLES(2)) c_delay (.clk, .in(c_held), .out(c_late));
    field_multiply multiply (.clk, .a(c_late), .b(factor), .product);
    delay #(.WIDTH(64), .CYCLES(15)) v_delay (.clk, .in(v[64*i+:64]), .out(v_late));
    modular_add share_add (.clk, .field(1'b1), .a(product), .b(v_late), .sum(share));

    shift_right truncate (.clk, .amount(shift), .word(share), .shifted(floor));
    delay #(.WIDTH(64), .CYCLES(19)) mask_delay (.clk, .in(mask[64*i+:64]), .out(mask_late));
    modular_subtract mask_subtract (.clk, .field, .a(floor), .b(mask_late), .difference(plain));
    modular_subtract turn_subtract (.clk, .field, .a(plain), .b(turn), .difference(turned));
    delay #(.WIDTH(64), .CYCLES(2)) plain_delay (.clk, .in(plain), .out(plain_late));

    top_bit compare (.clk, .word(share), .top);
    delay #(.WIDTH(1), .CYCLES(5)) top_delay (.clk, .in(top), .out(top_late));
    assign first = top_late ? turned : plain_late;
    delay #(.WIDTH(64), .CYCLES(22)) same_delay (.clk, .in(pad_same), .out(same_late));
    delay #(.WIDTH(64), .CYCLES(22)) other_delay (.clk, .in(pad_other), .out(other_late));
    modular_add first_add (.clk, .field, .a(first), .b(same_late), .sum(m0[64*i+:64]));
    modular_add second_add (.clk, .field, .a(turned), .b(other_late), .sum(m1[64*i+:64]));
  end
endmodule
