// addend + the sum that a mac_cell_32 stands for, modulo 2^32. Latency 3. The addend belongs to the cycle after that of the sums.
(* keep_hierarchy *)
module mac_fold_32 (
    input  logic        clk,
    input  logic [54:0] sums,
    input  logic [31:0] addend,
    output logic [31:0] out
);
  logic [31:0] partial, masked;
  logic [7:0] top, top_late;
  always_ff @(posedge clk) begin
    partial  <= sums[31:0] + {sums[46:32], 17'b0};
    top      <= sums[54:47];
    masked   <= partial + addend;
    top_late <= top;
    out      <= {masked[31:24] + top_late, masked[23:0]};
  end
endmodule
