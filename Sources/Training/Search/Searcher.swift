import Glibc
public import Networks
import Rings

/// What a search tells while it runs.
public enum SearchEvent: Sendable {
  /// After a step.
  case step(StepProgress)
  /// After an epoch, with the seconds that the rest will take.
  case epoch(SearchEpoch, remainingSeconds: Double)
  /// A checkpoint is on the disk.
  case checkpointWritten(path: String)
  /// A checkpoint could not be written; the one before is untouched, and the search goes on.
  case checkpointFailed(TrainingError)
}

/// What a search gives.
public struct SearchResult: Sendable {
  /// The found network.
  public var graph: Graph
  /// Its parameters, as the search left them: the start of fine-tuning.
  public var parameters: Parameters
  /// What was decided, layer by layer.
  public var decisions: [LayerDecision]
  /// Cost of the found network, in the unit of the costs.
  public var cost: Double
  /// Cost with every comparison, and with none.
  public var costRange: (all: Double, none: Double)
  /// The course of the search.
  public var history: [SearchEpoch]
  /// False where it was stopped early.
  public var finished: Bool
  /// The last checkpoint's failure, where it could not be written.
  public var checkpointFailure: TrainingError?
}

/// Finds which layers keep their comparison: every layer computes both forms, weighed by the softmax of two trained
/// numbers, and those numbers pay for the expected cost (PolyMPCNet; ``Bilevel``). Resumes bit for bit, as ``Trainer``.
///
/// Under a penalty the loss is `cross-entropy + lambda * expected milliseconds`. Under a budget B it is
/// `cross-entropy + m * expected cost / B`, and the multiplier m >= 0 follows the constraint by dual ascent: after every
/// step it moves by `dualRate * (expected cost / B - 1)`. What the largest alphas give may still exceed B, because
/// expected cost is not that of the largest; then the comparisons with the least lead of alpha for what they cost are
/// given up until it fits.
public final class Searcher {
  /// The configuration.
  public let configuration: SearchConfiguration
  /// The layers with a choice.
  public let space: SearchSpace
  /// What their forms cost.
  public let costs: ChoiceCosts
  /// Where a checkpoint is written after every epoch; nil writes none.
  public var checkpointPath: String?
  /// The course so far.
  public private(set) var history: [SearchEpoch] = []

  let executor: GraphExecutor
  private let optimizer: Optimizer
  private let weightsData: Batcher
  private let alphaData: Batcher
  private var alphas: [Double]
  private var adam: Adam
  private(set) var multiplier: Double

  /// Prepares a search from fresh parameters, or from `initial` (a pretrained network, by STPAI).
  ///
  /// - Throws: ``TrainingError`` where configuration, data, network and costs do not fit.
  public init(
    configuration: SearchConfiguration, data: DataSplit, costs: ChoiceCosts, initial: Parameters? = nil
  ) throws {
    try configuration.validate()
    self.configuration = configuration
    self.costs = costs
    let space = try configuration.makeSpace()
    self.space = space
    precondition(costs.layers.count == space.layers.count, "one cost a layer")
    let training = configuration.training
    let all = min(training.trainingLimit ?? data.training.count, data.training.count)
    var generator = SeededGenerator.stream(seed: training.seed ^ 0x5EA2_C4, epoch: 0, step: 0)
    let order = Array(0..<all).shuffled(using: &generator)
    let boundary = all - Int(Float(all) * configuration.validationShare)
    weightsData = try Batcher(
      dataset: data.training, graph: space.polynomial, chosen: Array(order[..<boundary]))
    alphaData = try Batcher(
      dataset: data.training, graph: space.polynomial, chosen: Array(order[boundary...]))
    guard min(weightsData.count, alphaData.count) >= training.batch else {
      throw TrainingError.badConfiguration(
        field: "batch", reason: "\(training.batch) is more than a part of the \(all) training samples")
    }
    let workers = Workers(threads: training.threads)
    var parameters = try Parameters.initialize(
      space.polynomial, seed: training.seed, square: training.initialSquare)
    if let initial { parameters.carryOver(initial) }
    try parameters.initializeActivations(
      of: space.polynomial, configuration: training, clip: space.clip, batcher: weightsData, workers: workers)
    executor = try GraphExecutor(space: space, parameters: parameters, workers: workers, mode: .learned)
    optimizer = Optimizer(executor: executor, configuration: training)
    alphas = [Double](repeating: 0, count: 2 * space.layers.count)
    adam = Adam(
      rate: Double(configuration.alphaRate), decay: Double(configuration.alphaDecay), count: alphas.count)
    if case .penalty(let lambda) = configuration.objective { multiplier = lambda } else { multiplier = 0 }
  }

