import Rings

/// Copies between pictures and the matrix `[taps, output pixels]` of the windows of some output rows, for the channels
/// of one group. Output row `r` is row `r % outHeight` of sample `firstSample + r / outHeight`.
enum Windows {
  /// The part of an output row whose tap lies inside the picture, and the tap's column at output column 0.
  private struct Span {
    let first: Int
    let end: Int
    let origin: Int

    init(_ geometry: LinearGeometry, kernelColumn: Int) {
      origin = kernelColumn - geometry.padLeft
      let stride = geometry.strideWidth
      let low = origin >= 0 ? 0 : (-origin + stride - 1) / stride
      let reach = geometry.inWidth - 1 - origin
      let high = reach < 0 ? 0 : reach / stride + 1
      first = min(low, geometry.outWidth)
      end = max(first, min(high, geometry.outWidth))
    }
  }

  /// im2col.
  static func gather(
    _ geometry: LinearGeometry, from image: UnsafePointer<Float>, channelStride: Int, firstSample: Int, row: Int,
    rows: Int, into columns: UnsafeMutablePointer<Float>
  ) {
    let outWidth = geometry.outWidth
    let stride = geometry.strideWidth
    var target = columns
    for channel in 0..<geometry.inChannels / geometry.groups {
      for kernelRow in 0..<geometry.kernelHeight {
        for kernelColumn in 0..<geometry.kernelWidth {
          let span = Span(geometry, kernelColumn: kernelColumn)
          for index in row..<row + rows {
            let sample = firstSample + index / geometry.outHeight
            let inRow = index % geometry.outHeight * geometry.strideHeight - geometry.padTop + kernelRow
            if inRow < 0 || inRow >= geometry.inHeight {
              for column in 0..<outWidth { target[column] = 0 }
            } else {
              let source =
                image + channel * channelStride + (sample * geometry.inHeight + inRow) * geometry.inWidth + span.origin
              for column in 0..<span.first { target[column] = 0 }
              if stride == 1 {
                for column in span.first..<span.end { target[column] = source[column] }
              } else {
                for column in span.first..<span.end { target[column] = source[column * stride] }
              }
              for column in span.end..<outWidth { target[column] = 0 }
            }
            target += outWidth
          }
        }
      }
    }
  }

  /// col2im: adds every entry of the matrix to the pixel it came from.
  static func scatter(
    _ geometry: LinearGeometry, from columns: UnsafePointer<Float>, into image: UnsafeMutablePointer<Float>,
    channelStride: Int, firstSample: Int, row: Int, rows: Int
  ) {
    let outWidth = geometry.outWidth
    let stride = geometry.strideWidth
    var source = columns
    for channel in 0..<geometry.inChannels / geometry.groups {
      for kernelRow in 0..<geometry.kernelHeight {
        for kernelColumn in 0..<geometry.kernelWidth {
          let span = Span(geometry, kernelColumn: kernelColumn)
          for index in row..<row + rows {
            let sample = firstSample + index / geometry.outHeight
            let inRow = index % geometry.outHeight * geometry.strideHeight - geometry.padTop + kernelRow
            if inRow >= 0 && inRow < geometry.inHeight {
              let target =
                image + channel * channelStride + (sample * geometry.inHeight + inRow) * geometry.inWidth + span.origin
              if stride == 1 {
                for column in span.first..<span.end { target[column] += source[column] }
              } else {
                for column in span.first..<span.end { target[column * stride] += source[column] }
              }
            }
            source += outWidth
          }
        }
      }
    }
  }
}
