// The same generator as prg_pipelined in a tenth of the area and of the speed: one round unit a lane, used ten times, and a key
// schedule that runs along with it, shared by the lanes. For places that draw little: choice bits, seeds.
//
// Requests as in prg_pipelined. Initiation interval 10; cycles of a request: 10 count + 3, and 4 more for FIELD. A request that
// waits follows without a gap. key_load takes a key while nothing is under way; it needs no time of its own.
module prg_iterated #(
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

  // A block enters when the one before is in its last round: `start` and `last` coincide in a stream.
  logic [31:0] left;
  logic [3:0] round;
  logic keyed, active, accept, start, last;
  assign last = round == 4'(ROUNDS);
  assign start = active & (round == 0 | last);
  assign in_ready = keyed & (~active | start & left == 1);
  assign accept = in_valid & in_ready;
  always_ff @(posedge clk) begin
    if (reset) begin
      keyed  <= 1'b0;
      active <= 1'b0;
      round  <= 4'd0;
    end else begin
      if (key_load) keyed <= 1'b1;
      if (accept) active <= 1'b1;
      else if (start & left == 1) active <= 1'b0;
      if (start) round <= 4'd1;
      else if (last) round <= 4'd0;
      else if (round != 0) round <= round + 4'd1;
    end
    if (accept) left <= count;
    else if (start) left <= left - 32'd1;
  end
  valid_line #(.CYCLES(FIELD != 0 ? 5 : 1)) valid (.clk, .reset, .in(last), .out(out_valid));

  logic [127:0] key_held, round_key, next_key;
  logic [7:0] round_constant;
  aes_key_step step (
      .key(start ? key_held : round_key),
      .constant(start ? 8'h01 : round_constant),
      .next(next_key)
  );
  always_ff @(posedge clk) begin
    if (key_load) key_held <= key;
    round_key <= next_key;
    round_constant <= start ? 8'h02 : {round_constant[6:0], 1'b0} ^ (round_constant[7] ? 8'h1b : 8'h00);
  end

  for (genvar i = 0; i < LANES; i++) begin : g_lane
    logic [127:0] counter, state, out, block;
    aes_round #(.LAST(2)) unit (.last, .state, .key(round_key), .out);
    always_ff @(posedge clk) begin
      if (accept) counter <= first + 128'(i);
      else if (start) counter <= counter + 128'(LANES);
      state <= start ? counter ^ key_held : out;
      block <= out;
    end
    prg_words #(.FIELD(FIELD)) convert (.clk, .block, .words(words[128*i+:128]));
  end
endmodule
