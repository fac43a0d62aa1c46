import Foundation
import Networks
import Training

/// One search, or several for a front, each with its fine-tuning.
struct SearchSession {
  let command: Search
  let table: LatencyTable?

  private struct Report: Encodable {
    var model: String
    var accuracy: Double
    var cost: Double
    var unit: String
    var kept: [String]
  }

  /// One network of the run.
  private struct Job {
    var name: String
    var objective: SearchConfiguration.Objective
    /// All layers alike, without a search: true compares everywhere.
    var fixed: Bool?
    var output: String
  }

  private var options: LearningOptions { command.options }
  private var unit: String { command.reluBudget == nil ? "ms" : "comparisons" }
  private var device: String {
    table.map { "\($0.network) on \($0.device), link \($0.link), protocol \($0.protocolName)" } ?? "Comparisons counted"
  }

  func run() throws {
    let jobs = try jobs()
    let resumes = jobs.contains { job in
      ["search", "finetune"].contains { options.resumes(path(options.checkpoint, job, $0)) }
    }
    let log = try RunLog(path: options.log, resuming: resumes)
    let first = try command.configuration(jobs[0].objective)
    let data = try DataSplit.load(first.training.data, path: first.training.dataPath)
    for job in jobs { try run(job, data: data, log: log) }
    let name = URL(fileURLWithPath: command.output).deletingPathExtension().lastPathComponent
    try options.writeReport(title: "polympc search: \(name)", records: log.records)
  }

  private func jobs() throws -> [Job] {
    let base = URL(fileURLWithPath: command.output)
    let name = base.deletingPathExtension().lastPathComponent
    func output(_ suffix: String) -> String {
      base.deletingLastPathComponent().appendingPathComponent("\(name)-\(suffix).\(base.pathExtension)").path
    }
    if let lambda = command.lambda {
      return [Job(name: name, objective: .penalty(perMillisecond: lambda), output: command.output)]
    }
    if let budget = command.latencyBudget {
      return [Job(name: name, objective: .latencyBudget(milliseconds: budget), output: command.output)]
    }
    if let budget = command.reluBudget {
      return [Job(name: name, objective: .comparisonBudget(count: budget), output: command.output)]
    }
    let searched = try command.prices().map { price in
      Job(name: "lambda \(price)", objective: .penalty(perMillisecond: price), output: output("\(price)"))
    }
    let ends = [("all ReLU", "relu", true), ("all X2act", "x2act", false)].map {
      Job(name: $0.0, objective: .penalty(perMillisecond: 0), fixed: $0.2, output: output($0.1))
    }
    return ends + searched
  }

  /// The checkpoint of a job's stage: the one that was named, or one beside it where there are several.
  private func path(_ base: String?, _ job: Job, _ stage: String) -> String? {
    base.map { path in
      let isSearch = stage == "search" && command.lambdas == nil
      return isSearch ? path : "\(path).\(job.name.replacingOccurrences(of: " ", with: "-")).\(stage)"
    }
  }

  private func run(_ job: Job, data: DataSplit, log: RunLog) throws {
    let configuration = try command.configuration(job.objective)
    let space = try configuration.makeSpace()
    let costs =
      try table.map { try ChoiceCosts($0, space: space) } ?? ChoiceCosts(comparisonsOf: space)
    let initial = try command.from.map { Parameters.byName(try ModelFile.load(from: $0), for: space.polynomial) }
    let checkpoint = path(options.checkpoint, job, "search")
    try log.add(
      .start(
        LogRecord.Start(
          command: "search", run: job.name, network: space.polynomial.name, resumed: options.resumes(checkpoint),
          settings: settings(configuration, job))))
    var graph: Graph
    var parameters: Parameters
    let cost: Double
    if let all = job.fixed {
      graph = space.derive(keepsComparison: space.layers.map { _ in all })
      cost = costs.total(keepsComparison: space.layers.map { _ in all })
      parameters = try Parameters.initialize(
        graph, seed: configuration.training.seed, square: configuration.training.initialSquare)
      if let initial { parameters.carryOver(SearchSpace.parameters(initial, for: graph)) }
    } else {
      let result = try search(configuration, data, costs, initial, checkpoint, job, log)
      (graph, parameters, cost) = (result.graph, result.parameters, result.cost)
    }
    // The ends of a front train as many epochs as a search and its fine-tuning together.
    let extra = job.fixed == nil ? 0 : configuration.training.epochs
    var tuning = try options.configuration(for: command.preset)
    tuning.network = configuration.training.network
    if job.fixed == nil { tuning.setContinuation() }
    tuning.finalLearningRate = 0.001
    options.apply(to: &tuning)
    if job.fixed == nil { tuning.initialization = .given }
    tuning.epochs = command.finetuneEpochs + extra
    tuning.seed = configuration.training.seed
    var accuracy = 0.0
    if tuning.epochs > 0 {
      let (tuned, finish) = try Session(command: "finetune", options: options, output: job.output).train(
        name: job.name, configuration: tuning, graph: graph, initial: parameters, teacher: nil, data: data,
        checkpoint: path(options.checkpoint, job, "finetune"), log: log, cost: cost)
      (graph, parameters, accuracy) = (tuned.graph, tuned.parameters, finish.accuracy)
    } else {
      let judged = try Evaluation.judge(
        graph: graph, parameters: parameters, dataset: data.test, threads: configuration.training.threads)
      accuracy = judged.accuracy
      try log.add(
        .finish(
          LogRecord.Finish(
            accuracy: accuracy, cost: cost, comparisonLayers: graph.nodes.count { $0.operation.isComparison },
            confusion: judged.confusion, classes: graph.classes, seconds: 0), run: job.name))
    }
    try write(job, graph, parameters, data, accuracy: accuracy, cost: cost)
  }

