import Rings
import Testing

@Suite("Windows of poolings")
struct PoolingWindowTests {
  private func axis(_ generator: inout SeededGenerator) -> PoolingAxis {
    func next(_ range: ClosedRange<Int>) -> Int { range.lowerBound + Int(generator.next() % UInt64(range.count)) }
    var axis = PoolingAxis(kernel: next(1...5), stride: next(1...4), dilation: next(1...3))
    (axis.before, axis.behind) = (next(0...axis.reach - 1), next(0...axis.reach - 1))
    axis.overhang = next(0...axis.stride - 1)
    return axis
  }

  /// Places of all taps, in the picture or not.
  private func taps(_ axis: PoolingAxis, _ window: Int) -> [Int] {
    (0..<axis.kernel).map { window * axis.stride + $0 * axis.dilation - axis.before }
  }

  @Test("Pixels of every window, by definition", arguments: 0..<400 as Range<UInt64>)
  func spans(seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let axis = axis(&generator)
    let side = 1 + Int(generator.next() % 12)
    guard axis.fits(side) else { return }
    let all = (0..<axis.windows(on: side)).map { taps(axis, $0) }
    // Nothing lies behind the padding and the overhang, and one window more would.
    let end = side + axis.behind + axis.overhang
    #expect(all.allSatisfy { $0.last! < end } && taps(axis, all.count).last! >= end)
    for (window, taps) in all.enumerated() {
      let inside = taps.filter { (0..<side).contains($0) }
      let span = axis.span(of: window, on: side)
      #expect(span.count == inside.count && (inside.isEmpty || Array(span.places) == inside))
      #expect(axis.counted(window, on: side, padding: false) == inside.count)
      let padded = taps.count { (-axis.before..<side + axis.behind).contains($0) }
      #expect(axis.counted(window, on: side, padding: true) == padded)
    }
    #expect(axis.meetsPicture(side) == all.allSatisfy { $0.contains { (0..<side).contains($0) } })
  }

  @Test("Sizes out of range do not fit, and overflow nothing")
  func range() {
    for axis in [
      PoolingAxis(kernel: 0), PoolingAxis(kernel: 2, stride: 0), PoolingAxis(kernel: 2, dilation: 0),
      PoolingAxis(kernel: 2, before: 2), PoolingAxis(kernel: 2, behind: -1), PoolingAxis(kernel: 2, overhang: 1),
      PoolingAxis(kernel: 5000), PoolingAxis(kernel: 3, dilation: 3000), PoolingAxis(kernel: 7),
      PoolingAxis(kernel: .max, dilation: .max), PoolingAxis(kernel: .min),
    ] { #expect(!axis.fits(6)) }
    #expect(PoolingAxis(kernel: 3, stride: 2, dilation: 2, before: 4, behind: 4, overhang: 1).fits(6))
  }

  private func check<M: Modulus>(_ m: M.Type, seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let shape = TensorShape(
      channels: 2, height: 1 + Int(generator.next() % 9), width: 1 + Int(generator.next() % 9))
    let window = PoolingWindow(rows: axis(&generator), columns: axis(&generator))
    let input = (0..<shape.count).map { _ in word(M.kind, &generator) }
    guard window.fits(shape) else { return }
    let pooled = window.pooled(shape)
    for counts in [nil, false, true] as [Bool?] {
      let balance = counts.map { PoolingBalance(window, on: shape, countsPadding: $0) }
      if let balance, !balance.isValid(window, on: shape) { continue }
      let output = SecretWords(zeros: pooled.count)
      LocalOperations.sumPool(
        m, input: input, shape: shape, window: window, balance: balance, output: output.pointer)
      var expected: [UInt64] = []
      for channel in 0..<2 {
        for y in 0..<pooled.height {
          for x in 0..<pooled.width {
            var sum: UInt64 = 0
            for row in taps(window.rows, y) where (0..<shape.height).contains(row) {
              for column in taps(window.columns, x) where (0..<shape.width).contains(column) {
                sum = slowAdd(M.kind, sum, input[(channel * shape.height + row) * shape.width + column])
              }
            }
            if let balance {
              func counted(_ axis: PoolingAxis, _ index: Int, _ side: Int) -> Int {
                let range = balance.countsPadding ? -axis.before..<side + axis.behind : 0..<side
                return taps(axis, index).count { range.contains($0) }
              }
              let (rows, columns) = (counted(window.rows, y, shape.height), counted(window.columns, x, shape.width))
              // Exact: sides of at most 9 pixels have a common multiple below the limit.
              #expect(balance.rows % rows == 0 && balance.columns % columns == 0)
              sum = slowMultiply(M.kind, sum, UInt64(balance.rows / rows * (balance.columns / columns)))
            }
            expected.append(sum)
          }
        }
      }
      #expect(output.array() == expected)
      if let balance { #expect(balance.distortion(window, on: shape) == 0) }
    }
  }

  @Test("Sums and balanced sums over windows of any form, in both rings", arguments: 0..<200 as Range<UInt64>)
  func sums(seed: UInt64) {
    check(PrimeField.self, seed: seed)
    check(Word64.self, seed: seed)
  }

  @Test("Borders of a 3x3 window have factors 9, 6 and 4 over 36, and of a large one nearly the right ones")
  func balance() {
    let shape = TensorShape(channels: 1, height: 5, width: 5)
    let window = PoolingWindow(kernel: 3, stride: 1, padding: 1)
    let balance = PoolingBalance(window, on: shape, countsPadding: false)
    #expect(balance == PoolingBalance(countsPadding: false, rows: 6, columns: 6) && balance.divisor == 36)
    let (rows, columns) = balance.factors(window, on: shape)
    #expect(rows == [3, 2, 2, 2, 3] && columns == rows)
    #expect(PoolingBalance(window, on: shape, countsPadding: true).divisor == 9)

    let large = PoolingWindow(kernel: 15, stride: 1, padding: 7)
    let picture = TensorShape(channels: 1, height: 40, width: 40)
    let near = PoolingBalance(large, on: picture, countsPadding: false)
    #expect(near.rows == 15 << PoolingBalance.factorBits && near.isValid(large, on: picture))
    let distortion = near.distortion(large, on: picture)
    #expect(distortion > 0 && distortion < 2.01 / Double(1 << (PoolingBalance.factorBits + 1)))
    #expect(!PoolingBalance(countsPadding: false, rows: 0, columns: 1).isValid(large, on: picture))
    #expect(
      !PoolingBalance(countsPadding: false, rows: 1, columns: PoolingBalance.limit + 1).isValid(large, on: picture))
  }
}
