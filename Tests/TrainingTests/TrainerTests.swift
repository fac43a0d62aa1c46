import Foundation
import Networks
import Rings
import Testing

@testable import Training

@Suite struct TrainerTests {
  private func short(epochs: Int = 3, limit: Int? = 320) -> TrainingConfiguration {
    var configuration = Recipes.digits()
    configuration.epochs = epochs
    configuration.trainingLimit = limit
    return configuration
  }

  @Test func learnsDigits() throws {
    var configuration = Recipes.digits()
    configuration.epochs = 30
    let data = try DataSplit.load(.digits, path: nil)
    var steps = 0
    let result = try Trainer(configuration: configuration, data: data).run { event in
      if case .step = event { steps += 1 }
    }
    #expect(steps == 30 * (1437 / 32))
    #expect(result.finished && result.history.epochs.count == 30)
    let judged = try Evaluation.run(graph: result.graph, parameters: result.parameters, dataset: data.test)
    #expect(judged.accuracy >= 0.95)
    #expect(judged.accuracy == result.history.epochs.last?.testAccuracy)
    #expect(judged.magnitudes.allSatisfy { $0 < 64 })
  }

  @Test func threadsAndRepetitionChangeNothing() throws {
    let data = try DataSplit.load(.digits, path: nil)
    var results: [Parameters] = []
    for threads in [1, 1, 2, 3] {
      var configuration = short()
      configuration.threads = threads
      results.append(try Trainer(configuration: configuration, data: data).run().parameters)
    }
    for other in results.dropFirst() { #expect(other == results[0]) }
    var seeded = short()
    seeded.seed = 2
    #expect(try Trainer(configuration: seeded, data: data).run().parameters != results[0])
  }

  @Test func resumesBitForBit() throws {
    let data = try DataSplit.load(.digits, path: nil)
    let scratch = try ScratchFolder()
    let path = scratch.path + "/run.checkpoint"
    let whole = try Trainer(configuration: short(), data: data).run()

    let first = try Trainer(configuration: short(), data: data)
    first.checkpointPath = path
    // Stopped in the middle of the second epoch.
    var calls = 0
    let stopped = try first.run(shouldStop: {
      calls += 1
      return calls > 15
    })
    #expect(!stopped.finished && stopped.history.epochs.count == 1)
    let second = try Trainer(resuming: path, configuration: short(), data: data)
    let resumed = try second.run()
    let isSame = resumed.parameters == whole.parameters
    #expect(isSame)
    #expect(resumed.history.epochs.map(\.trainingLoss) == whole.history.epochs.map(\.trainingLoss))
    #expect(resumed.history.epochs.map(\.testAccuracy) == whole.history.epochs.map(\.testAccuracy))
    #expect(throws: TrainingError.checkpointMismatch(path: path, reason: "it belongs to another configuration")) {
      try Trainer(resuming: path, configuration: short(epochs: 4), data: data)
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["run.checkpoint"])
  }

  @Test func damagedCheckpointsAreRefused() throws {
    let data = try DataSplit.load(.digits, path: nil)
    let scratch = try ScratchFolder()
    let path = scratch.path + "/run.checkpoint"
    let trainer = try Trainer(configuration: short(epochs: 1), data: data)
    trainer.checkpointPath = path
    _ = try trainer.run()
    #expect(try Checkpoint.read(path).graph == trainer.graph)
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
    for length in [0, 7, 19, 200, bytes.count / 2, bytes.count - 1] {
      let cut = try scratch.write("cut", Array(bytes.prefix(length)))
      #expect(throws: TrainingError.self) { try Checkpoint.read(cut) }
    }
    for position in [3, 12, 100, bytes.count / 2, bytes.count - 2] {
      var flipped = bytes
      flipped[position] ^= 16
      let damaged = try scratch.write("damaged", flipped)
      #expect(throws: TrainingError.self) { try Checkpoint.read(damaged) }
    }
  }

