// addend + the sum that the limbs of a mac_cell_64 stand for, modulo p = 2^64 - 2^32 + 1 (field = 1) or 2^64. Latency 7. The addend
// (one reduced word) belongs to the cycle after that of the sums.
(* keep_hierarchy *)
module mac_fold_64 #(
    parameter int LIMB_BITS = 16,
    parameter int LIMBS = (63 + LIMB_BITS) / LIMB_BITS
) (
    input  logic                clk,
    input  logic                field,
    input  logic [LIMBS*48-1:0] sums,
    input  logic [        63:0] addend,
    output logic [        63:0] out
);
  // Limbs 0 and 1, and 2 and 3, in signed numbers; the whole is below 2^96 in magnitude, by the cell's bound on taps.
  localparam int PAIR = 50 + LIMB_BITS;
  logic signed [PAIR-1:0] low, high, high_late;
  logic signed [96:0] low_masked, total;
  logic signed [47:0] fourth;
  if (LIMBS > 3) begin : g_four
    assign fourth = signed'(sums[144+:48]);
  end else begin : g_three
    assign fourth = 48'sd0;
  end
  always_ff @(posedge clk) begin
    low        <= PAIR'(signed'(sums[0+:48])) + (PAIR'(signed'(sums[48+:48])) <<< LIMB_BITS);
    high       <= PAIR'(signed'(sums[96+:48])) + (PAIR'(fourth) <<< LIMB_BITS);
    low_masked <= 97'(low) + signed'({33'b0, addend});
    high_late  <= high;
    total      <= low_masked + (97'(high_late) <<< 2 * LIMB_BITS);
  end

  // As in field_reduce, with 2^96 = -1 for the sign: a negative number has all ones from bit 96 on, which is -2^96 = 1.
  logic [64:0] raised;
  logic [63:0] product, lifted, product_late;
  always_ff @(posedge clk) begin
    raised       <= {1'b0, total[63:0]} + {64'b0, field & total[96]};
    product      <= field ? {total[95:64], 32'b0} - {32'b0, total[95:64]} : 64'b0;
    lifted       <= raised[63:0] + {32'b0, {32{field & raised[64]}}};
    product_late <= product;
  end
  modular_add add (.clk, .field, .a(lifted), .b(product_late), .sum(out));
endmodule