  private func search(
    _ configuration: SearchConfiguration, _ data: DataSplit, _ costs: ChoiceCosts, _ initial: Parameters?,
    _ checkpoint: String?, _ job: Job, _ log: RunLog
  ) throws -> SearchResult {
    let searcher =
      if options.resumes(checkpoint), let checkpoint {
        try Searcher(resuming: checkpoint, configuration: configuration, data: data, costs: costs)
      } else {
        try Searcher(configuration: configuration, data: data, costs: costs, initial: initial)
      }
    searcher.checkpointPath = checkpoint
    let view = TrainingView(run: job.name, json: options.json, log: log)
    let result = try searcher.run(progress: { view.show($0) })
    view.end()
    try log.add(
      .found(
        LogRecord.Found(
          unit: unit, device: device, cost: result.cost, allComparisons: result.costRange.all,
          noComparison: result.costRange.none, layers: result.decisions), run: job.name))
    return result
  }

  private func write(
    _ job: Job, _ graph: Graph, _ parameters: Parameters, _ data: DataSplit, accuracy: Double, cost: Double
  ) throws {
    let kept = graph.nodes.filter { $0.operation.isComparison }.map(\.name)
    var provenance = [
      "data": command.preset.rawValue, "seed": "\(try command.configuration(job.objective).training.seed)",
      "accuracy": Output.fixed(accuracy, 4), "cost": "\(Output.fixed(cost, 4)) \(unit)",
    ]
    if let table { provenance["table"] = "\(table.device), \(table.link), \(table.protocolName)" }
    let file = try options.model(graph: graph, parameters: parameters, data: data, provenance: provenance)
    try file.write(to: job.output)
    let report = Report(model: job.output, accuracy: accuracy, cost: cost, unit: unit, kept: kept)
    if options.json { return try Output.json(report) }
    Output.line(
      "\(job.output): \(Output.percent(accuracy)) of held-out samples, \(Output.fixed(cost, 3)) \(unit), "
        + "\(kept.count) layers compare\(kept.isEmpty ? "" : ": " + kept.joined(separator: ", "))")
  }

  private func settings(_ configuration: SearchConfiguration, _ job: Job) -> [[String]] {
    var rows = configuration.training.settings
    guard job.fixed == nil else { return rows }
    switch configuration.objective {
    case .penalty(let lambda): rows.append(["lambda (loss a millisecond)", "\(lambda)"])
    case .latencyBudget(let budget): rows.append(["latency budget", "\(budget) ms"])
    case .comparisonBudget(let budget): rows.append(["comparison budget", "\(budget)"])
    }
    rows += [
      ["order", "\(configuration.order.rawValue)"], ["architecture's rate", "\(configuration.alphaRate)"],
      ["architecture's decay", "\(configuration.alphaDecay)"], ["warm-up epochs", "\(configuration.warmUpEpochs)"],
      ["fine-tuning epochs", "\(command.finetuneEpochs)"], ["latencies", device],
    ]
    return rows
  }
}
