public import Networks
import Rings

/// What a training run tells while it runs.
public enum TrainingEvent: Sendable {
  /// After a step.
  case step(StepProgress)
  /// After an epoch and its evaluation, with the seconds that the rest will take.
  case epoch(EpochRecord, remainingSeconds: Double)
  /// A checkpoint is on the disk.
  case checkpointWritten(path: String)
  /// A checkpoint could not be written; the one before is untouched, and training goes on.
  case checkpointFailed(TrainingError)
}

/// Where a training run stands.
public struct StepProgress: Codable, Sendable {
  /// Epoch, from 1.
  public var epoch: Int
  /// Step of the epoch, from 1.
  public var step: Int
  /// Steps of an epoch.
  public var steps: Int
  /// Mean loss of the epoch so far.
  public var loss: Double
  /// Share of the epoch's samples so far that were classified correctly.
  public var accuracy: Double
  /// Training pictures a second in this epoch.
  public var imagesPerSecond: Double
  /// Seconds that the rest of the run will take.
  public var remainingSeconds: Double
}

/// What a training run gives.
public struct TrainingResult: Sendable {
  /// The network.
  public var graph: Graph
  /// Its parameters after the last finished epoch.
  public var parameters: Parameters
  /// The course of the run.
  public var history: TrainingHistory
  /// False where the run was stopped early.
  public var finished: Bool
  /// The last checkpoint's failure, where it could not be written.
  public var checkpointFailure: TrainingError?
}

/// A trained network that a pupil follows.
public struct Teacher: Sendable {
  /// Its layers.
  public var graph: Graph
  /// Its parameters.
  public var parameters: Parameters

  /// Puts both together.
  public init(graph: Graph, parameters: Parameters) {
    self.graph = graph
    self.parameters = parameters
  }
}

/// Trains a network as a configuration says. Orders and augmentation are drawn from streams of (seed, epoch, step), so
/// a checkpoint needs no generator's state and a resumed run equals an uninterrupted one bit for bit.
public final class Trainer {
  /// The configuration.
  public let configuration: TrainingConfiguration
  /// The network being trained.
  public let graph: Graph
  /// Where a checkpoint is written after every epoch; nil writes none.
  public var checkpointPath: String?
  /// The course so far.
  public private(set) var history = TrainingHistory()

  private let workers: Workers
  private let executor: GraphExecutor
  private let optimizer: Optimizer
  private let training: Batcher
  private let test: Batcher
  private let teacher: GraphExecutor?

  /// Prepares a run from freshly initialised parameters, or from `initial`.
  ///
  /// - Parameters:
  ///   - graph: the network, where it is not the one that the configuration names: a searched one, for example.
  ///   - initial: parameters to start from; those that the graph has beyond them are fresh ones (activations by STPAI).
  ///   - teacher: what the configuration's distillation follows.
  /// - Throws: ``TrainingError`` where configuration, data and network do not fit.
  public convenience init(
    configuration: TrainingConfiguration, data: DataSplit, graph: Graph? = nil, initial: Parameters? = nil,
    teacher: Teacher? = nil
  ) throws {
    try self.init(
      configuration: configuration, data: data, graph: graph, initial: initial, teacher: teacher, isFresh: true)
  }

  private init(
    configuration: TrainingConfiguration, data: DataSplit, graph: Graph?, initial: Parameters?, teacher: Teacher?,
    isFresh: Bool
  ) throws {
    try configuration.validate()
    self.configuration = configuration
    let graph = try graph ?? configuration.makeGraph()
    self.graph = graph
    guard (configuration.distillation != nil) == (teacher != nil) else {
      throw TrainingError.badConfiguration(field: "distillation", reason: "it needs a teacher, and a teacher needs it")
    }
    let limit = min(configuration.trainingLimit ?? data.training.count, data.training.count)
    training = try Batcher(dataset: data.training, graph: graph, chosen: Array(0..<limit))
    test = try Batcher(dataset: data.test, graph: graph)
    guard limit >= configuration.batch else {
      throw TrainingError.badConfiguration(
        field: "batch", reason: "\(configuration.batch) is more than the \(limit) training samples")
    }
    workers = Workers(threads: configuration.threads)
    var parameters = try Parameters.initialize(
      graph, seed: configuration.seed, square: configuration.initialSquare)
    if let initial { parameters.carryOver(initial) }
    let clip = SearchSpace.clip(network: configuration.network)
    if isFresh {
      try parameters.initializeActivations(
        of: graph, configuration: configuration, clip: clip, batcher: training, workers: workers)
    }
    let space = try SearchSpace(graph, clip: clip, pools: false)
    executor = try GraphExecutor(space: space, parameters: parameters, workers: workers, mode: .scheduled)
    if let teacher {
      self.teacher = try GraphExecutor(graph: teacher.graph, parameters: teacher.parameters, workers: workers)
      guard teacher.graph.input == graph.input, try teacher.graph.shapes().last == graph.shapes().last else {
        throw TrainingError.dataDoesNotFit(reason: "teacher and pupil differ in input or classes")
      }
    } else {
      self.teacher = nil
    }
    optimizer = Optimizer(executor: executor, configuration: configuration)
  }

