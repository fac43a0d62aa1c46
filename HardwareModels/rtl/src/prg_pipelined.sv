// The project's generator (Sources/Randomness, StreamGenerator): AES-128 in counter mode, 128-bit big-endian counter, LANES blocks a
// cycle. A register behind each round. FIELD = 0 gives blocks as two words, FIELD = 1 elements of F_p (see prg_words).
//
// A request asks for `count` beats (at least one) of LANES blocks each, from block `first` of the stream on. Valid and ready; a
// request that waits follows without a gap. Cycles of a request: count + 12, and 4 more for FIELD. Initiation interval 1. Results are
// valid only: who requests has room for them, as a stall would have to hold a dozen blocks.
// key_load takes a key while nothing is under way, and makes its schedule in the 10 cycles after.
module prg_pipelined #(
    parameter int LANES = 1,
    parameter int FIELD = 0
) (
    input  logic                 clk,
    input  logic                 reset,
    input  logic                 key_load,
    input  logic [        127:0] key,
    input  logic                 in_valid,
    output logic                 in_ready,
    input  logic [        127:0] first,
    input  logic [         31:0] count,
    output logic                 out_valid,
    output logic [LANES*128-1:0] words
);
  localparam int ROUNDS = 10;

  // Round key i stands i places below the top, once all are there.
  logic [128*(ROUNDS+1)-1:0] keys;
  logic [127:0] next_key;
  logic [7:0] round_constant;
  logic [3:0] missing;
  logic keyed;
  aes_key_step step (.key(keys[127:0]), .constant(round_constant), .next(next_key));
  always_ff @(posedge clk) begin
    if (key_load) begin
      keys[127:0] <= key;
      round_constant <= 8'h01;
    end else if (missing != 0) begin
      keys <= {keys[128*ROUNDS-1:0], next_key};
      round_constant <= {round_constant[6:0], 1'b0} ^ (round_constant[7] ? 8'h1b : 8'h00);
    end
    if (reset) begin
      keyed   <= 1'b0;
      missing <= 4'd0;
    end else if (key_load) begin
      keyed   <= 1'b1;
      missing <= 4'(ROUNDS);
    end else if (missing != 0) begin
      missing <= missing - 4'd1;
    end
  end

  logic [31:0] left;
  logic active, accept;
  assign in_ready = keyed & (missing == 0) & (~active | left == 1);
  assign accept   = in_valid & in_ready;
  always_ff @(posedge clk) begin
    if (reset) active <= 1'b0;
    else if (accept) active <= 1'b1;
    else if (left == 1) active <= 1'b0;
    left <= accept ? count : left - 32'd1;
  end
  valid_line #(.CYCLES(FIELD != 0 ? ROUNDS + 5 : ROUNDS + 1)) valid (.clk, .reset, .in(active), .out(out_valid));

  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [127:0] counter;
    logic [128*(ROUNDS+1)-1:0] state;
    always_ff @(posedge clk) begin
      counter <= accept ? first + 128'(i) : counter + 128'(LANES);
      state[127:0] <= counter ^ keys[128*ROUNDS+:128];
    end
    for (genvar r = 1; r <= ROUNDS; r++) begin : g_round
      logic [127:0] out;
      aes_round #(.LAST(r == ROUNDS ? 1 : 0)) round (
          .last(1'b0),
          .state(state[128*(r-1)+:128]),
          .key(keys[128*(ROUNDS-r)+:128]),
          .out
      );
      always_ff @(posedge clk) state[128*r+:128] <= out;
    end
    prg_words #(.FIELD(FIELD)) convert (.clk, .block(state[128*ROUNDS+:128]), .words(words[128*i+:128]));
  end
endmodule
