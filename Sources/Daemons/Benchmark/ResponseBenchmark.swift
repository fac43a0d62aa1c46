import Lattice
import Packing
import Randomness
public import Rings

/// The model owner's computation for one linear layer in Z_2^64, alone in one process: how it scales with threads.
public enum ResponseBenchmark {
  /// Times responses to one set of encrypted masks, transforms of weights held as a party holds them, and checks the shares.
  ///
  /// - Throws: `LinearPackingError`, `NoiseBudgetError` where the layer does not fit.
  public static func run(
    name: String, geometry: LinearGeometry, threads: Int, repetitions: Int, net: String
  ) throws -> BenchmarkResult {
    ProcessMemory.resetPeak()
    let meeting = try Meeting(geometry)
    let cache = WeightTransformCache(limitBytes: 256 << 20)
    let workers = WorkerPool(threads: threads)
    var (seconds, bytes, worst): ([Double], Int, Double) = ([], 0, 0)
    for repetition in 0...repetitions {
      let began = SystemCall.seconds()
      let (own, responses) = try meeting.respond(repetition, cache, workers)
      if repetition > 0 { seconds.append(SystemCall.seconds() - began) }
      bytes = responses.reduce(0) { $0 + $1.count }
      worst = max(worst, try meeting.error(repetition, own, responses))
    }
    return BenchmarkResult(
      case: name, phase: BenchmarkPhase.kernel.rawValue, source: "lattice", net: net,
      seconds: BenchmarkDataOwner.median(seconds), allS: seconds, bytesTotal: bytes, rounds: 0,
      peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: ProcessMemory.peak), maxAbsErr: worst,
      threads: threads, inferences: 1, elements: geometry.outputShape.count)
  }
}

/// Both ends' keys and one set of encrypted masks.
private struct Meeting {
  private let geometry: LinearGeometry
  private let packing: LinearPacking
  private let budget: NoiseBudget
  private let publicKey: LatticePublicKey
  private let decryptionKey: SecretWords
  private let decryption: RingContext
  private let inputs: [SecretWords]
  private let weights: [Int32]
  /// W r.
  private let expected: [UInt64]

  init(_ geometry: LinearGeometry) throws {
    self.geometry = geometry
    let ring = RingContext(.linear)
    packing = try LinearPacking.agreed(geometry: geometry, inferences: 1)
    budget = try NoiseBudget(
      use: .linear(terms: packing.maximumWeightTerms, weightBound: 1 << 17), degree: ring.degree, primes: ring.primes,
      outputs: geometry.outputShape.count)
    let key = LatticeSecretKey(in: ring, from: StreamGenerator(publicSeed: 81))
    publicKey = LatticePublicKey(
      context: ring, key: key.transformed(in: ring), seed: StreamGenerator(publicSeed: 82),
      randomness: StreamGenerator(publicSeed: 83))
    decryption = Decryptor.makeContext(degree: ring.degree)
    decryptionKey = key.transformed(in: decryption)
    let random = StreamGenerator(publicSeed: 84)
    weights = (0..<geometry.weightCount).map { _ in Int32(truncatingIfNeeded: random.word()) >> 19 }
    let masks = random.secretWords(.word, count: geometry.inputShape.count)
    let encryptor = Encryptor(
      context: ring, key: key.transformed(in: ring), seed: Self.streams(1, 0), randomness: Self.streams(2, 0))
    let reader = CiphertextReader(context: ring, seed: Self.streams(1, 0))
    let packing = packing
    inputs = try (0..<packing.inputCount).map { input in
      let open = encryptor.begin(.word, packing: packing, input: input, masks: [masks.pointer], isFree: true)
      let bytes = encryptor.end(open, .word, packing: packing, masks: [masks.pointer])
      return try reader.read(.word, packing: packing, input: input, isFree: true, bytes: bytes)
    }
    var words = [UInt64](repeating: 0, count: geometry.outputShape.count)
    LinearMap.apply(
      Word64.self, weights: try PackedWeights(geometry: geometry, weights: weights), input: masks.array(),
      output: &words, workspace: LinearWorkspace())
    expected = words
  }

  private static func streams(_ purpose: UInt8, _ repetition: Int) -> PolynomialStreams {
    PolynomialStreams(
      key: SecretKey(
        bytes: [purpose, UInt8(truncatingIfNeeded: repetition), UInt8(truncatingIfNeeded: repetition >> 8)]
          + [UInt8](repeating: 0, count: 13)))
  }

  /// The model owner's share, and what it sends.
  func respond(
    _ repetition: Int, _ cache: WeightTransformCache, _ workers: WorkerPool
  ) throws -> (SecretWords, [[UInt8]]) {
    let responder = Responder(
      publicKey: publicKey, publicWords: Self.streams(3, repetition), randomness: Self.streams(4, repetition))
    let own = SecretWords(uninitialized: geometry.outputShape.count)
    var responses: [[UInt8]] = []
    try responder.respondLinear(
      step: 0, packing: packing, modulus: .word, inputs: inputs, weights: weights, cache: cache, flood: budget.flood,
      format: ResponseFormat(budget.use), workers: workers, shares: [own.pointer]
    ) { responses.append($0) }
    return (own, responses)
  }

  /// Largest distance of both shares' sum from W r, in units.
  func error(_ repetition: Int, _ own: SecretWords, _ responses: [[UInt8]]) throws -> Double {
    let decryptor = Decryptor(
      context: decryption, key: decryptionKey, publicWords: Self.streams(3, repetition))
    let other = SecretWords(uninitialized: expected.count)
    var waiting = responses[...]
    try decryptor.readLinear(
      packing: packing, modulus: .word, format: ResponseFormat(budget.use), workers: WorkerPool(),
      shares: [other.pointer]
    ) { _ in waiting.removeFirst() }
    return expected.indices.reduce(0.0) {
      max($0, Double(Int64(bitPattern: own.pointer[$1] &+ other.pointer[$1] &- expected[$1]).magnitude))
    }
  }
}