  /// A folder that cannot take the file stands for the full disk: the write fails, the old checkpoint stays, training
  /// ends well.
  @Test func failedCheckpointKeepsTheOldOne() async throws {
    await #expect(processExitsWith: .success) {
      let scratch = try ScratchFolder()
      let path = scratch.path + "/run.checkpoint"
      var configuration = Recipes.digits()
      configuration.epochs = 2
      configuration.trainingLimit = 64
      let trainer = try Trainer(configuration: configuration, data: try DataSplit.load(.digits, path: nil))
      trainer.checkpointPath = path
      // Files of this process may grow to 1 kB after the first epoch: write(2) fails as it does on a full disk.
      signal(SIGXFSZ, SIG_IGN)
      var kept: Data?
      var failures: [TrainingError] = []
      let result = try trainer.run { event in
        if case .checkpointWritten = event {
          kept = try? Data(contentsOf: URL(fileURLWithPath: path))
          var limit = rlimit(rlim_cur: 1024, rlim_max: 1024)
          setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
        }
        if case .checkpointFailed(let error) = event { failures.append(error) }
      }
      precondition(result.finished && result.history.epochs.count == 2)
      precondition(failures.count == 1 && failures[0].description.contains("untouched"))
      precondition(result.checkpointFailure == failures[0])
      let after = try Data(contentsOf: URL(fileURLWithPath: path))
      precondition(after == kept!)
      let files = try FileManager.default.contentsOfDirectory(atPath: scratch.path)
      precondition(files == ["run.checkpoint"])
    }
  }

  @Test func badConfigurationsAreNamed() throws {
    let changes: [(String, (inout TrainingConfiguration) -> Void)] = [
      ("network", { $0.network = "alexnet" }), ("epochs", { $0.epochs = 0 }), ("batch", { $0.batch = 0 }),
      ("learningRate", { $0.learningRate = .nan }), ("momentum", { $0.momentum = 1 }), ("shift", { $0.shift = -1 }),
      ("loss.labelSmoothing", { $0.loss.labelSmoothing = 1 }), ("threads", { $0.threads = 0 }),
      ("clipNorm", { $0.clipNorm = -1 }),
    ]
    for (field, change) in changes {
      var configuration = short()
      change(&configuration)
      let error = #expect(throws: TrainingError.self) { try configuration.validate() }
      #expect(error?.description.contains("training configuration, \(field)") == true)
    }
    var large = short()
    large.batch = 2000
    let data = try DataSplit.load(.digits, path: nil)
    #expect(throws: TrainingError.self) { try Trainer(configuration: large, data: data) }
    var other = short()
    other.network = "lenet"
    #expect(throws: TrainingError.self) { try Trainer(configuration: other, data: data) }
  }

  @Test func divergenceIsReported() throws {
    var configuration = short()
    configuration.learningRate = 1e30
    configuration.clipNorm = 0
    let trainer = try Trainer(configuration: configuration, data: try DataSplit.load(.digits, path: nil))
    #expect(throws: TrainingError.self) { try trainer.run() }
  }

  @Test func configurationSurvivesJSON() throws {
    let configuration = Recipes.mnist(folder: "/data")
    let json = try JSONEncoder().encode(configuration)
    #expect(try JSONDecoder().decode(TrainingConfiguration.self, from: json) == configuration)
  }

  /// Only tensors that a later node reads are held: at most the widest node's operands, its result and a shortcut, of
  /// each of the three sizes, against some seventy tensors of a whole pass.
  @Test func inferenceHoldsFewTensors() throws {
    let graph = Builders.named("resnet20", activation: .x2act(X2actSpec()))!
    let parameters = try Parameters.initialize(graph, seed: 3)
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 1))
    let batch = FloatTensor(shape: BatchShape(channels: 3, samples: 2, height: 32, width: 32))
    let first = executor.evaluate(batch: batch, labels: [0, 1]).loss
    let sizes = try graph.shapes().map { 2 * $0.count }
    #expect(executor.tape.pool.allocated < 5 * Set(sizes).reduce(0, +))
    #expect(5 * executor.tape.pool.allocated < sizes.reduce(0, +))
    let held = executor.tape.pool.allocated
    #expect(executor.evaluate(batch: batch, labels: [0, 1]).loss == first)
    #expect(executor.tape.pool.allocated == held)
  }

  @Test(arguments: ["lenet", "resnet20"]) func executorAgreesWithTheInferenceExecutor(name: String) throws {
    let graph = Builders.named(name, activation: .x2act(X2actSpec(scale: 8, perChannel: true)))!
    let parameters = try Parameters.initialize(graph, seed: 3, square: name == "lenet" ? 0.1 : 0.001)
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: 2))
    #expect(executor.parameters == parameters)
    var generator = SplitMix(state: 5)
    let samples = (0..<3).map { _ in (0..<graph.input.count).map { _ in Float(generator.next() >> 40) / 0x1p24 - 0.5 } }
    let batch = Layout.tensor(
      samples.flatMap { $0 }, [3, graph.input.channels, graph.input.height, graph.input.width])
    let found = executor.logits(batch: batch)
    let reference = try FloatExecutor(graph: graph, parameters: parameters)
    for (sample, logits) in zip(samples, found) {
      for (a, b) in zip(logits, try reference.output(of: sample)) {
        // Both are float32 sums in different orders over some twenty layers.
        #expect(abs(a - b) <= 1e-3 * max(1, abs(b)))
      }
    }
  }
}
