import ArgumentParser
import Networks

struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Hold a model's fixed-point twin against its float network on samples.",
    discussion: """
      The twin computes in plain integers what the two parties compute together. The
      error is the largest difference of any output, as a share of the range that the
      float network's outputs span over all samples. The command fails (exit code 1)
      where it exceeds --threshold, where more labels change than
      --allow-label-changes says, or where a value leaves its planned range.

      Examples:
        polympc check net.model --samples samples/
        polympc check net.model --samples a.npy b.pb --threshold 0.005 --json
        polympc check net.model --random 16
      """)

  @Argument(help: "Model file.")
  var model: String

  @Option(parsing: .upToNextOption, help: ArgumentHelp("Files or folders with samples.", valueName: "path"))
  var samples: [String] = []

  @Option(help: ArgumentHelp("Samples of random numbers instead, for trying.", valueName: "count"))
  var random: Int?

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
  }

  func validate() throws {
    if samples.isEmpty == (random == nil) { throw ValidationError("Give either --samples or --random.") }
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
      let account = try compare(file, found)
      if json { try Output.json(account) } else { show(account) }
      if !account.accepted { throw ExitCode(1) }
    }
  }

  private func compare(_ file: ModelFile, _ samples: [SampleFiles.Sample]) throws -> Account {
    let planned = try file.planned()
    let folded = try file.folded()
    let executor = try FloatExecutor(graph: folded.graph, parameters: folded.parameters)
    let twin = try Twin(planned.plan, planned.quantized)
    let progress = ProgressLine()
    defer { progress.clear() }
    var account = Account(
      samples: samples.count, labelChanges: 0, outOfRange: 0, maximumError: 0, relativeError: 0, logitRange: 0,
      errorBound: planned.details.last!.errorBound, threshold: threshold, accepted: false)
    var (low, high) = (Double.infinity, -Double.infinity)
    for (index, sample) in samples.enumerated() {
      let floats = try executor.output(of: sample.values).map(Double.init)
      let fixed = try twin.result(normalized: sample.values)
      let label = floats.indices.reduce(0) { floats[$1] > floats[$0] ? $1 : $0 }
      if label != fixed.label { account.labelChanges += 1 }
      account.outOfRange += fixed.outOfRange
      account.maximumError = zip(floats, fixed.scores).reduce(account.maximumError) { max($0, abs($1.0 - $1.1)) }
      (low, high) = (min(low, floats.min() ?? low), max(high, floats.max() ?? high))
      if let wanted = sample.label {
        account.labelled = (account.labelled ?? 0) + 1
        account.floatCorrect = (account.floatCorrect ?? 0) + (label == wanted ? 1 : 0)
        account.fixedCorrect = (account.fixedCorrect ?? 0) + (fixed.label == wanted ? 1 : 0)
      }
      progress.show("\(index + 1) of \(samples.count)")
    }
    account.logitRange = max(high - low, 0)
    account.relativeError = account.maximumError == 0 ? 0 : account.maximumError / max(account.logitRange, 1e-30)
    account.accepted =
      account.relativeError <= threshold && account.labelChanges <= allowLabelChanges && account.outOfRange == 0
    return account
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
