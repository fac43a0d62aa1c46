// A tile of multiply-accumulate cells, ROWS by COLUMNS, output stationary: out[r][c] = addend[r][c] + sum over taps t of w[r] x[c].
//
// WORD = 64: the project's linear layer. x are masked words (x - r), weights signed, 18 bits, and the addend is the share s + b that
// masks the result, or what an earlier pass over other taps gave; modulo p (field = 1) or 2^64 (field = 0).
// WORD = 32: the paper's ring. Three products of a Beaver convolution are three passes, or one pass over three times the taps.
//
// A pass is a stream of beats, one tap each: x of all columns, w of all rows; beat number r < ROWS also brings addend row r. in_last
// marks the last tap. A pass has at least ROWS taps (add zero weights) and, for WORD = 64, at most 2^(30 - LIMB_BITS). The next pass may
// follow at once. Results leave a row a cycle, valid only; the contract on taps is what makes room for them.
// Cycles of n passes of T taps: n T + ROWS + 11 (WORD = 64) or n T + ROWS + 7 (WORD = 32).
//
// Row r works r cycles after row 0: words go down from row to row, so that no register drives more than one row, and rows end one
// by one, just as they are read out, so that no second set of accumulators is needed.
module mac_tile #(
    parameter int WORD = 64,
    parameter int ROWS = 4,
    parameter int COLUMNS = 4,
    parameter int LIMB_BITS = 16,
    parameter int WEIGHT = WORD == 64 ? 18 : 32
) (
    input  logic                    clk,
    input  logic                    reset,
    input  logic                    field,
    input  logic                    in_valid,
    input  logic                    in_last,
    input  logic [COLUMNS*WORD-1:0] x,
    input  logic [ ROWS*WEIGHT-1:0] w,
    input  logic [COLUMNS*WORD-1:0] addend,
    output logic                    out_valid,
    output logic                    out_last,
    output logic [COLUMNS*WORD-1:0] out
);
  localparam int LIMBS = (63 + LIMB_BITS) / LIMB_BITS;
  localparam int SUMS = WORD == 64 ? 48 * LIMBS : 55;
  localparam int FOLD = WORD == 64 ? 7 : 3;

  // What a beat is, as it goes down the rows: index i is i cycles behind the input's register.
  logic [ROWS+2:0] accepted, first, last;
  logic begins;
  always_ff @(posedge clk) begin
    accepted <= reset ? '0 : (ROWS + 3)'({accepted, in_valid});
    first    <= (ROWS + 3)'({first, begins});
    last     <= (ROWS + 3)'({last, in_valid & in_last});
    if (reset) begins <= 1'b1;
    else if (in_valid) begins <= in_last;
  end

  // Addends wait in a ring of four passes (eight for one row): a place is written again only after it was read.
  localparam int PLACES = ROWS * (ROWS > 1 ? 4 : 8);
  localparam int PLACE_BITS = $clog2(PLACES);
  localparam int COUNT_BITS = $clog2(ROWS + 1);
  logic [COLUMNS*WORD-1:0] addends[PLACES];
  logic [PLACE_BITS-1:0] write_place, read_place;
  logic [COUNT_BITS-1:0] rows_given, rows_before;
  logic gives;
  assign rows_before = begins ? '0 : rows_given;
  assign gives = in_valid & rows_before != COUNT_BITS'(ROWS);
  always_ff @(posedge clk) begin
    if (gives) addends[write_place] <= addend;
    if (reset) write_place <= '0;
    else if (gives) write_place <= write_place == PLACE_BITS'(PLACES - 1) ? '0 : write_place + PLACE_BITS'(1);
    if (gives) rows_given <= rows_before + COUNT_BITS'(1);
  end

  logic [ROWS*COLUMNS*WORD-1:0] x_row;
  logic [ROWS*COLUMNS*SUMS-1:0] sums;
  logic [ROWS-1:0] done;
  always_ff @(posedge clk) x_row <= (ROWS * COLUMNS * WORD)'({x_row, x});
  for (genvar r = 0; r < ROWS; r++) begin : g_row
    logic [WEIGHT-1:0] weight;
    delay #(.WIDTH(WEIGHT), .CYCLES(r + 1)) w_delay (.clk, .in(w[WEIGHT*r+:WEIGHT]), .out(weight));
    always_ff @(posedge clk) done[r] <= ~reset & accepted[r+2] & last[r+2];
    for (genvar c = 0; c < COLUMNS; c++) begin : g_column
      if (WORD == 64) begin : g_wide
        mac_cell_64 #(.LIMB_BITS(LIMB_BITS)) cell_ (
            .clk,
            .enable(accepted[r+2]),
            .first(first[r+2]),
            .x(x_row[WORD*(COLUMNS*r+c)+:WORD]),
            .weight,
            .sums(sums[SUMS*(COLUMNS*r+c)+:SUMS])
        );
      end else begin : g_narrow
        mac_cell_32 cell_ (
            .clk,
            .enable(accepted[r+2]),
            .first(first[r+2]),
            .x(x_row[WORD*(COLUMNS*r+c)+:WORD]),
            .weight,
            .sums(sums[SUMS*(COLUMNS*r+c)+:SUMS])
        );
      end
    end
  end

  // One row at a time is done: an OR of what is done is a selection.
  logic [COLUMNS*SUMS-1:0] chosen, merged;
  always_comb begin
    chosen = '0;
    for (int r = 0; r < ROWS; r++) chosen = chosen | (sums[COLUMNS*SUMS*r+:COLUMNS*SUMS] & {(COLUMNS * SUMS) {done[r]}});
  end
  logic merged_valid, merged_last;
  logic [COLUMNS*WORD-1:0] addend_row;
  always_ff @(posedge clk) begin
    merged       <= chosen;
    merged_valid <= ~reset & |done;
    merged_last  <= done[ROWS-1];
    addend_row   <= addends[read_place];
    if (reset) read_place <= '0;
    else if (merged_valid) read_place <= read_place == PLACE_BITS'(PLACES - 1) ? '0 : read_place + PLACE_BITS'(1);
  end
  valid_line #(.CYCLES(FOLD)) valid (.clk, .reset, .in(merged_valid), .out(out_valid));
  delay #(.WIDTH(1), .CYCLES(FOLD)) last_delay (.clk, .in(merged_last), .out(out_last));
  for (genvar c = 0; c < COLUMNS; c++) begin : g_fold
    if (WORD == 64) begin : g_wide
      mac_fold_64 #(.LIMB_BITS(LIMB_BITS)) fold (
          .clk,
          .field,
          .sums(merged[SUMS*c+:SUMS]),
          .addend(addend_row[WORD*c+:WORD]),
          .out(out[WORD*c+:WORD])
      );
    end else begin : g_narrow
      mac_fold_32 fold (
          .clk,
          .sums(merged[SUMS*c+:SUMS]),
          .addend(addend_row[WORD*c+:WORD]),
          .out(out[WORD*c+:WORD])
      );
    end
  end
`ifndef SYNTHESIS
  // The contract on taps, for a pass that breaks it gives wrong results without any other sign.
  localparam int MOST = WORD == 64 ? 1 << (30 - LIMB_BITS) : 0;
  int taps;
  always_ff @(posedge clk) begin
    if (reset | (in_valid & in_last)) taps <= 0;
    else if (in_valid) taps <= taps + 1;
    if (~reset & in_valid) begin
      if (in_last & taps + 1 < ROWS) $fatal(1, "mac_tile: a pass of %0d taps, fewer than its %0d rows", taps + 1, ROWS);
      if (MOST != 0 & taps >= MOST) $fatal(1, "mac_tile: a pass of more than %0d taps", MOST);
    end
  end
`endif
  if (WORD == 32) begin : g_unused
    logic unused;
    assign unused = field;
  end
endmodule
