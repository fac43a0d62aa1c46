import ArgumentParser
import Foundation
import Networks
import Training

struct Train: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a network with polynomial activations, or ReLU, and write its model file.",
    discussion: """
      A preset names network, data set and schedule; every flag may change it. The
      model is calibrated on training samples and planned, so that a model that
      cannot be run privately is refused here and not later.

      A polynomial network may start from a trained one with ReLU (--from), replace
      ReLU gradually (--gradual-epochs), and follow a teacher (--teacher). A run
      killed at any moment goes on with --resume, and ends as it would have.

      Examples:
        polympc train digits --output digits.model
        polympc train mnist --data-path mnist --output mnist.model --threads 2
        polympc train cifar10 --data-path cifar-10-batches-bin --relu \\
          --network resnet20-w0.5 --output relu.model --checkpoint relu.checkpoint
        polympc train cifar10 --data-path cifar-10-batches-bin --from relu.model \\
          --network resnet20-w0.5 --teacher relu.model --gradual-epochs 5 \\
          --output x2act.model --log x2act.jsonl --report x2act.html
      """)

  @Argument(help: "Preset: digits, mnist, cifar10.")
  var preset: DataSource

  @Option(name: .shortAndLong, help: "Model file to write.")
  var output: String

  @Option(help: "Network: \(Builders.names.joined(separator: ", ")); -w0.5 halves channels, -d0.5 layers.")
  var network: String?

  @Flag(help: "ReLU everywhere instead of polynomials: exact, by comparisons.")
  var relu = false

  @Option(help: "Pooling between layers: average or maximum.")
  var pooling: PoolingChoice?

  @Option(
    help: ArgumentHelp(
      "Start from the weights of this model or .safetensors file, by the names of layers.", valueName: "file"))
  var from: String?

  @Option(help: "Epochs over which ReLU gives way to the quadratic.")
  var gradualEpochs: Float?

  @Option(help: ArgumentHelp("Model that the network follows.", valueName: "model"))
  var teacher: String?

  @Option(help: "Weight of the divergence from the teacher, 0 to 1.")
  var distillation: Float = 0.5

  @Option(help: "Temperature of the distillation.")
  var temperature: Float = 4

  @OptionGroup(title: "Learning") var options: LearningOptions

  struct Report: Encodable {
    var model: String
    var modelDigest: String
    var accuracy: Double
    var trainingSeconds: Double
    var epochs: Int
    var expectedFailures: Double
  }

  func run() throws {
    try Failures.reporting {
      var configuration = try options.configuration(for: preset)
      configuration.network = network ?? configuration.network
      configuration.usesRelu = relu
      configuration.pooling = pooling ?? configuration.pooling
      configuration.gradualEpochs = gradualEpochs ?? configuration.gradualEpochs
      let teacherFile = try teacher.map(ModelFile.load(from:))
      if let teacherFile {
        configuration.distillation = Distillation(
          weight: distillation, temperature: temperature, teacher: "\(try teacherFile.modelDigest())")
      }
      try configuration.validate()
      let graph = try configuration.makeGraph()
      let initial = try from.map { try Parameters.start($0, for: graph) }
      try Session(command: "train", options: options, output: output).run(
        configuration: configuration, graph: graph, initial: initial,
        teacher: teacherFile.map { Teacher(graph: $0.graph, parameters: $0.parameters) })
    }
  }
}

struct Finetune: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a model further: one that a search found, or any other.",
    discussion: """
      The network is the model's own, whatever its layers are. Rates fall from 0.01 to
      0.001 with a weight decay of 5e-4, as PolyMPCNet fine-tunes, unless told
      otherwise; epochs, batch and data set are those of the model's preset.

      Examples:
        polympc finetune found.model --output final.model --epochs 20
        polympc finetune found.model --data-path cifar-10-batches-bin \\
          --teacher relu.model --output final.model --report final.html
      """)

  @Argument(help: "Model file to start from.")
  var model: String

  @Option(name: .shortAndLong, help: "Model file to write.")
  var output: String

  @Option(help: "Data set: digits, mnist, cifar10; the model's own where it names one.")
  var data: DataSource?

  @Option(help: "Epochs over which ReLU gives way to the quadratic, in the model's quadratic layers.")
  var gradualEpochs: Float?

  @Option(help: ArgumentHelp("Model that the network follows.", valueName: "model"))
  var teacher: String?

  @Option(help: "Weight of the divergence from the teacher, 0 to 1.")
  var distillation: Float = 0.5

  @Option(help: "Temperature of the distillation.")
  var temperature: Float = 4

  @OptionGroup(title: "Learning") var options: LearningOptions

  func run() throws {
    try Failures.reporting {
      let file = try ModelFile.load(from: model)
      let source = data ?? file.provenance["data"].flatMap(DataSource.init(rawValue:)) ?? .digits
      var configuration = try options.configuration(for: source)
      configuration.setFinetuning(of: file)
      options.apply(to: &configuration)
      configuration.gradualEpochs = gradualEpochs ?? configuration.gradualEpochs
      let teacherFile = try teacher.map(ModelFile.load(from:))
      if let teacherFile {
        configuration.distillation = Distillation(
          weight: distillation, temperature: temperature, teacher: "\(try teacherFile.modelDigest())")
      }
      try configuration.validate()
      try Session(command: "finetune", options: options, output: output).run(
        configuration: configuration, graph: file.graph, initial: file.parameters,
        teacher: teacherFile.map { Teacher(graph: $0.graph, parameters: $0.parameters) }, planning: file.options)
    }
  }
}

