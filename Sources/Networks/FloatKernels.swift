import Rings

/// The plain loops behind ``FloatExecutor``.
enum FloatKernels {
  /// One group's columns at a time (`taps x pixels`), then rows of the output as sums of weighted rows of columns.
  static func convolution(_ input: [Float], _ geometry: LinearGeometry, _ weights: [Float], _ bias: [Float]) -> [Float]
  {
    let pixels = geometry.outHeight * geometry.outWidth
    let taps = geometry.tapsPerOutput
    let outPerGroup = geometry.outChannels / geometry.groups
    var output = [Float](repeating: 0, count: geometry.outputShape.count)
    var columns = [Float](repeating: 0, count: taps * pixels)
    for group in 0..<geometry.groups {
      gather(input, geometry, group, &columns)
      output.withUnsafeMutableBufferPointer { out in
        columns.withUnsafeBufferPointer { columns in
          let (rows, columns) = (out.baseAddress! + group * outPerGroup * pixels, columns.baseAddress!)
          if !bias.isEmpty {
            for local in 0..<outPerGroup {
              (rows + local * pixels).update(repeating: bias[group * outPerGroup + local], count: pixels)
            }
          }
          weights.withUnsafeBufferPointer { weights in
            multiply(
              weights.baseAddress! + group * outPerGroup * taps, outputs: outPerGroup, taps: taps, columns,
              pixels: pixels, into: rows)
          }
        }
      }
    }
    return output
  }

  /// rows += weights * columns, in tiles that stay in caches: four taps at a time for each row of a tile.
  private static func multiply(
    _ weights: UnsafePointer<Float>, outputs: Int, taps: Int, _ columns: UnsafePointer<Float>, pixels: Int,
    into rows: UnsafeMutablePointer<Float>
  ) {
    let (tile, lanes) = (512, 8)
    for start in stride(from: 0, to: pixels, by: tile) {
      let count = min(tile, pixels - start)
      let whole = count / lanes * lanes
      for first in stride(from: 0, to: taps, by: 4) {
        // Taps beyond the last stand for it with a weight of zero.
        let places = (0..<4).map { columns + min(first + $0, taps - 1) * pixels + start }
        for output in 0..<outputs {
          let weight = weights + output * taps + first
          let w = (0..<4).map { first + $0 < taps ? weight[$0] : 0 }
          let row = rows + output * pixels + start
          let (a, b, c, d) = (places[0], places[1], places[2], places[3])
          let (wa, wb, wc, wd) = (w[0], w[1], w[2], w[3])
          for pixel in stride(from: 0, to: whole, by: lanes) {
            var sum = lane(UnsafePointer(row), pixel)
            sum += wa * lane(a, pixel)
            sum += wb * lane(b, pixel)
            sum += wc * lane(c, pixel)
            sum += wd * lane(d, pixel)
            UnsafeMutableRawPointer(row + pixel).storeBytes(of: sum, as: SIMD8<Float>.self)
          }
          for pixel in whole..<count {
            row[pixel] += wa * a[pixel] + wb * b[pixel] + wc * c[pixel] + wd * d[pixel]
          }
        }
      }
    }
  }

  private static func lane(_ words: UnsafePointer<Float>, _ index: Int) -> SIMD8<Float> {
    UnsafeRawPointer(words + index).loadUnaligned(as: SIMD8<Float>.self)
  }

  private static func gather(_ input: [Float], _ g: LinearGeometry, _ group: Int, _ columns: inout [Float]) {
    let inPerGroup = g.inChannels / g.groups
    input.withUnsafeBufferPointer { input in
      columns.withUnsafeMutableBufferPointer { columns in
        var target = columns.baseAddress!
        for channel in group * inPerGroup..<(group + 1) * inPerGroup {
          let image = input.baseAddress! + channel * g.inHeight * g.inWidth
          for ky in 0..<g.kernelHeight {
            for kx in 0..<g.kernelWidth {
              for y in 0..<g.outHeight {
                let row = y * g.strideHeight + ky - g.padTop
                for x in 0..<g.outWidth {
                  let column = x * g.strideWidth + kx - g.padLeft
                  let inside = row >= 0 && row < g.inHeight && column >= 0 && column < g.inWidth
                  target[x] = inside ? image[row * g.inWidth + column] : 0
                }
                target += g.outWidth
              }
            }
          }
        }
      }
    }
  }

  static func linear(_ input: [Float], _ weights: [Float], _ bias: [Float], _ outputs: Int) -> [Float] {
    let inputs = input.count
    return input.withUnsafeBufferPointer { x in
      weights.withUnsafeBufferPointer { w in
        (0..<outputs).map { output in
          let row = w.baseAddress! + output * inputs
          var lanes = SIMD8<Float>.zero
          var index = 0
          while index + 8 <= inputs {
            for lane in 0..<8 { lanes[lane] += row[index + lane] * x[index + lane] }
            index += 8
          }
          var sum = lanes.sum()
          while index < inputs {
            sum += row[index] * x[index]
            index += 1
          }
          return sum + (bias.isEmpty ? 0 : bias[output])
        }
      }
    }
  }

  static func perChannel(_ input: [Float], _ shape: TensorShape, _ function: (Int, Float) -> Float) -> [Float] {
    let area = shape.height * shape.width
    var output = input
    output.withUnsafeMutableBufferPointer { out in
      for channel in 0..<shape.channels {
        for index in channel * area..<(channel + 1) * area { out[index] = function(channel, out[index]) }
      }
    }
    return output
  }

  static func maxPool(_ input: [Float], _ from: TensorShape, _ window: PoolingWindow) -> [Float] {
    var output: [Float] = []
    eachWindow(from, window) { _, _, start, rows, columns in
      var largest = -Float.infinity
      for row in 0..<rows.count {
        for column in 0..<columns.count {
          largest = max(largest, input[start + row * rows.step * from.width + column * columns.step])
        }
      }
      output.append(largest)
    }
    return output
  }

  static func averagePool(_ input: [Float], _ from: TensorShape, _ windows: AveragingWindow) -> [Float] {
    let counts = windows.counts(on: from)
    var output: [Float] = []
    eachWindow(from, windows.window) { y, x, start, rows, columns in
      var sum: Float = 0
      for row in 0..<rows.count {
        for column in 0..<columns.count { sum += input[start + row * rows.step * from.width + column * columns.step] }
      }
      output.append(sum / Float(counts.rows[y] * counts.columns[x]))
    }
    return output
  }

  /// Visits windows in the order of results: their row and column, the place of their first pixel, and their pixels.
  private static func eachWindow(
    _ from: TensorShape, _ window: PoolingWindow,
    _ body: (_ y: Int, _ x: Int, _ start: Int, _ rows: PoolingAxis.Span, _ columns: PoolingAxis.Span) -> Void
  ) {
    let (rows, columns) = (window.rows.spans(on: from.height), window.columns.spans(on: from.width))
    for channel in 0..<from.channels {
      for y in rows.indices {
        for x in columns.indices {
          body(y, x, (channel * from.height + rows[y].first) * from.width + columns[x].first, rows[y], columns[x])
        }
      }
    }
  }

  static func subsamplePad(
    _ input: [Float], _ from: TensorShape, _ to: TensorShape, stride: Int, before: Int
  ) -> [Float] {
    var output = [Float](repeating: 0, count: to.count)
    for channel in 0..<from.channels {
      for y in 0..<to.height {
        for x in 0..<to.width {
          output[((channel + before) * to.height + y) * to.width + x] =
            input[(channel * from.height + y * stride) * from.width + x * stride]
        }
      }
    }
    return output
  }
}