  /// Goes on from a checkpoint of the same configuration (threads and data path may differ).
  ///
  /// - Throws: ``TrainingError``
  public convenience init(
    resuming path: String, configuration: TrainingConfiguration, data: DataSplit, graph: Graph? = nil,
    teacher: Teacher? = nil
  ) throws {
    let checkpoint = try Checkpoint.read(path)
    guard checkpoint.header.search == nil, checkpoint.header.configuration.isSameRun(as: configuration) else {
      throw TrainingError.checkpointMismatch(path: path, reason: "it belongs to another configuration")
    }
    guard checkpoint.header.graph == (try graph ?? configuration.makeGraph()) else {
      throw TrainingError.checkpointMismatch(path: path, reason: "it belongs to another network")
    }
    try self.init(
      configuration: configuration, data: data, graph: graph, initial: checkpoint.parameters, teacher: teacher,
      isFresh: false)
    try optimizer.load(checkpoint.momenta)
    history = checkpoint.header.history
    checkpointPath = path
  }

  /// Trains to the end, or until `shouldStop` says so between two steps (the epoch begun is then dropped).
  ///
  /// - Throws: ``TrainingError/diverged(epoch:step:)``
  public func run(
    progress: (TrainingEvent) -> Void = { _ in }, shouldStop: () -> Bool = { false }
  ) throws -> TrainingResult {
    let batchSize = configuration.batch
    let stepsPerEpoch = training.count / batchSize
    let schedule = CosineSchedule(
      peak: configuration.learningRate, final: configuration.finalLearningRate,
      warmUpSteps: Int(configuration.warmUpEpochs * Float(stepsPerEpoch)), steps: configuration.epochs * stepsPerEpoch)
    let shape = graph.input
    let batch = FloatTensor(
      shape: BatchShape(channels: shape.channels, samples: batchSize, height: shape.height, width: shape.width))
    let clock = ContinuousClock()
    let start = clock.now
    let firstEpoch = history.epochs.count
    var failure: TrainingError?
    var parameters = executor.parameters
    for epoch in firstEpoch..<max(configuration.epochs, firstEpoch) {
      var meter = EpochMeter()
      let epochStart = clock.now
      var generator = stream(epoch: epoch, step: 0)
      let order = Array(0..<training.count).shuffled(using: &generator)
      for step in 0..<stepsPerEpoch {
        if shouldStop() {
          return TrainingResult(
            graph: graph, parameters: parameters, history: history, finished: false, checkpointFailure: failure)
        }
        let indices = order[step * batchSize..<(step + 1) * batchSize]
        var augmentation = stream(epoch: epoch, step: step + 1)
        training.fill(
          batch, indices, shift: configuration.shift, flip: configuration.flip, generator: &augmentation)
        let share = polynomialShare(step: epoch * stepsPerEpoch + step, stepsPerEpoch: stepsPerEpoch)
        executor.setPolynomialShare(share)
        var terms = GraphExecutor.StepTerms()
        if let teacher, let distillation = configuration.distillation {
          terms.teacher = (teacher.logitsTensor(batch: batch), distillation.weight, distillation.temperature)
        }
        let result = executor.differentiate(
          batch: batch, labels: training.labels(indices), options: configuration.loss, terms: terms)
        let rate = schedule.rate(step: epoch * stepsPerEpoch + step)
        guard result.loss.isFinite, optimizer.step(rate: rate).isFinite else {
          throw TrainingError.diverged(epoch: epoch + 1, step: step + 1)
        }
        meter.add(loss: result.loss, penalty: result.penalty, correct: result.correct, samples: batchSize)
        let elapsed = (clock.now - start).inSeconds
        let done = Double((epoch - firstEpoch) * stepsPerEpoch + step + 1)
        let left = Double((configuration.epochs - firstEpoch) * stepsPerEpoch) - done
        progress(
          .step(
            StepProgress(
              epoch: epoch + 1, step: step + 1, steps: stepsPerEpoch, loss: meter.meanLoss, accuracy: meter.accuracy,
              imagesPerSecond: Double(meter.samples) / max((clock.now - epochStart).inSeconds, 1e-9),
              remainingSeconds: elapsed / done * left)))
      }
      settleStatistics(epoch: epoch, order, batch)
      let seconds = (clock.now - epochStart).inSeconds
      let judged = evaluate()
      let record = EpochRecord(
        epoch: epoch + 1, rate: schedule.rate(step: (epoch + 1) * stepsPerEpoch - 1), trainingLoss: meter.meanLoss,
        penalty: meter.meanPenalty, trainingAccuracy: meter.accuracy,
        testLoss: judged.loss.isFinite ? judged.loss : .greatestFiniteMagnitude,
        testAccuracy: judged.accuracy, seconds: seconds, imagesPerSecond: Double(meter.samples) / max(seconds, 1e-9))
      history.epochs.append(record)
      parameters = executor.parameters
      let elapsed = (clock.now - start).inSeconds
      let done = epoch + 1 - firstEpoch
      progress(.epoch(record, remainingSeconds: elapsed / Double(done) * Double(configuration.epochs - epoch - 1)))
      failure = writeCheckpoint(parameters, progress)
    }
    return TrainingResult(
      graph: graph, parameters: parameters, history: history, finished: true, checkpointFailure: failure)
  }

