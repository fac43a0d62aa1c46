/// Operations that each party applies to its own share: linear with public coefficients, so the same code serves both
/// parties and both moduli. Samples are CHW, row-major; no output overlaps an input.
public enum LocalOperations {
  /// Shape of a pooled sample: floor((n + 2 padding - kernel) / stride) + 1 in each direction.
  @inlinable
  public static func pooledShape(_ shape: TensorShape, kernel: Int, stride: Int, padding: Int) -> TensorShape {
    TensorShape(
      channels: shape.channels, height: (shape.height + 2 * padding - kernel) / stride + 1,
      width: (shape.width + 2 * padding - kernel) / stride + 1)
  }

  /// Sums over square windows, zeros outside the image; average pooling without its division.
  ///
  /// - Parameters:
  ///   - m: the modulus.
  ///   - input: `shape.count` reduced words.
  ///   - shape: shape of the input.
  ///   - kernel: rows and columns of the window, at least 1 and at most those of the padded input.
  ///   - stride: distance of neighbouring windows, at least 1.
  ///   - padding: rows and columns of zeros on each side, less than `kernel`.
  ///   - output: receives the words of ``pooledShape(_:kernel:stride:padding:)``.
  @inlinable
  public static func sumPool<M: Modulus>(
    _ m: M.Type, input: UnsafePointer<UInt64>, shape: TensorShape, kernel: Int, stride: Int, padding: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    let pooled = pooledShape(shape, kernel: kernel, stride: stride, padding: padding)
    precondition(kernel > 0 && stride > 0 && padding >= 0 && padding < kernel, "window out of range")
    precondition(pooled.height > 0 && pooled.width > 0, "the window exceeds the padded image")
    var out = output
    for channel in 0..<shape.channels {
      let image = input + channel * shape.height * shape.width
      for y in 0..<pooled.height {
        let top = max(y * stride - padding, 0)
        let bottom = min(y * stride - padding + kernel, shape.height)
        for x in 0..<pooled.width {
          let left = max(x * stride - padding, 0)
          let right = min(x * stride - padding + kernel, shape.width)
          var sum: UInt64 = 0
          var row = top
          while row < bottom {
            var column = left
            while column < right {
              sum = M.add(sum, image[row * shape.width + column])
              column += 1
            }
            row += 1
          }
          out[x] = sum
        }
        out += pooled.width
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
