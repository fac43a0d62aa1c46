public import ArgumentParser
import Foundation
import Networks
public import Programs
import Rings
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a network with polynomial activations, or ReLU, and write its model file.",
    discussion: """
      A preset names network, data set and schedule; every flag may change it. The
      model is calibrated on training samples and planned, so that a model that
      cannot be run privately is refused here and not later.

      Examples:
        polympc train digits --output digits.model
        polympc train mnist --data-path mnist --output mnist.model --threads 2
        polympc train cifar10 --data-path cifar-10-batches-bin \\
          --output resnet20.model --epochs 30
      """)

  @Argument(help: "Preset: digits, mnist, cifar10.")
  var preset: DataSource

  @Option(name: .shortAndLong, help: "Model file to write.")
  var output: String

  @Option(help: ArgumentHelp("Where the data set is; digits are shipped.", valueName: "path"))
  var dataPath: String?

  @Option(help: "Network: \(Builders.names.joined(separator: ", ")).")
  var network: String?

  @Flag(help: "ReLU everywhere instead of polynomials: exact, by comparisons.")
  var relu = false

  @Option(help: "What comparisons save: messages (for links of long delay) or bytes.")
  var comparisons: ComparisonPreference = .messages

  @Option(help: "Fewest bits of comparisons, 4 to 64, beside what calibrated ranges ask for.")
  var comparisonBits: Int?

  @Option(help: "How layers before comparisons and the output drop bits: local, or faithful (exact, and costs more).")
  var ringTruncation: RingTruncation = .local

  @Option(help: "What results will tell the data owner: scores, or the label alone.")
  var reveal: Revelation = .scores

  @Option(help: "Passes over the training samples.")
  var epochs: Int?

  @Option(help: "Samples in a step.")
  var batch: Int?

  @Option(help: "Greatest learning rate.")
  var learningRate: Float?

  @Option(help: "Seed of everything random.")
  var seed: UInt64?

  @Option(help: "Uses only the first so many training samples.")
  var limit: Int?

  @Option(help: "Threads; they change no bit of the result.")
  var threads: Int?

  @Option(help: "Training samples from which ranges are calibrated.")
  var calibration = 512

  @Option(help: ArgumentHelp("Checkpoint written after every epoch.", valueName: "file"))
  var checkpoint: String?

  @Flag(help: "Go on from --checkpoint.")
  var resume = false

  @Flag(help: "Print JSON: a line an epoch, then the result.")
  var json = false

  func validate() throws {
    if resume, checkpoint == nil { throw ValidationError("--resume needs --checkpoint.") }
    if preset != .digits, dataPath == nil { throw ValidationError("The preset \(preset.rawValue) needs --data-path.") }
    if let comparisonBits, !(4...64).contains(comparisonBits) {
      throw ValidationError("--comparison-bits is 4 to 64.")
    }
    if calibration < 1 { throw ValidationError("--calibration is at least 1.") }
  }

  private struct Report: Encodable {
    var model: String
    var modelDigest: String
    var accuracy: Double
    var trainingSeconds: Double
    var epochs: Int
    var expectedFailures: Double
  }

  func run() throws {
    try Failures.reporting {
      let configuration = try configured()
      let data = try DataSplit.load(configuration.data, path: configuration.dataPath)
      let trainer =
        if resume, let checkpoint {
          try Trainer(resuming: checkpoint, configuration: configuration, data: data)
        } else {
          try Trainer(configuration: configuration, data: data)
        }
      trainer.checkpointPath = checkpoint
      let view = TrainingView(json: json)
      let result = try trainer.run(progress: { view.show($0) })
      view.end()
      let accuracy = result.history.epochs.last?.testAccuracy ?? 0
      let file = try calibrated(result, data, configuration, accuracy)
      try file.write(to: output)
      let report = Report(
        model: output, modelDigest: "\(try file.modelDigest())", accuracy: accuracy,
        trainingSeconds: result.history.seconds, epochs: result.history.epochs.count,
        expectedFailures: try file.planned().plan.expectedFailuresPerInference)
      if json { return try Output.json(report) }
      Output.line(
        "\(output): \(Output.percent(accuracy)) of held-out samples, trained in \(Output.duration(report.trainingSeconds))"
      )
    }
  }

  private func configured() throws -> TrainingConfiguration {
    var configuration = Recipes.recipe(
      for: preset, path: dataPath, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
    configuration.network = network ?? configuration.network
    configuration.usesRelu = relu
    configuration.epochs = epochs ?? configuration.epochs
    configuration.batch = batch ?? configuration.batch
    configuration.learningRate = learningRate ?? configuration.learningRate
    configuration.seed = seed ?? configuration.seed
    configuration.trainingLimit = limit ?? configuration.trainingLimit
    try configuration.validate()
    return configuration
  }

  private func calibrated(
    _ result: TrainingResult, _ data: DataSplit, _ configuration: TrainingConfiguration, _ accuracy: Double
  ) throws -> ModelFile {
    let planning = PlannerOptions(
      comparisons: comparisons, comparisonBits: comparisonBits, ringTruncation: ringTruncation, reveals: reveal)
    var file = ModelFile(
      graph: result.graph, parameters: result.parameters, options: planning,
      provenance: [
        "data": configuration.data.rawValue, "seed": "\(configuration.seed)",
        "epochs": "\(result.history.epochs.count)",
        "accuracy": Output.fixed(accuracy, 4),
      ])
    let normalization = result.graph.inputNormalization
    let area = result.graph.input.height * result.graph.input.width
    let samples = (0..<min(calibration, data.training.count)).lazy.map { index in
      data.training.rawSample(index).enumerated().map { normalization.apply($1, channel: $0 / area) }
    }
    try file.calibrate(samples: samples)
    _ = try file.planned()
    return file
  }
}

extension ComparisonPreference: ExpressibleByArgument {}

/// Shows a training run: a progress line on a terminal, a line an epoch everywhere.
private struct TrainingView {
  let json: Bool
  let progress = ProgressLine()

  func show(_ event: TrainingEvent) {
    switch event {
    case .step(let step):
      progress.show(
        "epoch \(step.epoch), step \(step.step) of \(step.steps): loss \(Output.fixed(step.loss, 4)), "
          + "\(Output.percent(step.accuracy)), \(Output.fixed(step.imagesPerSecond, 0)) pictures/s, "
          + "\(Output.duration(step.remainingSeconds)) left")
    case .epoch(let record, let remaining):
      progress.clear()
      if json { return try! Output.json(record) }
      Output.note(
        "epoch \(record.epoch): loss \(Output.fixed(record.trainingLoss, 4)), held out \(Output.percent(record.testAccuracy)), "
          + "\(Output.fixed(record.imagesPerSecond, 0)) pictures/s, \(Output.duration(remaining)) left")
    case .checkpointWritten: break
    case .checkpointFailed(let error):
      progress.clear()
      Output.note("polympc: \(error)")
    }
  }

  func end() { progress.clear() }
}
