public import Rings

/// What the data owner needs to know to hand in a sample and to read the result. Public.
public struct InputSpec: Codable, Hashable, Sendable {
  /// Shape of one sample.
  public var shape: TensorShape
  /// How raw values become the network's input, and their range.
  public var normalization: InputNormalization
  /// Fraction bits of the input's integers.
  public var fractionBits: Int
  /// Fraction bits of the output's integers: negative where they count in larger units than ones.
  public var outputFractionBits: Int
  /// Names of the output's elements; may be empty.
  public var classes: [String]
  /// What the data owner does to the output; nil where the values are wanted as they are.
  public var finish: OutputFinish?

  /// Describes an input.
  public init(
    shape: TensorShape, normalization: InputNormalization, fractionBits: Int, outputFractionBits: Int,
    classes: [String],
    finish: OutputFinish? = nil
  ) {
    self.shape = shape
    self.normalization = normalization
    self.fractionBits = fractionBits
    self.outputFractionBits = outputFractionBits
    self.classes = classes
    self.finish = finish
  }

  /// The normalised values of one raw sample, CHW.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the number of values is wrong, or a value is not finite or
  ///   outside the raw range. The message names the place, never the value.
  public func normalize(raw: [Float]) throws -> [Float] {
    try Self.check(count: raw.count, shape)
    let area = shape.height * shape.width
    var result = raw
    for index in raw.indices {
      let value = raw[index]
      guard value.isFinite else { throw NetworksError.invalidInput(reason: "value \(index) is not a finite number") }
      guard value >= normalization.pixelMinimum, value <= normalization.pixelMaximum else {
        throw NetworksError.invalidInput(
          reason: "value \(index) lies outside \(normalization.pixelMinimum)...\(normalization.pixelMaximum)")
      }
      result[index] = normalization.apply(value, channel: index / area)
    }
    return result
  }

  /// The integers of one raw sample: normalised, times `2^fractionBits`, rounded to nearest.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)``
  public func quantize(raw: [Float]) throws -> [Int64] { try quantize(normalized: normalize(raw: raw)) }

  /// The integers of one normalised sample.
  ///
  /// - Throws: ``NetworksError/invalidInput(reason:)`` where the number of values is wrong, or a value is not finite or
  ///   outside what the normalisation can give.
  public func quantize(normalized: [Float]) throws -> [Int64] {
    try Self.check(count: normalized.count, shape)
    let scale = Scalar.power(fractionBits)
    let limit = normalization.maximumMagnitude * (1 + 1e-6)
    return try normalized.indices.map { index in
      let value = Double(normalized[index])
      guard value.isFinite else { throw NetworksError.invalidInput(reason: "value \(index) is not a finite number") }
      guard abs(value) <= limit else {
        throw NetworksError.invalidInput(reason: "value \(index) lies outside the range of normalised values")
      }
      return Int64((value * scale).rounded())
    }
  }

  /// Real numbers of the output's integers.
  public func dequantize(output: [Int64]) -> [Double] {
    let scale = Scalar.power(-outputFractionBits)
    return output.map { Double($0) * scale }
  }

  static func check(count: Int, _ shape: TensorShape) throws {
    guard count == shape.count else {
      throw NetworksError.invalidInput(
        reason: "it has \(count) values, and the network reads \(Graph.text(shape)) = \(shape.count)")
    }
  }

  /// Checks a description that may come from a file or a peer.
  ///
  /// - Throws: ``NetworksError``
  func validate() throws {
    let numbers =
      normalization.mean + normalization.deviation + [normalization.pixelMinimum, normalization.pixelMaximum]
    guard normalization.mean.count == shape.channels, normalization.deviation.count == shape.channels,
      numbers.allSatisfy(\.isFinite), normalization.deviation.allSatisfy({ $0 > 0 }), normalization.pixelMaximum > 0,
      normalization.pixelMinimum < normalization.pixelMaximum, (0...24).contains(fractionBits),
      (-128...128).contains(outputFractionBits), normalization.maximumMagnitude < 0x1p24
    else { throw NetworksError.malformed(what: "plan", reason: "its description of the input is invalid") }
  }
}
