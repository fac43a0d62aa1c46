public import Lattice
internal import ObliviousTransfer
internal import Packing
public import Programs
public import Randomness
public import Rings
public import Transport

/// The model owner's side of lattice preparation: no third party (Protocols/rlwe/spec.md).
///
/// Security: semi-honest parties; ring learning with errors at 128 bits, 2^-40 statistical an inference; for transfers Diffie-Hellman on P-256 and AES.
public final class LatticeModelOwnerSource: ModelOwnerSource {
  private let peer: FramedChannel
  private let sessionID: Digest32
  private let tables: LatticeTables
  private let cache: WeightTransformCache
  private let workers: WorkerPool
  private let secret: SecretKey
  private let publicSeed: [UInt8]
  private var state: State?
  private var serials: Range<UInt64> = 0..<0
  private var ahead = ComparisonsAhead()

  private struct State {
    let session: LatticeSession
    let weights: any WeightProvider
    let linearKey: LatticePublicKey
    let oleKey: LatticePublicKey
    /// Absent in the reverse run of an outsourced program.
    let transfers: CorrelatedReceiver?
    /// Absent where the program compares nothing.
    let comparisons: ComparisonTransfersModelOwner?
  }

  /// - Parameters:
  ///   - peer: channel to the data owner, after the hello.
  ///   - sessionID: id of the session with the data owner.
  ///   - cache: transforms of this model's weights, shared by its sessions.
  ///   - workers: compute for this session alone; what travels does not depend on their number.
  ///   - randomness: the operating system's in products; injected in tests.
  public init(
    peer: FramedChannel, sessionID: Digest32, tables: LatticeTables, cache: WeightTransformCache,
    workers: WorkerPool = WorkerPool(), randomness: any RandomByteSource = SystemRandom()
  ) {
    self.peer = peer
    self.sessionID = sessionID
    self.tables = tables
    self.cache = cache
    self.workers = workers
    secret = SecretKey(count: 32, from: randomness)
    publicSeed = randomness.bytes(32)
  }

  /// Gives the public seed, takes the public keys.
  /// - Throws: ``CorrelationError``, `LatticeError`, `TransportError`
  public func begin(program: Program, weights: any WeightProvider) throws {
    try peer.send(.latticeSeed, publicSeed)
    let session = LatticeSession(
      tables: tables, program: program, sessionID: sessionID, publicSeed: SecretKey(bytes: publicSeed), secret: secret)
    let sizes = session.keyedRings.map { LatticePublicKey.byteCount($0.ring) }
    var bytes = try peer.receive(.latticeKeys, byteCount: sizes.reduce(0, +))[...]
    let keys = try session.keyedRings.map { ring, number in
      let size = LatticePublicKey.byteCount(ring)
      defer { bytes = bytes.dropFirst(size) }
      return try LatticePublicKey(
        context: ring, bytes: Array(bytes.prefix(size)), seed: session.publicStream(.latticePublicKey, step: number))
    }
    var transfers: CorrelatedReceiver?
    if session.hasTransfers {
      transfers = CorrelatedReceiver(
        channel: peer, session: session.transferSession, method: LatticeSession.transferMethod,
        randomness: session.secretStream(.latticeTransfers))
      try transfers?.begin()
      tables.counter?.add("ot.base", 128)
    }
    var comparisons: ComparisonTransfersModelOwner?
    if !program.comparisonSteps.isEmpty {
      comparisons = ComparisonTransfersModelOwner(peer: peer, sessionID: sessionID, counter: tables.counter) {
        session.secretStream(.latticeTransfers, step: Int($0))
      }
      try comparisons?.begin()
    }
    state = State(
      session: session, weights: weights, linearKey: keys[0], oleKey: keys[keys.count - 1], transfers: transfers,
      comparisons: comparisons)
  }

  /// Nothing travels.
  public func beginBulk(serials: Range<UInt64>) throws {
    self.serials = serials
    ahead = ComparisonsAhead()
  }

