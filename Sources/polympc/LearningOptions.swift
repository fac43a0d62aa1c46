public import ArgumentParser
import Foundation
public import Networks
import ONNX
public import Programs
import Rings
public import Training

extension ComparisonPreference: ExpressibleByArgument {}
extension PoolingChoice: ExpressibleByArgument {}
extension ActivationInitialization: ExpressibleByArgument {}

/// Flags of every command that trains: what the network is made of and how its weights learn.
struct LearningOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Where the data set is; digits are shipped.", valueName: "path"))
  var dataPath: String?

  @Option(help: "What comparisons save: messages (for links of long delay; the default) or bytes.")
  var comparisons: ComparisonPreference?

  @Option(help: "Fewest bits of comparisons, 4 to 64, beside what calibrated ranges ask for.")
  var comparisonBits: Int?

  @Option(
    help:
      "How layers before comparisons drop bits: automatic (the default; local or tracked), local, tracked or faithful.")
  var ringTruncation: RingTruncation?

  @Option(help: "What results will tell the data owner: scores (the default), or the label alone.")
  var reveal: Revelation?

  @Option(help: "Passes over the training samples.")
  var epochs: Int?

  @Option(help: "Samples in a step.")
  var batch: Int?

  @Option(help: "Greatest learning rate.")
  var learningRate: Float?

  @Option(help: "Learning rate at the end of the cosine.")
  var finalRate: Float?

  @Option(help: "Weight decay.")
  var weightDecay: Float?

  @Option(help: "Largest norm of the gradient; 0 does not clip.")
  var clip: Float?

  @Option(help: "Label smoothing, 0 to 1.")
  var smoothing: Float?

  @Option(help: "The constant c of X2act's factor c / sqrt(Nx).")
  var scale: Float?

  @Flag(help: "One triple of coefficients a channel, not a layer.")
  var perChannel = false

  @Flag(inversion: .prefixedNo, help: "Whether quadratics behind residual sums normalise their operand.")
  var normalizeSums: Bool?

  @Option(
    help: "What quadratics start from: given (the start's own), stpai (near the identity), moments (nearest to ReLU).")
  var initialization: ActivationInitialization?

  @Option(help: "First w1 under stpai.")
  var square: Float?

  @Option(help: "Largest operand of a quadratic that costs nothing.")
  var rangeBound: Float?

  @Option(help: "Weight of the penalty beyond it; 0 leaves it out.")
  var rangeWeight: Float?

  @Option(help: "Factor of the normalised inputs.")
  var inputGain: Float?

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

  @Flag(help: "Go on from --checkpoint; where there is none yet, begin.")
  var resume = false

  @Option(help: ArgumentHelp("Log of JSON lines.", valueName: "file"))
  var log: String?

  @Option(help: ArgumentHelp("Page with curves and tables.", valueName: "file.html"))
  var report: String?

  @Flag(help: "Print JSON: a line an epoch, then the result.")
  var json = false

  func validate() throws {
    if resume, checkpoint == nil { throw ValidationError("--resume needs --checkpoint.") }
    if let comparisonBits, !(4...64).contains(comparisonBits) {
      throw ValidationError("--comparison-bits is 4 to 64.")
    }
    if calibration < 1 { throw ValidationError("--calibration is at least 1.") }
  }

  /// The recipe of a data set, with what the flags change.
  func configuration(for data: DataSource) throws -> TrainingConfiguration {
    if data != .digits, dataPath == nil { throw ValidationError("The data set \(data.rawValue) needs --data-path.") }
    var result = Recipes.recipe(
      for: data, path: dataPath, threads: threads ?? ProcessInfo.processInfo.activeProcessorCount)
    apply(to: &result)
    return result
  }

  /// Changes what the flags say.
  func apply(to result: inout TrainingConfiguration) {
    func set<Value>(_ path: WritableKeyPath<TrainingConfiguration, Value>, _ value: Value?) {
      if let value { result[keyPath: path] = value }
    }
    set(\.epochs, epochs)
    set(\.batch, batch)
    set(\.learningRate, learningRate)
    set(\.finalLearningRate, finalRate)
    set(\.weightDecay, weightDecay)
    set(\.clipNorm, clip)
    set(\.loss.labelSmoothing, smoothing)
    set(\.loss.rangeBound, rangeBound)
    set(\.loss.rangeWeight, rangeWeight)
    set(\.activation.scale, scale)
    if perChannel { result.activation.perChannel = true }
    set(\.initialization, initialization)
    set(\.initialSquare, square)
    if let normalizeSums { result.normalizesSums = normalizeSums }
    if let inputGain { result.inputGain = inputGain }
    set(\.seed, seed)
    set(\.trainingLimit, limit)
  }

  /// Whether there is a checkpoint to go on from.
  func resumes(_ path: String?) -> Bool {
    guard resume, let path else { return false }
    return FileManager.default.fileExists(atPath: path)
  }

  /// Calibrates a network on training samples and plans it, so that what cannot run privately is refused here.
  func model(
    graph: Graph, parameters: Parameters, data: DataSplit, provenance: [String: String],
    planning: PlannerOptions = PlannerOptions()
  ) throws -> ModelFile {
    var file = ModelFile(graph: graph, parameters: parameters, options: applied(to: planning), provenance: provenance)
    let normalization = graph.inputNormalization
    let area = graph.input.height * graph.input.width
    let samples = (0..<min(calibration, data.training.count)).lazy.map { index in
      data.training.rawSample(index).enumerated().map { normalization.apply($1, channel: $0 / area) }
    }
    try file.calibrate(samples: samples)
    _ = try file.planned()
    return file
  }

  /// How a model is planned, with what the flags change: what it had settled on stays, above all what results tell.
  private func applied(to planning: PlannerOptions) -> PlannerOptions {
    var result = planning
    result.comparisons = comparisons ?? result.comparisons
    result.comparisonBits = comparisonBits ?? result.comparisonBits
    result.ringTruncation = ringTruncation ?? result.ringTruncation
    result.reveals = reveal ?? result.reveals
    return result
  }

  /// Writes the page, where one was asked for.
  func writeReport(title: String, records: [LogRecord]) throws {
    guard let report else { return }
    try HTMLReport(title: title, records: records).html().write(toFile: report, atomically: true, encoding: .utf8)
  }
}