extension TrainingConfiguration {
  /// PolyMPCNet's fine-tuning of a model's own network.
  mutating func setFinetuning(of file: ModelFile) {
    if NetworkName(file.graph.name) != nil { network = file.graph.name }
    setContinuation()
    finalLearningRate = 0.001
    weightDecay = 5e-4
    warmUpEpochs = 0
  }

  /// What the start of a recipe must not do to coefficients that have learnt already.
  mutating func setContinuation() {
    learningRate = 0.01
    initialization = .given
    gradualEpochs = 0
  }
}

/// Trains, judges, writes the model, and reports: what train and finetune have in common.
struct Session {
  let command: String
  let options: LearningOptions
  let output: String

  func run(
    configuration: TrainingConfiguration, graph: Graph, initial: Parameters?, teacher: Teacher?,
    planning: PlannerOptions = PlannerOptions()
  ) throws {
    let data = try DataSplit.load(configuration.data, path: configuration.dataPath)
    let resumes = options.resumes(options.checkpoint)
    let name = URL(fileURLWithPath: output).deletingPathExtension().lastPathComponent
    let log = try RunLog(path: options.log, resuming: resumes)
    try log.add(
      .start(
        LogRecord.Start(
          command: command, run: name, network: graph.name, resumed: resumes, settings: configuration.settings)))
    let (result, finish) = try train(
      name: name, configuration: configuration, graph: graph, initial: initial, teacher: teacher, data: data,
      checkpoint: options.checkpoint, log: log, cost: nil)
    let file = try options.model(
      graph: result.graph, parameters: result.parameters, data: data,
      provenance: Self.provenance(configuration, result, finish.accuracy), planning: planning)
    try file.write(to: output)
    try options.writeReport(title: "polympc \(command): \(name)", records: log.records)
    let report = Train.Report(
      model: output, modelDigest: "\(try file.modelDigest())", accuracy: finish.accuracy,
      trainingSeconds: result.history.seconds, epochs: result.history.epochs.count,
      expectedFailures: try file.planned().plan.expectedFailuresPerInference)
    if options.json { return try Output.json(report) }
    Output.line(
      "\(output): \(Output.percent(finish.accuracy)) of held-out samples, "
        + "trained in \(Output.duration(report.trainingSeconds))")
  }

  /// Trains to the end and judges; the log takes both.
  func train(
    name: String, configuration: TrainingConfiguration, graph: Graph, initial: Parameters?, teacher: Teacher?,
    data: DataSplit, checkpoint: String?, log: RunLog, cost: Double?
  ) throws -> (TrainingResult, LogRecord.Finish) {
    let trainer =
      if options.resumes(checkpoint), let checkpoint {
        try Trainer(
          resuming: checkpoint, configuration: configuration, data: data, graph: graph, teacher: teacher)
      } else {
        try Trainer(
          configuration: configuration, data: data, graph: graph, initial: initial, teacher: teacher)
      }
    trainer.checkpointPath = checkpoint
    let view = TrainingView(run: name, json: options.json, log: log)
    let result = try trainer.run(progress: { view.show($0) })
    view.end()
    let judged = try Evaluation.judge(
      graph: result.graph, parameters: result.parameters, dataset: data.test, threads: configuration.threads)
    let finish = LogRecord.Finish(
      accuracy: judged.accuracy, cost: cost, comparisonLayers: graph.nodes.count { $0.operation.isComparison },
      confusion: judged.confusion, classes: graph.classes, seconds: result.history.seconds)
    try log.add(.finish(finish, run: name))
    return (result, finish)
  }

  static func provenance(
    _ configuration: TrainingConfiguration, _ result: TrainingResult, _ accuracy: Double
  ) -> [String: String] {
    [
      "data": configuration.data.rawValue, "seed": "\(configuration.seed)",
      "epochs": "\(result.history.epochs.count)", "accuracy": Output.fixed(accuracy, 4),
    ]
  }
}
