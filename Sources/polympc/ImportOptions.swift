import ArgumentParser
import Foundation
import Networks
import Programs

/// Numbers between commas.
struct IntegerList: ExpressibleByArgument {
  var values: [Int]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    guard !parts.isEmpty, !parts.contains(nil) else { return nil }
    values = parts.compactMap { $0 }
  }
}

/// Real numbers between commas.
struct NumberList: ExpressibleByArgument {
  var values: [Float]

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false).map { Float($0) }
    guard !parts.isEmpty, parts.allSatisfy({ $0?.isFinite ?? false }) else { return nil }
    values = parts.compactMap { $0 }
  }
}

/// How raw values become a network's input.
struct NormalizationOptions: ParsableArguments {
  @Option(help: "Greatest raw value, such as 255; raw values are divided by it.")
  var pixelMaximum: Float?

  @Option(help: ArgumentHelp("What is subtracted then, for all channels or each.", valueName: "numbers"))
  var mean: NumberList?

  @Option(help: ArgumentHelp("What the difference is divided by.", valueName: "numbers"))
  var deviation: NumberList?

  func validate() throws {
    if pixelMaximum == nil, mean != nil || deviation != nil {
      throw ValidationError("--mean and --deviation need --pixel-maximum.")
    }
    if let pixelMaximum, !(pixelMaximum > 0 && pixelMaximum.isFinite) {
      throw ValidationError("--pixel-maximum is greater than 0.")
    }
    if let deviation, !deviation.values.allSatisfy({ $0 > 0 }) {
      throw ValidationError("--deviation is greater than 0.")
    }
  }

  /// Nil where no option is given.
  func normalization(channels: Int) throws -> InputNormalization? {
    guard let pixelMaximum else { return nil }
    func each(_ list: NumberList?, _ standard: Float, _ option: String) throws -> [Float] {
      guard let values = list?.values else { return [Float](repeating: standard, count: channels) }
      guard values.count == 1 || values.count == channels else {
        throw ValidationError("\(option) has \(values.count) numbers, and the network has \(channels) channels.")
      }
      return values.count == 1 ? [Float](repeating: values[0], count: channels) : values
    }
    return InputNormalization(
      pixelMaximum: pixelMaximum, mean: try each(mean, 0, "--mean"), deviation: try each(deviation, 1, "--deviation"))
  }
}

/// How a network is planned.
struct PlanningOptions: ParsableArguments {
  @Option(help: "Fraction bits of the input, 4 to 20.")
  var inputBits: Int?

  @Option(help: "Fraction bits of activations, 4 to 20.")
  var activationBits: Int?

  @Option(help: "Fraction bits of weights, 4 to 15.")
  var weightBits: Int?

  @Option(help: "Fraction bits of the output, 0 to 24.")
  var outputBits: Int?

  @Option(help: "What comparisons save: messages (the default) or bytes.")
  var comparisons: ComparisonPreference?

  @Option(help: "Fewest bits of comparisons, 4 to 64, beside what calibrated ranges ask for.")
  var comparisonBits: Int?

  @Option(
    help:
      "How layers before comparisons drop bits: automatic (the default; local or tracked), local, tracked or faithful.")
  var ringTruncation: RingTruncation?

  @Option(
    help: "What results will tell the data owner: scores, or label; a network that ends in ArgMax tells its label.")
  var reveal: Revelation?

  func applied(to options: PlannerOptions) -> PlannerOptions {
    var result = options
    result.inputBits = inputBits ?? result.inputBits
    result.activationBits = activationBits ?? result.activationBits
    result.weightBits = weightBits ?? result.weightBits
    result.outputBits = outputBits ?? result.outputBits
    result.comparisons = comparisons ?? result.comparisons
    result.comparisonBits = comparisonBits ?? result.comparisonBits
    result.ringTruncation = ringTruncation ?? result.ringTruncation
    result.reveals = reveal ?? result.reveals
    return result
  }
}