extension TrainingConfiguration {
  /// The settings that a page shows.
  var settings: [[String]] {
    var rows = [
      ["data", data.rawValue], ["seed", "\(seed)"], ["epochs", "\(epochs)"], ["batch", "\(batch)"],
      ["learning rate", "\(learningRate) to \(finalLearningRate)"], ["weight decay", "\(weightDecay)"],
      ["clip", "\(clipNorm)"], ["label smoothing", "\(loss.labelSmoothing)"],
    ]
    if !usesRelu {
      rows += [
        ["X2act scale c", "\(activation.scale)"], ["coefficients", activation.perChannel ? "a channel" : "a layer"],
        ["sums normalised", normalizesSums == true ? "yes" : "no"], ["quadratics start", initialization.rawValue],
        ["gradual epochs", "\(gradualEpochs)"],
        ["range bound, weight", "\(loss.rangeBound), \(loss.rangeWeight)"],
      ]
    }
    if let distillation {
      rows.append(["distillation", "weight \(distillation.weight), temperature \(distillation.temperature)"])
    }
    if let inputGain { rows.append(["input gain", "\(inputGain)"]) }
    if let trainingLimit { rows.append(["training samples", "\(trainingLimit)"]) }
    return rows
  }
}

extension Parameters {
  /// What a file has for a graph: a model, or tensors by name.
  static func start(_ path: String, for graph: Graph) throws -> Parameters {
    guard path.hasSuffix(".safetensors") else { return byName(try ModelFile.load(from: path), for: graph) }
    return try Safetensors.partial(for: graph, from: Safetensors.load(path: path))
  }

  /// The parameters of another network whose layers have the same names, by this graph's nodes.
  static func byName(_ file: ModelFile, for graph: Graph) -> Parameters {
    let nodes = Dictionary(graph.nodes.map { ($0.name, $0.id) }, uniquingKeysWith: { first, _ in first })
    var result = Parameters()
    for key in file.parameters.keys {
      guard let node = nodes[file.graph.nodes[key.node].name] else { continue }
      result[node, key.name] = file.parameters[key.node, key.name]
    }
    return result
  }
}

/// Shows a training run: a progress line on a terminal, a line an epoch everywhere; keeps the log.
struct TrainingView {
  let run: String
  let json: Bool
  let log: RunLog
  private let progress = ProgressLine()

  init(run: String, json: Bool, log: RunLog) {
    self.run = run
    self.json = json
    self.log = log
  }

  func show(_ event: TrainingEvent) {
    switch event {
    case .step(let step): show(step)
    case .epoch(let record, let remaining):
      progress.clear()
      try? log.add(.epoch(record, run: run))
      if json { return try! Output.json(record) }
      Output.note(
        "\(run), epoch \(record.epoch): loss \(Output.fixed(record.trainingLoss, 4)), "
          + "held out \(Output.percent(record.testAccuracy)), "
          + "\(Output.fixed(record.imagesPerSecond, 0)) pictures/s, \(Output.duration(remaining)) left")
    case .checkpointWritten: break
    case .checkpointFailed(let error): failed(error)
    }
  }

  func show(_ event: SearchEvent) {
    switch event {
    case .step(let step): show(step)
    case .epoch(let record, let remaining):
      progress.clear()
      try? log.add(.search(record, run: run))
      if json { return try! Output.json(record) }
      Output.note(
        "\(run), epoch \(record.epoch): loss \(Output.fixed(record.trainingLoss, 4)), "
          + "architecture's samples \(Output.percent(record.validationAccuracy)), "
          + "expected cost \(Output.fixed(record.expectedCost, 3)), "
          + "\(Output.fixed(record.imagesPerSecond, 0)) pictures/s, \(Output.duration(remaining)) left")
    case .checkpointWritten: break
    case .checkpointFailed(let error): failed(error)
    }
  }

  func end() { progress.clear() }

  private func show(_ step: StepProgress) {
    progress.show(
      "\(run), epoch \(step.epoch), step \(step.step) of \(step.steps): loss \(Output.fixed(step.loss, 4)), "
        + "\(Output.percent(step.accuracy)), \(Output.fixed(step.imagesPerSecond, 0)) pictures/s, "
        + "\(Output.duration(step.remainingSeconds)) left")
  }

  private func failed(_ error: TrainingError) {
    progress.clear()
    Output.note("polympc: \(error)")
  }
}
