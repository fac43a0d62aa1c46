/// Sums over contiguous floats: eight lanes of float32 over blocks, blocks in float64, always in the same order.
enum VectorSums {
  private static let block = 2048

  /// Calls `body(start, count)` for every block and adds the results.
  @inline(__always)
  private static func blocks(_ count: Int, _ body: (Int, Int) -> Float) -> Double {
    var total = 0.0
    var start = 0
    while start < count {
      let size = min(block, count - start)
      total += Double(body(start, size))
      start += size
    }
    return total
  }

  @inline(__always)
  private static func load(_ pointer: UnsafePointer<Float>, _ index: Int) -> SIMD8<Float> {
    UnsafeRawPointer(pointer + index).loadUnaligned(as: SIMD8<Float>.self)
  }

  /// Sum of `x`.
  static func sum(_ x: UnsafePointer<Float>, _ count: Int) -> Double {
    blocks(count) { start, size in
      var lanes = SIMD8<Float>(repeating: 0)
      var index = start
      while index + 8 <= start + size {
        lanes += load(x, index)
        index += 8
      }
      var rest = lanes.sum()
      while index < start + size {
        rest += x[index]
        index += 1
      }
      return rest
    }
  }

  /// Sum of `(x - center)^2`.
  static func squares(_ x: UnsafePointer<Float>, center: Float, _ count: Int) -> Double {
    blocks(count) { start, size in
      var lanes = SIMD8<Float>(repeating: 0)
      var index = start
      while index + 8 <= start + size {
        let difference = load(x, index) - center
        lanes += difference * difference
        index += 8
      }
      var rest = lanes.sum()
      while index < start + size {
        rest += (x[index] - center) * (x[index] - center)
        index += 1
      }
      return rest
    }
  }

  /// Sum of `(x - center) y`.
  static func dot(_ x: UnsafePointer<Float>, center: Float, _ y: UnsafePointer<Float>, _ count: Int) -> Double {
    blocks(count) { start, size in
      var lanes = SIMD8<Float>(repeating: 0)
      var index = start
      while index + 8 <= start + size {
        lanes += (load(x, index) - center) * load(y, index)
        index += 8
      }
      var rest = lanes.sum()
      while index < start + size {
        rest += (x[index] - center) * y[index]
        index += 1
      }
      return rest
    }
  }

  /// Calls `body(mapped, start, count)` for every block of `map(x)` and adds the results.
  @inline(__always)
  private static func mapped(
    _ x: UnsafePointer<Float>, _ count: Int, _ map: (Float) -> Float,
    _ body: (UnsafePointer<Float>, Int, Int) -> Double
  ) -> Double {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: block) { buffer in
      let values = buffer.baseAddress!
      var total = 0.0
      var start = 0
      while start < count {
        let size = min(block, count - start)
        for index in 0..<size { values[index] = map(x[start + index]) }
        total += body(values, start, size)
        start += size
      }
      return total
    }
  }

  /// Sum of `min(max(x, 0), upper) y`.
  static func clippedDot(_ x: UnsafePointer<Float>, upper: Float, _ y: UnsafePointer<Float>, _ count: Int) -> Double {
    mapped(x, count, { min(max($0, 0), upper) }) { dot($0, center: 0, y + $1, $2) }
  }

  /// Sum of `max(|x| - bound, 0)^2`.
  static func excessSquares(_ x: UnsafePointer<Float>, bound: Float, _ count: Int) -> Double {
    mapped(x, count, { max($0 - bound, 0) + min($0 + bound, 0) }) { values, _, size in
      squares(values, center: 0, size)
    }
  }

  /// Sum of `x^2 y`.
  static func squareDot(_ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>, _ count: Int) -> Double {
    blocks(count) { start, size in
      var lanes = SIMD8<Float>(repeating: 0)
      var index = start
      while index + 8 <= start + size {
        let value = load(x, index)
        lanes += value * value * load(y, index)
        index += 8
      }
      var rest = lanes.sum()
      while index < start + size {
        rest += x[index] * x[index] * y[index]
        index += 1
      }
      return rest
    }
  }
}
