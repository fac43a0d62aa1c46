/// Operations that each party applies to its own share: linear with public coefficients, so the same code serves both
/// parties and both moduli. Samples are CHW, row-major; no output overlaps an input.
public enum LocalOperations {
  /// Sums over windows, zeros outside the picture; average pooling without its division.
  ///
  /// - Parameters:
  ///   - m: the modulus.
  ///   - input: `shape.count` reduced words.
  ///   - shape: shape of the input.
  ///   - window: fits the shape.
  ///   - balance: what each sum is multiplied by, where windows have different numbers of pixels.
  ///   - output: receives the words of the pooled shape.
  @inlinable
  public static func sumPool<M: Modulus>(
    _ m: M.Type, input: UnsafePointer<UInt64>, shape: TensorShape, window: PoolingWindow,
    balance: PoolingBalance? = nil,
    output: UnsafeMutablePointer<UInt64>
  ) {
    precondition(window.fits(shape), "the window does not fit the picture")
    let (rows, columns) = (window.rows.spans(on: shape.height), window.columns.spans(on: shape.width))
    let factors = balance?.factors(window, on: shape)
    var out = output
    for channel in 0..<shape.channels {
      let image = input + channel * shape.height * shape.width
      for y in 0..<rows.count {
        for x in 0..<columns.count {
          var sum: UInt64 = 0
          var line = image + rows[y].first * shape.width + columns[x].first
          for _ in 0..<rows[y].count {
            var column = 0
            for _ in 0..<columns[x].count {
              sum = M.add(sum, line[column])
              column += columns[x].step
            }
            line += rows[y].step * shape.width
          }
          out[x] = sum
        }
        if let factors {
          for x in 0..<columns.count { out[x] = M.multiply(out[x], factors.rows[y] * factors.columns[x]) }
        }
        out += columns.count
      }
    }
  }

  /// Sum over each channel; `shape.channels` output words.
  @inlinable
  public static func globalSumPool<M: Modulus>(
    _ m: M.Type, input: UnsafePointer<UInt64>, shape: TensorShape, output: UnsafeMutablePointer<UInt64>
  ) {
    let area = shape.height * shape.width
    for channel in 0..<shape.channels {
      let image = input + channel * area
      var sum: UInt64 = 0
      for place in 0..<area { sum = M.add(sum, image[place]) }
      output[channel] = sum
    }
  }

  /// output = a 2^shiftA + b 2^shiftB: a residual sum whose operands are aligned by exact left shifts of 0...63 bits.
  /// Here `output` may be `a` or `b`.
  @inlinable
  public static func add<M: Modulus>(
    _ m: M.Type, a: UnsafePointer<UInt64>, shiftA: Int = 0, b: UnsafePointer<UInt64>, shiftB: Int = 0, count: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    precondition((0..<64).contains(shiftA) && (0..<64).contains(shiftB), "shift out of range")
    if shiftA == 0 && shiftB == 0 {
      for place in 0..<count { output[place] = M.add(a[place], b[place]) }
    } else {
      for place in 0..<count {
        output[place] = M.add(M.shiftLeft(a[place], by: shiftA), M.shiftLeft(b[place], by: shiftB))
      }
    }
  }

  /// output = a 2^shift, an exact left shift of 0...63 bits: a part of a concatenation.
  @inlinable
  public static func shift<M: Modulus>(
    _ m: M.Type, input: UnsafePointer<UInt64>, by shift: Int, count: Int, output: UnsafeMutablePointer<UInt64>
  ) {
    precondition((0..<64).contains(shift), "shift out of range")
    guard shift > 0 else { return output.update(from: input, count: count) }
    for place in 0..<count { output[place] = M.shiftLeft(input[place], by: shift) }
  }

  /// Shape after ``subsamplePad(input:shape:stride:before:after:output:)``.
  public static func subsampledShape(_ shape: TensorShape, stride: Int, before: Int, after: Int) -> TensorShape {
    TensorShape(
      channels: shape.channels + before + after, height: (shape.height + stride - 1) / stride,
      width: (shape.width + stride - 1) / stride)
  }

  /// The parameter-free shortcut of residual networks (option A of He et al. 2016, section 4.2): every `stride`-th
  /// pixel of every `stride`-th row from the first on, and `before` and `after` channels of zeros around.
  ///
  /// It moves words only, and so does not depend on the modulus.
  public static func subsamplePad(
    input: UnsafePointer<UInt64>, shape: TensorShape, stride: Int, before: Int, after: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    precondition(stride > 0 && before >= 0 && after >= 0, "subsamplePad: parameter out of range")
    let result = subsampledShape(shape, stride: stride, before: before, after: after)
    let area = result.height * result.width
    output.update(repeating: 0, count: before * area)
    var out = output + before * area
    for channel in 0..<shape.channels {
      let image = input + channel * shape.height * shape.width
      for y in 0..<result.height {
        let row = image + y * stride * shape.width
        for x in 0..<result.width { out[x] = row[x * stride] }
        out += result.width
      }
    }
    out.update(repeating: 0, count: after * area)
  }

  /// The same values in another modulus: the representative nearest zero of each word, embedded.
  ///
  /// Where a and b are shares of x with a + b = x, so are the results, unless the centered representatives wrap: for a
  /// uniform b with probability |x|/m, m the smaller modulus.
  @inlinable
  public static func changeRing<M: Modulus>(
    from kind: ModulusKind, _ input: UnsafePointer<UInt64>, to m: M.Type, count: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    switch kind {
    case .field: for place in 0..<count { output[place] = M.reduce(signed: PrimeField.centered(input[place])) }
    case .word: for place in 0..<count { output[place] = M.reduce(signed: Word64.centered(input[place])) }
    }
  }
}