  /// Answers the encrypted masks: s is what the responses leave it.
  public func linear(step: Int) throws -> [SecretWords] {
    let state = try current()
    let (session, serial) = (state.session, serials.lowerBound)
    let modulus = session.program.steps[step].tensor.modulus
    let packing = try session.packing(step: step, count: serials.count)
    let inputs = try receiveMasks(session, packing, step: step, modulus: modulus)
    let budget = try session.budget(packing)
    let (flood, format) = (budget.flood, ResponseFormat(budget.use))
    let responder = Responder(
      publicKey: state.linearKey, publicWords: session.publicStreams(.latticeLinear, step: step, serial: serial),
      randomness: session.secretStreams(.latticeLinear, step: step, serial: serial))
    let shares = serials.map { _ in SecretWords(uninitialized: packing.geometry.outputShape.count) }
    try peer.beginSend(.latticeLinear, byteCount: packing.responseBytes(format))
    try withWeights(state, step: step, count: packing.geometry.weightCount, modulus: modulus) { weights in
      try responder.respondLinear(
        step: step, packing: packing, modulus: modulus, inputs: inputs, weights: weights, cache: cache, flood: flood,
        format: format, workers: workers, shares: shares.map(\.pointer)
      ) { bytes in
        try bytes.withUnsafeBytes { try peer.write($0) }
        try peer.flush()
      }
    }
    try peer.endSend()
    return withExtendedLifetime(shares) { shares }
  }

  private func withWeights(
    _ state: State, step: Int, count: Int, modulus: ModulusKind, _ body: (ResponseWeights) throws -> Void
  ) throws {
    try state.weights.withWeights(ofStep: step) { weights in
      switch weights {
      case .quantized(let weights):
        precondition(weights.count == count && !state.session.program.sharesWeights)
        try body(.quantized(weights.baseAddress!))
      case .share(let weights):
        precondition(weights.count == count && state.session.program.sharesWeights)
        // A signed word is its own representative nearest zero.
        if modulus == .word {
          try weights.withMemoryRebound(to: Int64.self) { try body(.centered($0.baseAddress!)) }
          return
        }
        let centered = SecretWords(uninitialized: count)
        for index in 0..<count {
          centered.pointer[index] = UInt64(bitPattern: PrimeField.centered(weights[index]))
        }
        try withExtendedLifetime(centered) {
          try centered.pointer.withMemoryRebound(to: Int64.self, capacity: count) { try body(.centered($0)) }
        }
      }
    }
  }

  private func receiveMasks(
    _ session: LatticeSession, _ packing: LinearPacking, step: Int, modulus: ModulusKind
  ) throws -> [SecretWords] {
    let isFree = session.program.choosesMasks(step: step)
    let reader = CiphertextReader(
      context: session.linearRing, seed: session.publicStreams(.latticeMasks, step: step, serial: serials.lowerBound))
    try peer.beginReceive(
      .latticeMasks, byteCount: packing.inputBytes(session.linearRing, modulus, isFree: isFree))
    var inputs: [SecretWords] = []
    for first in stride(from: 0, to: packing.inputCount, by: workers.threads) {
      let window = try (first..<min(first + workers.threads, packing.inputCount)).map {
        try peer.readBytes(packing.inputBytes(session.linearRing, modulus, input: $0, isFree: isFree))
      }
      inputs += try workers.map(window.count) {
        try reader.read(modulus, packing: packing, input: first + $0, isFree: isFree, bytes: window[$0])
      }
    }
    peer.endReceive()
    return inputs
  }

  /// Multiplies the encrypted shares by alpha, and draws random transfers.
  public func activation(step: Int, receive: (Int, consuming ModelOwnerActivationMaterial) -> Void) throws {
    let state = try current()
    let tensor = state.session.program.steps[step].tensor
    let (count, elements) = (tensor.shape.count, tensor.shape.count * serials.count)
    let (alphas, products) = try products(state, step: step, elements: elements)
    let transfer =
      state.session.program.truncatesExactly(step)
      ? try transfers(state, elements: elements, modulus: tensor.modulus) : nil
    for position in 0..<serials.count {
      let start = position * count
      let own = transfer.map { made in
        (choices: made.choices.storage.copyBits(start, count), pads: made.pads.copy(start, count))
      }
      receive(
        position,
        ModelOwnerActivationMaterial(
          alpha: alphas.copy(start, count), u: products.copy(start, count), transfer: own))
    }
  }

