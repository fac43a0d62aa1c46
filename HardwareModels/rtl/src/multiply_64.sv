// a b as 128 bits. Latency 8, a new product each cycle, 12 DSP slices.
//
// Digits of 24 bits by digits of 17 bits fit the unsigned part of both the DSP48E1 (25 x 18 signed) and the DSP48E2 (27 x 18). A
// row is one digit of a by all of b: four slices in a chain, each adding what the one before holds above its 17 low bits, which
// is the shift that the cascade P -> P does without fabric. Three rows are added in fabric.
module multiply_64 (
    input  logic         clk,
    input  logic [ 63:0] a,
    input  logic [ 63:0] b,
    output logic [127:0] product
);
  localparam int ROWS = 3, COLUMNS = 4;
  // Slice j of a chain works j cycles after the first.
  logic [67:0] b_wide;
  logic [71:0] a_wide;
  assign b_wide = {4'b0, b};
  assign a_wide = {8'b0, a};

  logic [87:0] row[ROWS];
  for (genvar i = 0; i < ROWS; i++) begin : g_row
    logic [47:0] chain[COLUMNS];
    for (genvar j = 0; j < COLUMNS; j++) begin : g_slice
      logic [23:0] a_late, a_held;
      logic [16:0] b_late, b_held;
      logic [40:0] partial;
      delay #(.WIDTH(24), .CYCLES(j)) a_delay (.clk, .in(a_wide[24*i+:24]), .out(a_late));
      delay #(.WIDTH(17), .CYCLES(j)) b_delay (.clk, .in(b_wide[17*j+:17]), .out(b_late));
      always_ff @(posedge clk) begin
        a_held  <= a_late;
        b_held  <= b_late;
        partial <= a_held * b_held;
      end
      if (j == 0) begin : g_first
        always_ff @(posedge clk) chain[j] <= {7'b0, partial};
      end else begin : g_next
        always_ff @(posedge clk) chain[j] <= {7'b0, partial} + (chain[j-1] >> 17);
      end
      if (j < COLUMNS - 1) begin : g_low
        delay #(.WIDTH(17), .CYCLES(COLUMNS - 1 - j)) low_delay (.clk, .in(chain[j][16:0]), .out(row[i][17*j+:17]));
      end else begin : g_high
        assign row[i][51+:37] = chain[j][36:0];
      end
    end
  end

  logic [88:0] sum;
  logic [23:0] low_late;
  logic [79:0] last_late;
  always_ff @(posedge clk) begin
    sum       <= {25'b0, row[0][87:24]} + {1'b0, row[1]};
    low_late  <= row[0][23:0];
    last_late <= row[2][79:0];
    product   <= {{15'b0, sum[88:24]} + last_late, sum[23:0], low_late};
  end
endmodule