  /// Goes on from a checkpoint of the same search.
  ///
  /// - Throws: ``TrainingError``
  public convenience init(
    resuming path: String, configuration: SearchConfiguration, data: DataSplit, costs: ChoiceCosts
  ) throws {
    let checkpoint = try Checkpoint.read(path)
    guard let state = checkpoint.header.search, state.configuration.isSameRun(as: configuration) else {
      throw TrainingError.checkpointMismatch(path: path, reason: "it belongs to another configuration, or no search")
    }
    guard state.space == (try configuration.makeSpace()), state.costs == Self.flat(costs),
      state.alphas.count == 2 * state.space.layers.count, state.adamFirst.count == state.alphas.count,
      state.adamSecond.count == state.alphas.count, state.history.count <= configuration.training.epochs
    else {
      throw TrainingError.checkpointMismatch(path: path, reason: "its network or its latency table differs")
    }
    try self.init(configuration: configuration, data: data, costs: costs)
    try executor.load(checkpoint.parameters)
    try optimizer.load(checkpoint.momenta)
    alphas = state.alphas
    adam.restore(step: state.adamStep, first: state.adamFirst, second: state.adamSecond)
    multiplier = state.multiplier
    history = state.history
    writeAlphas()
    checkpointPath = path
  }

  /// Searches to the end, or until `shouldStop` says so between two steps (the epoch begun is then dropped).
  ///
  /// - Throws: ``TrainingError/diverged(epoch:step:)``
  public func run(
    progress: (SearchEvent) -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> SearchResult {
    let training = configuration.training
    let stepsPerEpoch = weightsData.count / training.batch
    let schedule = CosineSchedule(
      peak: training.learningRate, final: training.finalLearningRate,
      warmUpSteps: Int(training.warmUpEpochs * Float(stepsPerEpoch)), steps: training.epochs * stepsPerEpoch)
    let clock = ContinuousClock()
    let start = clock.now
    let firstEpoch = history.count
    var failure: TrainingError?
    for epoch in firstEpoch..<max(training.epochs, firstEpoch) {
      let epochStart = clock.now
      var (weightMeter, alphaMeter) = (EpochMeter(), EpochMeter())
      var generator = SeededGenerator.stream(seed: training.seed, epoch: epoch, step: 0)
      let order = Array(0..<weightsData.count).shuffled(using: &generator)
      let alphaOrder = Array(0..<alphaData.count).shuffled(using: &generator)
      for step in 0..<stepsPerEpoch {
        if shouldStop() { return result(finished: false, failure: failure) }
        let rate = schedule.rate(step: epoch * stepsPerEpoch + step)
        var augmentation = SeededGenerator.stream(seed: training.seed, epoch: epoch, step: step + 1)
        let lower = step * training.batch
        let weightsBatch = sample(weightsData, order[lower..<lower + training.batch], &augmentation)
        if epoch >= configuration.warmUpEpochs {
          // The architecture's samples may be fewer: they are gone through again.
          let chosen = (lower..<lower + training.batch).map { alphaOrder[$0 % alphaOrder.count] }
          let problem = SearchProblem(
            executor: executor, training: weightsBatch, validation: sample(alphaData, chosen[...], &augmentation),
            options: training.loss, costs: weighedCosts)
          moveArchitecture(problem, rate: rate)
          alphaMeter.add(
            loss: problem.last.loss, penalty: problem.last.penalty, correct: problem.last.correct,
            samples: training.batch)
        }
        let judged = executor.differentiate(
          batch: weightsBatch.batch, labels: weightsBatch.labels, options: training.loss,
          terms: GraphExecutor.StepTerms())
        guard judged.loss.isFinite, optimizer.step(rate: rate).isFinite, alphas.allSatisfy(\.isFinite) else {
          throw TrainingError.diverged(epoch: epoch + 1, step: step + 1)
        }
        weightMeter.add(
          loss: judged.loss, penalty: judged.penalty, correct: judged.correct, samples: training.batch)
        let done = Double((epoch - firstEpoch) * stepsPerEpoch + step + 1)
        let left = Double((training.epochs - firstEpoch) * stepsPerEpoch) - done
        progress(
          .step(
            StepProgress(
              epoch: epoch + 1, step: step + 1, steps: stepsPerEpoch, loss: weightMeter.meanLoss,
              accuracy: weightMeter.accuracy,
              imagesPerSecond: Double(weightMeter.samples) / max((clock.now - epochStart).inSeconds, 1e-9),
              remainingSeconds: (clock.now - start).inSeconds / done * left)))
      }
      let seconds = (clock.now - epochStart).inSeconds
      let record = SearchEpoch(
        epoch: epoch + 1, rate: schedule.rate(step: (epoch + 1) * stepsPerEpoch - 1),
        trainingLoss: weightMeter.meanLoss, trainingAccuracy: weightMeter.accuracy,
        validationLoss: alphaMeter.meanLoss, validationAccuracy: alphaMeter.accuracy,
        expectedCost: costs.expected(comparisonShares), multiplier: multiplier, comparisonShares: comparisonShares,
        seconds: seconds, imagesPerSecond: Double(weightMeter.samples) / max(seconds, 1e-9))
      history.append(record)
      let done = Double(epoch + 1 - firstEpoch)
      progress(
        .epoch(
          record, remainingSeconds: (clock.now - start).inSeconds / done * Double(training.epochs - epoch - 1)))
      failure = writeCheckpoint(progress)
    }
    return result(finished: true, failure: failure)
  }

  // MARK: Architecture

  /// Weight of the comparison in every layer.
  var comparisonShares: [Double] {
    space.layers.indices.map { index in
      1 / (1 + exp(alphas[2 * index + 1] - alphas[2 * index]))
    }
  }

  /// The budget, in the unit of the costs.
  private var budget: Double? {
    switch configuration.objective {
    case .penalty: nil
    case .latencyBudget(let milliseconds): milliseconds
    case .comparisonBudget(let count): Double(count)
    }
  }

  /// What the loss takes for every unit of share.
  private var weighedCosts: [(comparison: Float, polynomial: Float)] {
    let factor = multiplier / (budget ?? 1)
    return costs.layers.map { (Float(factor * $0.comparison), Float(factor * $0.polynomial)) }
  }

  private func moveArchitecture(_ problem: SearchProblem, rate: Float) {
    let gradient =
      configuration.order == .first
      ? Bilevel.firstOrder(problem) : Bilevel.secondOrder(problem, rate: rate)
    adam.update(&alphas, gradient: gradient)
    writeAlphas()
    if let budget {
      let excess = costs.expected(comparisonShares) / budget - 1
      multiplier = max(0, multiplier + Double(configuration.dualRate) * excess)
    }
  }

  private func writeAlphas() {
    for (index, gate) in executor.gates.enumerated() {
      gate.numbers.pointer[0] = Float(alphas[2 * index])
      gate.numbers.pointer[1] = Float(alphas[2 * index + 1])
    }
  }

  /// The choices of the largest alphas, and which of them the budget took away.
  func choices() -> (keeps: [Bool], givenUp: Set<Int>) {
    var keeps = space.layers.indices.map { alphas[2 * $0] > alphas[2 * $0 + 1] }
    var givenUp: Set<Int> = []
    guard let budget else { return (keeps, givenUp) }
    func lead(_ index: Int) -> Double {
      let saved = costs.layers[index].comparison - costs.layers[index].polynomial
      return (alphas[2 * index] - alphas[2 * index + 1]) / max(saved, 1e-12)
    }
    while costs.total(keepsComparison: keeps) > budget {
      let candidates = keeps.indices.filter { keeps[$0] && costs.layers[$0].comparison > costs.layers[$0].polynomial }
      guard let least = candidates.min(by: { lead($0) < lead($1) }) else { break }
      keeps[least] = false
      givenUp.insert(least)
    }
    return (keeps, givenUp)
  }

  private func result(finished: Bool, failure: TrainingError?) -> SearchResult {
    let (keeps, givenUp) = choices()
    let graph = space.derive(keepsComparison: keeps)
    let total = costs.total(keepsComparison: keeps)
    let shares = comparisonShares
    let decisions = space.layers.indices.map { index in
      let pair = costs.layers[index]
      let own = keeps[index] ? pair.comparison : pair.polynomial
      return LayerDecision(
        layer: space.layers[index].name, kept: space.layers[index].choice(keepsComparison: keeps[index]),
        reason: givenUp.contains(index) ? .budget : .argmax, comparisonShare: shares[index],
        comparisonCost: pair.comparison, polynomialCost: pair.polynomial, costShare: total > 0 ? own / total : 0)
    }
    return SearchResult(
      graph: graph, parameters: SearchSpace.parameters(executor.parameters, for: graph), decisions: decisions,
      cost: total,
      costRange: (
        costs.total(keepsComparison: keeps.map { _ in true }), costs.total(keepsComparison: keeps.map { _ in false })
      ), history: history, finished: finished, checkpointFailure: failure)
  }

  // MARK: Batches and checkpoints

  private func sample(
    _ batcher: Batcher, _ indices: ArraySlice<Int>, _ generator: inout SeededGenerator
  ) -> LabelledBatch {
    let shape = space.polynomial.input
    let batch = FloatTensor(
      shape: BatchShape(channels: shape.channels, samples: indices.count, height: shape.height, width: shape.width))
    let training = configuration.training
    batcher.fill(batch, indices, shift: training.shift, flip: training.flip, generator: &generator)
    return LabelledBatch(batch: batch, labels: batcher.labels(indices))
  }

  private static func flat(_ costs: ChoiceCosts) -> [Double] {
    [costs.fixed] + costs.layers.flatMap { [$0.comparison, $0.polynomial] }
  }

  private func writeCheckpoint(_ progress: (SearchEvent) -> Void) -> TrainingError? {
    guard let path = checkpointPath else { return nil }
    let state = SearchState(
      configuration: configuration, space: space, costs: Self.flat(costs), history: history, alphas: alphas,
      adamStep: adam.step, adamFirst: adam.first, adamSecond: adam.second, multiplier: multiplier)
    do {
      try Checkpoint(
        configuration: configuration.training, graph: space.polynomial, history: TrainingHistory(),
        parameters: executor.parameters, momenta: optimizer.state, search: state
      ).write(to: path)
      progress(.checkpointWritten(path: path))
      return nil
    } catch {
      progress(.checkpointFailed(error))
      return error
    }
  }
}

/// A batch and its labels.
struct LabelledBatch {
  let batch: FloatTensor
  let labels: [Int]
}

/// One step's two batches, as a bilevel problem.
final class SearchProblem: BilevelProblem {
  private let executor: GraphExecutor
  private let training: LabelledBatch
  private let validation: LabelledBatch
  private let options: GraphExecutor.LossOptions
  private let costs: [(comparison: Float, polynomial: Float)]
  /// What the last validation batch came to.
  private(set) var last = GraphExecutor.StepLoss()

  init(
    executor: GraphExecutor, training: LabelledBatch, validation: LabelledBatch, options: GraphExecutor.LossOptions,
    costs: [(comparison: Float, polynomial: Float)]
  ) {
    self.executor = executor
    self.training = training
    self.validation = validation
    self.options = options
    self.costs = costs
  }

  var weights: [FloatTensor] { executor.slots.map(\.value) }
  var weightGradients: [FloatTensor] { executor.slots.map(\.gradient) }

  func differentiateTraining() -> [Double] {
    // The cost of the architecture does not depend on the weights: it would cancel.
    _ = executor.differentiate(
      batch: training.batch, labels: training.labels, options: options,
      terms: GraphExecutor.StepTerms(movesStatistics: false))
    return gradients
  }

  func differentiateValidation() -> [Double] {
    last = executor.differentiate(
      batch: validation.batch, labels: validation.labels, options: options,
      terms: GraphExecutor.StepTerms(costs: costs, movesStatistics: false))
    return gradients
  }

  private var gradients: [Double] {
    executor.gates.flatMap { [Double($0.gradient.pointer[0]), Double($0.gradient.pointer[1])] }
  }
}