  /// Transfers alone, one inference after the other.
  public func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, receive: (Int, consuming ModelOwnerComparisonMaterial) -> Void
  ) throws {
    let state = try current()
    guard let comparisons = state.comparisons else { preconditionFailure("the program compares nothing") }
    for position in 0..<serials.count {
      let drawn = try ahead.next {
        PreparationOrder(state.session.program).comparisons(from: step, stage: stage, of: state.session.program).flatMap
        {
          [ComparisonStage](repeating: $0, count: serials.count)
        }
      } draw: {
        try comparisons.draw($0)
      }
      precondition(drawn.stage == shape, "comparisons are prepared in the order of the program")
      receive(position, try comparisons.material(drawn))
    }
  }

  private func products(_ state: State, step: Int, elements: Int) throws -> (alpha: SecretWords, u: SecretWords) {
    let degree = tables.ole.degree
    let alpha = SecretWords(uninitialized: (elements + degree - 1) / degree * degree)
    let streams = state.session.secretStreams(.oleAlpha, step: step, serial: serials.lowerBound)
    // A uniform polynomial is uniform in every slot too.
    let u = try exchange(state, step: step, elements: elements) { index in
      let factor = tables.words(.field, count: degree, from: streams.stream(index))
      let slots = alpha.pointer + index * degree
      slots.update(from: factor.pointer, count: degree)
      tables.slots.slots(slots)
      return factor
    }
    return withExtendedLifetime(alpha) { (alpha, u) }
  }

  /// Random transfers, choices and their pads, and some more that fill up a tile.
  private func transfers(
    _ state: State, elements: Int, modulus: ModulusKind
  ) throws -> (choices: PackedBits, pads: SecretWords) {
    let count = TransferPacking.rounded(elements)
    tables.counter?.add("ot.cot", count)
    tables.counter?.add("ot.pad", count)
    guard let transfers = state.transfers else { preconditionFailure("a reverse run has no activations") }
    return try transfers.randomWords(count, modulus: modulus)
  }

  /// Receives encrypted slots, and answers each ciphertext with its product by the polynomial that `factor` gives for its
  /// number, before it takes the next ones.
  private func exchange(
    _ state: State, step: Int, elements: Int, factor: (Int) -> SecretWords
  ) throws -> SecretWords {
    let (session, serial, degree) = (state.session, serials.lowerBound, tables.ole.degree)
    let ciphertexts = SlotPacking.ciphertexts(elements)
    let u = SecretWords(uninitialized: ciphertexts * degree)
    let reader = CiphertextReader(
      context: tables.ole, seed: session.publicStreams(.latticeShares, step: step, serial: serial))
    let responder = Responder(
      publicKey: state.oleKey, publicWords: session.publicStreams(.latticeProducts, step: step, serial: serial),
      randomness: session.secretStreams(.latticeProducts, step: step, serial: serial))
    let budget = try session.productBudget()
    let (flood, format) = (budget.flood, ResponseFormat(budget.use))
    let size = tables.ole.residueBytes(degree)
    try peer.beginReceive(.latticeShares, byteCount: ciphertexts * size)
    try peer.beginSend(.latticeProducts, byteCount: ciphertexts * format.byteCount(degree: degree, count: degree))
    for first in stride(from: 0, to: ciphertexts, by: workers.threads) {
      let received = try (first..<min(first + workers.threads, ciphertexts)).map { _ in try peer.readBytes(size) }
      let answers = try workers.map(received.count) { index in
        let multiplier = factor(first + index)
        return responder.respondProduct(
          ciphertext: try reader.read(received[index], polynomial: first + index), number: first + index,
          factor: multiplier.pointer, slots: tables.slots, flood: flood, format: format,
          u: u.pointer + (first + index) * degree)
      }
      for bytes in answers { try bytes.withUnsafeBytes { try peer.write($0) } }
      try peer.flush()
    }
    peer.endReceive()
    try peer.endSend()
    return withExtendedLifetime(u) { u }
  }

  /// Nothing travels.
  public func endBulk() throws { serials = 0..<0 }

  /// Forgets the keys.
  public func end() {
    state?.transfers?.end()
    state?.comparisons?.end()
    ahead = ComparisonsAhead()
    state = nil
  }

  private func current() throws -> State {
    guard let state else { throw CorrelationError.unexpectedAnswer(what: "the source was not begun, or has ended") }
    return state
  }
}
