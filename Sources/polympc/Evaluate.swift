import ArgumentParser
import Daemons
import Foundation
import Networks
import Training

struct Evaluate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a model's accuracy: in floats, in fixed point, and privately.",
    discussion: """
      Runs the held-out samples through the float network and through the plan's
      fixed-point twin, which computes in plain integers what the two parties
      compute together. With --private the same samples are also sent, one query
      each, through a running data owner's daemon, and labels, latency and traffic
      are reported beside.

      Examples:
        polympc evaluate digits.model
        polympc evaluate mnist.model --data-path mnist --count 1000 --json
        polympc evaluate digits.model --private data-owner.sock
      """)

  @Argument(help: "Model file.")
  var model: String

  @OptionGroup var data: DataOptions
  @OptionGroup var revealing: RevealOptions

  @Option(help: "Uses only the first so many held-out samples.")
  var count: Int?

  @Option(
    name: .customLong("private"), help: ArgumentHelp("Local socket of the data owner's daemon.", valueName: "path"))
  var control: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count is at least 1.") }
  }

  func run() throws {
    try Failures.reporting {
      let file = try revealing.load(model)
      let test = try data.load(for: file).test
      let samples = min(count ?? test.count, test.count)
      let report = try Evaluator(file: file, dataset: test.subset(0..<samples)).run(control: control)
      if json { try Output.json(report) } else { report.print() }
    }
  }
}

/// What an evaluation came to.
struct EvaluationReport: Encodable {
  struct Private: Encodable {
    var accuracy: Double
    var labelsUnlikeFixed: Int
    var labelsUnlikeFloat: Int
    var secondsMedian: Double
    var seconds99: Double
    var bytesSent: Int
    var bytesReceived: Int
    var rounds: Int
    var predictedBytesSent: Int?
    var predictedBytesReceived: Int?
    var predictedRounds: Int?
    var preparedOnDemand: Int
  }

  var samples: Int
  var floatAccuracy: Double
  var fixedAccuracy: Double
  var labelsThatDiffer: Int
  var outOfRange: Int
  /// Absent where results are labels.
  var maximumDifference: Double?
  var `private`: Private?

  func print() {
    Output.line("samples                     \(samples)")
    Output.line("accuracy, floats            \(Output.percent(floatAccuracy))")
    Output.line("accuracy, fixed point       \(Output.percent(fixedAccuracy))")
    Output.line("labels that differ          \(labelsThatDiffer)")
    Output.line("values out of range         \(outOfRange)")
    if let maximumDifference { Output.line("largest score difference    \(Output.fixed(maximumDifference, 5))") }
    guard let result = self.private else { return }
    func beside(_ predicted: Int?) -> String { predicted.map { "   (descriptors: \($0))" } ?? "" }
    Output.line("accuracy, private           \(Output.percent(result.accuracy))")
    Output.line("labels unlike fixed point   \(result.labelsUnlikeFixed)")
    Output.line("labels unlike floats        \(result.labelsUnlikeFloat)")
    Output.line("latency, median             \(Output.duration(result.secondsMedian))")
    Output.line("latency, 99th percentile    \(Output.duration(result.seconds99))")
    Output.line("bytes to the model owner    \(result.bytesSent)\(beside(result.predictedBytesSent))")
    Output.line("bytes to the data owner     \(result.bytesReceived)\(beside(result.predictedBytesReceived))")
    Output.line("round trips                 \(result.rounds)\(beside(result.predictedRounds))")
    if result.preparedOnDemand > 0 { Output.line("prepared on demand          \(result.preparedOnDemand) queries") }
  }
}

/// Runs samples through the float network, the twin, and, if asked, a daemon.
struct Evaluator {
  let file: ModelFile
  let dataset: Dataset

  func run(control: String?) throws -> EvaluationReport {
    let comparison = try TwinComparison(file)
    let plan = comparison.planned.plan
    let progress = ProgressLine()
    defer { progress.clear() }
    var floatLabels: [Int] = []
    var fixedLabels: [Int] = []
    var outOfRange = 0
    var largest = 0.0
    for index in 0..<dataset.count {
      let outcome = try comparison.outcome(of: plan.input.normalize(raw: dataset.rawSample(index)))
      floatLabels.append(outcome.floatLabel)
      fixedLabels.append(outcome.fixedLabel)
      outOfRange += outcome.outOfRange
      largest = max(largest, outcome.largestError)
      if index % 16 == 0 { progress.show("plaintext \(index + 1) of \(dataset.count)") }
    }
    var report = EvaluationReport(
      samples: dataset.count, floatAccuracy: accuracy(floatLabels), fixedAccuracy: accuracy(fixedLabels),
      labelsThatDiffer: zip(floatLabels, fixedLabels).filter { $0 != $1 }.count, outOfRange: outOfRange,
      maximumDifference: plan.reveals == .label ? nil : largest)
    if let control {
      report.private = try runPrivately(control, plan, floatLabels, fixedLabels, progress)
    }
    return report
  }

  private func runPrivately(
    _ control: String, _ plan: Plan, _ floatLabels: [Int], _ fixedLabels: [Int], _ progress: ProgressLine
  ) throws -> EvaluationReport.Private {
    let client = try ControlClient(path: control)
    var labels: [Int] = []
    var seconds: [Double] = []
    var onDemand = 0
    var last: InferenceReply?
    for index in 0..<dataset.count {
      let sample = InputSample(values: dataset.rawSample(index), source: "sample \(index)")
      let reply = try client.infer([sample])
      labels.append(reply.predictions[0].label)
      seconds.append(reply.seconds)
      if reply.preparedOnDemand { onDemand += 1 }
      last = reply
      progress.show("private \(index + 1) of \(dataset.count)")
    }
    let predicted = try OnlinePrediction(plan.program, batch: 1)
    return EvaluationReport.Private(
      accuracy: accuracy(labels), labelsUnlikeFixed: zip(labels, fixedLabels).filter { $0 != $1 }.count,
      labelsUnlikeFloat: zip(labels, floatLabels).filter { $0 != $1 }.count,
      secondsMedian: Statistics.median(seconds), seconds99: Statistics.quantile(seconds, 0.99),
      bytesSent: last?.bytesSent ?? 0, bytesReceived: last?.bytesReceived ?? 0, rounds: last?.rounds ?? 0,
      predictedBytesSent: predicted.bytesSent, predictedBytesReceived: predicted.bytesReceived,
      predictedRounds: predicted.rounds, preparedOnDemand: onDemand)
  }

  private func accuracy(_ labels: [Int]) -> Double {
    let correct = labels.indices.filter { labels[$0] == Int(dataset.labels[$0]) }.count
    return Double(correct) / Double(max(1, labels.count))
  }
}
