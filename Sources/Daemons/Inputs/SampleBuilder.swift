import Networks
import Rings

/// What all readers share: the shape wanted, the range of raw values, and the checks of both.
struct SampleBuilder {
  let source: String
  let shape: TensorShape
  let normalization: InputNormalization

  func refuse(_ reason: String, index: Int? = nil) -> DaemonsError {
    .input(source: name(index), reason: reason)
  }

  private func name(_ index: Int?) -> String { index.map { "\(source)[\($0)]" } ?? source }

  /// The selection, checked against the number of samples that the file has.
  func indices(_ selection: Range<Int>?, available: Int) throws -> Range<Int> {
    guard let selection else { return 0..<available }
    guard selection.lowerBound >= 0, selection.upperBound <= available, !selection.isEmpty else {
      throw refuse("it has \(available) samples, and \(selection.lowerBound)..<\(selection.upperBound) was asked for")
    }
    return selection
  }

  /// A sample of raw values in the network's units.
  func sample(raw values: [Float], index: Int?, label: Int? = nil) throws -> InputSample {
    let range = normalization.pixelMinimum...normalization.pixelMaximum
    for (position, value) in values.enumerated() {
      guard value.isFinite else {
        throw refuse("the value at position \(position) is not a finite number", index: index)
      }
      guard range.contains(value) else {
        throw refuse(
          "the value at position \(position) lies outside \(range.lowerBound)...\(range.upperBound), the network's range",
          index: index)
      }
    }
    return InputSample(values: values, source: name(index), label: label)
  }

  /// A sample of fractions 0...1 of the network's full scale; where raw values are the network's input, of these.
  func sample(fractions values: [Float], index: Int?) throws -> InputSample {
    if normalization.isIdentity { return try sample(raw: values, index: index) }
    let allowed = normalization.pixelMinimum / normalization.pixelMaximum...1
    for (position, value) in values.enumerated() where !(value.isFinite && allowed.contains(value)) {
      throw refuse(
        value.isFinite
          ? "the value at position \(position) lies outside \(allowed.lowerBound)...1; floating-point inputs are "
            + "fractions of full scale"
          : "the value at position \(position) is not a finite number", index: index)
    }
    return InputSample(values: values.map { $0 * normalization.pixelMaximum }, source: name(index))
  }
}
