import ArgumentParser
import Daemons
import Networks
import Rings

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Hold a model's fixed-point twin against its float network on samples.",
    discussion: """
      The twin computes in plain integers what the two parties compute together. The
      error is the largest difference of any output, as a share of the range that the
      float network's outputs span over all samples (of their magnitude, where all are
      alike). The command fails (exit code 1) where it exceeds --threshold, where more
      labels change than --allow-label-changes says, or where a value leaves its planned
      range. Files are read as polympc infer reads them; a folder stands for the files
      in it.
      With --expected the twin is also held against outputs that another program, such
      as onnxruntime, made of the same samples, in their order.

      Examples:
        polympc check net.model --samples samples/
        polympc check net.model --samples a.npy b.npz c.pb --threshold 0.005 --json
        polympc check net.model --samples samples/ --expected outputs.npy
        polympc check net.model --random 16
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(parsing: .upToNextOption, help: ArgumentHelp("Files or folders with samples.", valueName: "path"))
  var samples: [String] = []

  @Option(help: ArgumentHelp("Samples of random numbers instead, for trying.", valueName: "count"))
  var random: Int?

  @Option(
    help: ArgumentHelp("Outputs of another program for the samples: a .npy, .npz or .pb file.", valueName: "file"))
  var expected: String?

  @Option(help: "Greatest error as a share of the range of the float network's outputs.")
  var threshold = 0.01

  @Option(help: "Labels that may change.")
  var allowLabelChanges = 0

  @Flag(help: "Print JSON.")
  var json = false

  private struct Account: Encodable {
    var samples: Int
    var labelChanges: Int
    var outOfRange: Int
    var maximumError: Double
    var relativeError: Double
    var logitRange: Double
    var errorBound: Double
    var threshold: Double
    var accepted: Bool
    /// Where samples have labels.
    var labelled: Int?
    var floatCorrect: Int?
    var fixedCorrect: Int?
    /// Where other outputs are given: the twin against them.
    var expectedError: Double?
    var expectedRelativeError: Double?
    var expectedLabelChanges: Int?
  }

  func validate() throws {
    if samples.isEmpty == (random == nil) { throw ValidationError("Give either --samples or --random.") }
    if expected != nil, random != nil { throw ValidationError("--expected goes with --samples.") }
    if let random, !(1...65536).contains(random) { throw ValidationError("--random is 1 to 65536.") }
    if !(threshold.isFinite && threshold >= 0) { throw ValidationError("--threshold is a number of at least 0.") }
    if allowLabelChanges < 0 { throw ValidationError("--allow-label-changes is at least 0.") }
  }

  func run() throws {
    try Failures.reporting {
      var file = try ModelFile.load(from: model)
      // The label is that of the very integers that scores are.
      file.options.reveals = .scores
      let found =
        try random.map { count in
          (0..<count).map {
            SampleFiles.Sample(values: Benchmarks.randomSample(file.graph, seed: UInt64($0) &+ 101), source: "random")
          }
        } ?? SampleFiles(samples).read(for: file.graph)
      let account = try compare(file, found, try expected.map { try Self.outputs($0, file.graph) })
      if json { try Output.json(account) } else { show(account) }
      if !account.accepted { throw ExitCode(1) }
    }
  }

  /// The rows of a file of outputs.
  private static func outputs(_ path: String, _ graph: Graph) throws -> [[Double]] {
    guard let shape = try graph.shapes().last.map({ TensorShape(vector: $0.count) }) else { return [] }
    if path.hasSuffix(".pb") {
      return try TensorSamples(path: path, shape: shape).samples.map { $0.values.map(Double.init) }
    }
    let any = InputNormalization.none(channels: shape.count, magnitude: 0x1p40)
    return try InputFile(path: path).samples(shape: shape, normalization: any).map { $0.values.map(Double.init) }
  }

  private func compare(
    _ file: ModelFile, _ samples: [SampleFiles.Sample], _ expected: [[Double]]?
  ) throws -> Account {
    if let expected, expected.count != samples.count {
      throw DaemonsError.input(
        source: self.expected ?? "", reason: "it has \(expected.count) outputs, and there are \(samples.count) samples")
    }
    let comparison = try TwinComparison(file)
    let progress = ProgressLine()
    defer { progress.clear() }
    var account = Account(
      samples: samples.count, labelChanges: 0, outOfRange: 0, maximumError: 0, relativeError: 0, logitRange: 0,
      errorBound: comparison.planned.details.last!.errorBound, threshold: threshold, accepted: false)
    var (low, high) = (Double.infinity, -Double.infinity)
    var scores: [[Double]] = []
    for (index, sample) in samples.enumerated() {
      let outcome = try comparison.outcome(of: sample.values)
      if outcome.floatLabel != outcome.fixedLabel { account.labelChanges += 1 }
      account.outOfRange += outcome.outOfRange
      if expected != nil { scores.append(comparison.planned.plan.finished(outcome.scores)) }
      account.maximumError = max(account.maximumError, outcome.largestError)
      (low, high) = (min(low, outcome.range.lowerBound), max(high, outcome.range.upperBound))
      if let wanted = sample.label {
        account.labelled = (account.labelled ?? 0) + 1
        account.floatCorrect = (account.floatCorrect ?? 0) + (outcome.floatLabel == wanted ? 1 : 0)
        account.fixedCorrect = (account.fixedCorrect ?? 0) + (outcome.fixedLabel == wanted ? 1 : 0)
      }
      progress.show("\(index + 1) of \(samples.count)")
    }
    if let expected { compare(scores, expected, &account) }
    account.logitRange = max(high - low, 0)
    account.relativeError = Self.share(account.maximumError, low, high)
    let others = account.expectedRelativeError ?? 0
    account.accepted =
      others <= threshold && (account.expectedLabelChanges ?? 0) <= allowLabelChanges
      && account.relativeError <= threshold && account.labelChanges <= allowLabelChanges && account.outOfRange == 0
    return account
  }

  /// An error as a share of the outputs' range, or of their magnitude where they differ by no more than floats round.
  private static func share(_ error: Double, _ low: Double, _ high: Double) -> Double {
    guard error > 0 else { return 0 }
    let magnitude = max(abs(low), abs(high))
    let range = high - low
    return error / max(range > 1e-5 * magnitude ? range : magnitude, 1e-30)
  }

  /// The twin's outputs against another program's.
  private func compare(_ scores: [[Double]], _ expected: [[Double]], _ account: inout Account) {
    func label(_ values: [Double]) -> Int { values.indices.reduce(0) { values[$1] > values[$0] ? $1 : $0 } }
    let error = zip(scores, expected).reduce(0.0) { largest, pair in
      zip(pair.0, pair.1).reduce(largest) { max($0, abs($1.0 - $1.1)) }
    }
    let all = expected.joined()
    account.expectedError = error
    account.expectedRelativeError = Self.share(error, all.min() ?? 0, all.max() ?? 0)
    account.expectedLabelChanges = zip(scores, expected).count { label($0) != label($1) }
  }

  private func show(_ account: Account) {
    Output.line("samples                  \(account.samples)")
    Output.line("largest error            \(Output.scientific(account.maximumError))")
    Output.line("range of the outputs     \(Output.scientific(account.logitRange))")
    Output.line(
      "error against range      \(Output.percent(account.relativeError))   (allowed: \(Output.percent(threshold)))")
    Output.line("error bound of the plan  \(Output.scientific(account.errorBound))")
    Output.line("labels that change       \(account.labelChanges)   (allowed: \(allowLabelChanges))")
    Output.line("values out of range      \(account.outOfRange)")
    if let error = account.expectedError, let relative = account.expectedRelativeError {
      Output.line("against given outputs    \(Output.scientific(error)), \(Output.percent(relative)) of their range")
      Output.line("labels unlike theirs     \(account.expectedLabelChanges ?? 0)")
    }
    if let labelled = account.labelled, let float = account.floatCorrect, let fixed = account.fixedCorrect {
      let (share, other) = (Double(float) / Double(labelled), Double(fixed) / Double(labelled))
      Output.line(
        "accuracy                 \(Output.percent(share)) in floats, \(Output.percent(other)) in fixed point")
    }
    if !account.accepted {
      Output.note("polympc: the fixed-point network is not as close to the float network as asked.")
    }
  }
}
