extension KernelModel {
  /// Cycles that `lanes` lanes take for `operations` operations (at least one): from the first start to the last result, both
  /// counted. depth + ceil(operations / (lanes * width)) * interval, which simulations of the Verilog kernels equal.
  public func cycles(operations: Int, lanes: Int) -> Int {
    precondition(operations > 0 && lanes > 0, "cycles are those of some operations on some lanes")
    let starts = (operations - 1) / (lanes * Int(width.value)) + 1
    return Int(depth.value) + starts * Int(interval.value)
  }
}