  /// Where quadratics are normalised, finds what inference normalises with at the end of an epoch, from as many of its
  /// batches as an eighth of it, 8 to 32.
  private func settleStatistics(epoch: Int, _ order: [Int], _ batch: FloatTensor) {
    guard graph.normalizesQuadratics else { return }
    let steps = training.count / configuration.batch
    executor.settleStatistics(batches: min(steps, max(8, min(32, steps / 8)))) { index in
      var augmentation = stream(epoch: epoch, step: index + 1)
      training.fill(
        batch, order[index * configuration.batch..<(index + 1) * configuration.batch], shift: configuration.shift,
        flip: configuration.flip, generator: &augmentation)
      return batch
    }
  }

  /// Weight of the quadratic in a step of gradual replacement.
  private func polynomialShare(step: Int, stepsPerEpoch: Int) -> Float {
    let steps = configuration.gradualEpochs * Float(stepsPerEpoch)
    return steps > 0 ? min(1, Float(step) / steps) : 1
  }

  /// Loss and accuracy on the held-out samples.
  public func evaluate() -> Evaluation { Evaluation.run(executor, test) }

  private func writeCheckpoint(_ parameters: Parameters, _ progress: (TrainingEvent) -> Void) -> TrainingError? {
    guard let path = checkpointPath else { return nil }
    do {
      try Checkpoint(
        configuration: configuration, graph: graph, history: history, parameters: parameters, momenta: optimizer.state
      ).write(to: path)
      progress(.checkpointWritten(path: path))
      return nil
    } catch {
      progress(.checkpointFailed(error))
      return error
    }
  }

  private func stream(epoch: Int, step: Int) -> SeededGenerator {
    SeededGenerator.stream(seed: configuration.seed, epoch: epoch, step: step)
  }
}

extension SeededGenerator {
  /// A generator of its own for every step.
  static func stream(seed: UInt64, epoch: Int, step: Int) -> SeededGenerator {
    var mixer = SeededGenerator(seed: seed)
    let key = mixer.next() &+ UInt64(epoch) &* 0xD1B5_4A32_D192_ED03 &+ UInt64(step) &* 0x8CB9_2BA7_2F3D_8DD7
    var outer = SeededGenerator(seed: key)
    return SeededGenerator(seed: outer.next())
  }
}

extension Parameters {
  /// Takes over what has the same key and size.
  public mutating func carryOver(_ other: Parameters) {
    for key in keys where other[key.node, key.name].count == self[key.node, key.name].count {
      self[key.node, key.name] = other[key.node, key.name]
    }
  }

  /// Sets the quadratics as a configuration says.
  mutating func initializeActivations(
    of graph: Graph, configuration: TrainingConfiguration, clip: Float, batcher: Batcher, workers: Workers
  ) throws {
    switch configuration.initialization {
    case .given: break
    case .stpai:
      for key in keys {
        let value: Float? =
          switch key.name {
          case .w1: configuration.initialSquare
          case .w2: 1
          case .b: 0
          default: nil
          }
        if let value {
          self[key.node, key.name] = [Float](repeating: value, count: self[key.node, key.name].count)
        }
      }
    case .moments:
      let shape = graph.input
      var generator = SeededGenerator(seed: configuration.seed)
      let batches = (0..<4).compactMap { index -> FloatTensor? in
        let range = index * configuration.batch..<(index + 1) * configuration.batch
        guard range.upperBound <= batcher.count else { return nil }
        let batch = FloatTensor(
          shape: BatchShape(
            channels: shape.channels, samples: configuration.batch, height: shape.height, width: shape.width))
        batcher.fill(batch, Array(range)[...], generator: &generator)
        return batch
      }
      try setActivationsByMoments(of: graph, clip: clip, batches: batches, workers: workers)
    }
  }
}

/// Running sums of an epoch.
struct EpochMeter {
  var steps = 0
  var samples = 0
  private var loss = 0.0
  private var penalty = 0.0
  private var correct = 0

  mutating func add(loss: Float, penalty: Float, correct: Int, samples: Int) {
    steps += 1
    self.samples += samples
    self.loss += Double(loss)
    self.penalty += Double(penalty)
    self.correct += correct
  }

  var meanLoss: Double { loss / Double(max(steps, 1)) }
  var meanPenalty: Double { penalty / Double(max(steps, 1)) }
  var accuracy: Double { Double(correct) / Double(max(samples, 1)) }
}

extension Duration {
  /// The duration as seconds.
  var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
