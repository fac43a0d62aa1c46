// Model owner's last step of X2act (Protocols/x2act/spec.md, step 3), LANES elements a cycle:
//   x = floor(y0 / 2^shift) - offset_shifted + m_b - pad_rho in the output's ring, b = [y0 >= (p + 1) / 2].
//
// Latency 7, initiation interval 1, no DSP slice. Valid only, without back-pressure. Configuration is held during a stream and
// public: shift (0 to 62), offset_shifted = floor(O / 2^shift), field (output in F_p, else in Z_2^64).
module x2act_close #(
    parameter int LANES = 1
) (
    input  logic                clk,
    input  logic                reset,
    input  logic                field,
    input  logic [         5:0] shift,
    input  logic [        63:0] offset_shifted,
    input  logic                in_valid,
    input  logic [LANES*64-1:0] y0,
    input  logic [LANES*64-1:0] m0,
    input  logic [LANES*64-1:0] m1,
    input  logic [LANES*64-1:0] pad_rho,
    output logic                out_valid,
    output logic [LANES*64-1:0] x
);
  valid_line #(.CYCLES(7)) valid (.clk, .reset, .in(in_valid), .out(out_valid));
  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [63:0] share, m0_late, m1_late, pad_late, message, opened, floor, low;
    logic top;
    always_ff @(posedge clk) begin
      share   <= y0[64*i+:64];
      message <= top ? m1_late : m0_late;
    end
    top_bit compare (.clk, .word(share), .top);
    shift_right truncate (.clk, .amount(shift), .word(share), .shifted(floor));
    modular_subtract offset_subtract (.clk, .field, .a(floor), .b(offset_shifted), .difference(low));
    delay #(.WIDTH(64), .CYCLES(2)) m0_delay (.clk, .in(m0[64*i+:64]), .out(m0_late));
    delay #(.WIDTH(64), .CYCLES(2)) m1_delay (.clk, .in(m1[64*i+:64]), .out(m1_late));
    delay #(.WIDTH(64), .CYCLES(3)) pad_delay (.clk, .in(pad_rho[64*i+:64]), .out(pad_late));
    modular_subtract pad_subtract (.clk, .field, .a(message), .b(pad_late), .difference(opened));
    modular_add add (.clk, .field, .a(low), .b(opened), .sum(x[64*i+:64]));
  end
endmodule
