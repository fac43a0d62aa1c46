public import Lattice
internal import ObliviousTransfer
internal import Packing
public import Programs
public import Randomness
public import Rings
public import Transport

/// The data owner's side of lattice preparation: it holds the key.
///
/// Security: semi-honest parties; what it decrypts is uniform, its noise flooded.
public final class LatticeDataOwnerSource: DataOwnerSource {
  private let peer: FramedChannel
  private let sessionID: Digest32
  private let tables: LatticeTables
  private let workers: WorkerPool
  private let secret: SecretKey
  private var state: State?
  private var serials: Range<UInt64> = 0..<0
  /// Slots of activation steps whose answers are under way.
  private var open: [Int: SecretWords] = [:]

  private struct State {
    let session: LatticeSession
    let linear: Key
    let ole: Key
    /// Absent in the reverse run of an outsourced program.
    let transfers: CorrelatedSender?
    /// Absent where the program compares nothing.
    let comparisons: ComparisonTransfersDataOwner?
  }

  /// A ring's secret key, transformed in that ring and in the one of decryption.
  private struct Key {
    let encrypting: SecretWords
    let decrypting: SecretWords
  }

  /// - Parameters:
  ///   - peer: channel to the model owner, after the hello.
  ///   - sessionID: id of the session with the model owner.
  ///   - workers: compute for this session alone; what travels does not depend on their number.
  ///   - randomness: the operating system's in products; injected in tests.
  public init(
    peer: FramedChannel, sessionID: Digest32, tables: LatticeTables, workers: WorkerPool = WorkerPool(),
    randomness: any RandomByteSource = SystemRandom()
  ) {
    self.peer = peer
    self.sessionID = sessionID
    self.tables = tables
    self.workers = workers
    secret = SecretKey(count: 32, from: randomness)
  }

  /// Makes the keys of the session and gives the public ones.
  /// - Throws: ``CorrelationError``, `TransportError`
  public func begin(program: Program) throws {
    let seed = try peer.receive(.latticeSeed, byteCount: 32)
    let session = LatticeSession(
      tables: tables, program: program, sessionID: sessionID, publicSeed: SecretKey(bytes: seed), secret: secret)
    // A key of its own for each ring: what is known of one modulus tells nothing about the other.
    let keys = session.keyedRings.map { ring, number in
      let key = LatticeSecretKey(in: ring, from: session.secretStream(.latticeSecretKey, step: number))
      return Key(encrypting: key.transformed(in: ring), decrypting: key.transformed(in: tables.decryption))
    }
    let publicKeys = zip(session.keyedRings, keys).map { named, key in
      LatticePublicKey(
        context: named.ring, key: key.encrypting, seed: session.publicStream(.latticePublicKey, step: named.number),
        randomness: session.secretStream(.latticePublicKey, step: named.number))
    }
    try peer.send(.latticeKeys, publicKeys.flatMap(\.bytes))
    var transfers: CorrelatedSender?
    if session.hasTransfers {
      transfers = CorrelatedSender(
        channel: peer, session: session.transferSession, method: LatticeSession.transferMethod,
        randomness: session.secretStream(.latticeTransfers))
      try transfers?.begin()
      tables.counter?.add("ot.base", 128)
    }
    var comparisons: ComparisonTransfersDataOwner?
    if !program.comparisonSteps.isEmpty {
      comparisons = ComparisonTransfersDataOwner(peer: peer, sessionID: sessionID, counter: tables.counter) {
        session.secretStream(.latticeTransfers, step: Int($0))
      }
      try comparisons?.begin()
    }
    state = State(
      session: session, linear: keys[0], ole: keys[keys.count - 1], transfers: transfers, comparisons: comparisons)
  }

  /// Nothing travels.
  public func beginBulk(serials: Range<UInt64>) throws {
    self.serials = serials
    open = [:]
  }

  /// Draws masks; where a linear step reads them as they are, its encryption will choose others.
  public func masks(step: Int) throws -> [SecretWords] {
    let session = try current().session
    let tensor = session.program.steps[step].tensor
    let stream = session.secretStream(.mask, step: step, serial: serials.lowerBound)
    return serials.map { _ in tables.words(tensor.modulus, count: tensor.shape.count, from: stream) }
  }

  /// Bytes of the ciphertexts that a step's request consists of.
  public func requestBytes(step: Int) throws -> Int? {
    let session = try current().session
    let tensor = session.program.steps[step].tensor
    switch session.program.steps[step].operation {
    case .linear:
      return try session.packing(step: step, count: serials.count).inputBytes(
        session.linearRing, tensor.modulus, isFree: session.program.choosesMasks(step: step))
    case .activation:
      return SlotPacking.ciphertexts(tensor.shape.count * serials.count) * tables.ole.residueBytes(tables.ole.degree)
    default: return nil
    }
  }

  /// Sends the encrypted masks, and chooses them where the step is the first to read them.
  public func requestLinear(step: Int, masks: [SecretWords]) throws {
    let state = try current()
    try peer.beginSend(.latticeMasks, byteCount: requestBytes(step: step)!)
    try encrypt(state, step: step, masks: masks, isFree: state.session.program.choosesMasks(step: step)) {
      try $0.withUnsafeBytes { try peer.write($0) }
    }
    try peer.endSend()
  }

  private func encrypt(
    _ state: State, step: Int, masks: [SecretWords], isFree: Bool, send: ([UInt8]) throws -> Void
  ) throws {
    let (session, serial) = (state.session, serials.lowerBound)
    let packing = try session.packing(step: step, count: serials.count)
    let encryptor = Encryptor(
      context: session.linearRing, key: state.linear.encrypting,
      seed: session.publicStreams(.latticeMasks, step: step, serial: serial),
      randomness: session.secretStreams(.latticeMasks, step: step, serial: serial))
    let modulus = session.program.steps[step].tensor.modulus
    let pointers = masks.map(\.pointer)
    for first in stride(from: 0, to: packing.inputCount, by: workers.threads) {
      let count = min(workers.threads, packing.inputCount - first)
      let open = try workers.map(count) {
        encryptor.begin(modulus, packing: packing, input: first + $0, masks: pointers, isFree: isFree)
      }
      let ready = try workers.map(count) {
        encryptor.end(open[$0], modulus, packing: packing, masks: pointers)
      }
      for bytes in ready { try send(bytes) }
    }
    withExtendedLifetime(masks) {}
  }

  /// Reads c out of the responses.
  public func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords] {
    let state = try current()
    let (session, serial) = (state.session, serials.lowerBound)
    let modulus = session.program.steps[step].tensor.modulus
    let packing = try session.packing(step: step, count: serials.count)
    let format = ResponseFormat(try session.budget(packing).use)
    let decryptor = Decryptor(
      context: tables.decryption, key: state.linear.decrypting,
      publicWords: session.publicStreams(.latticeLinear, step: step, serial: serial))
    let shares = serials.map { _ in SecretWords(uninitialized: packing.geometry.outputShape.count) }
    try peer.beginReceive(.latticeLinear, byteCount: packing.responseBytes(format))
    try decryptor.readLinear(
      packing: packing, modulus: modulus, format: format, workers: workers, shares: shares.map(\.pointer)
    ) { try peer.readBytes($0) }
    peer.endReceive()
    return withExtendedLifetime(shares) { shares }
  }

  /// Sends c, encrypted in slots.
  public func requestActivation(step: Int, shares: [SecretWords]) throws {
    let state = try current()
    let (session, degree) = (state.session, tables.ole.degree)
    let count = session.program.steps[step].tensor.shape.count
    let words = slotWords(count * serials.count)
    for (position, share) in shares.enumerated() {
      (words.pointer + position * count).update(from: share.pointer, count: count)
    }
    let encryptor = Encryptor(
      context: tables.ole, key: state.ole.encrypting,
      seed: session.publicStreams(.latticeShares, step: step, serial: serials.lowerBound),
      randomness: session.secretStreams(.latticeShares, step: step, serial: serials.lowerBound))
    try peer.beginSend(.latticeShares, byteCount: requestBytes(step: step)!)
    try workers.forEach(words.count / degree) { number in
      encryptor.encryptSlots(words.pointer + number * degree, slots: tables.slots, polynomial: number)
    } receive: { _, bytes in
      try bytes.withUnsafeBytes { try peer.write($0) }
    }
    try peer.endSend()
    open[step] = withExtendedLifetime(words) { words }
  }

  /// Reads v, and draws random transfers.
  public func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void
  ) throws {
    let state = try current()
    let tensor = state.session.program.steps[step].tensor
    let (count, elements) = (tensor.shape.count, tensor.shape.count * serials.count)
    guard let constants = open.removeValue(forKey: step) else {
      preconditionFailure("the answer of step \(step) was not asked for")
    }
    try receiveProducts(state, step: step, words: constants)
    let pads =
      state.session.program.truncatesExactly(step)
      ? try transfers(state, elements: elements, modulus: tensor.modulus) : nil
    for position in 0..<serials.count {
      let (share, mask, start) = (shares[position], masks[position], position * count)
      let constant = constants.copy(start, count)
      tables.counter?.add("ring.mul", count)
      tables.counter?.add("ring.add", count)
      ActivationKernels.fuse(v: constant.pointer, c: share.pointer, count: count, vc: constant.pointer)
      let own = pads.map { ($0.zeros.copy(start, count), $0.ones.copy(start, count)) }
      if let own {
        tables.counter?.add("ring.add", 2 * count)
        for pad in [own.0, own.1] {
          Elementwise.subtract(tensor.modulus, pad.pointer, mask.pointer, count: count, output: pad.pointer)
        }
      }
      receive(position, DataOwnerActivationMaterial(share: share, constant: constant, pads: own, mask: mask))
    }
  }

  /// Masks of a run, apart from those of its step.
  public func masks(step: Int, stage: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords] {
    let session = try current().session
    let layer = ComparisonKey(step: step, stage: stage + 1).layer
    let stream = session.secretStream(.mask, step: layer, serial: serials.lowerBound)
    return serials.map { _ in tables.words(modulus, count: count, from: stream) }
  }

  /// Transfers alone, one inference after the other.
  public func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, compared: [SecretWords], operands: [SecretWords],
    offsets: [SecretWords], receive: (Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws {
    guard let comparisons = try current().comparisons else { preconditionFailure("the program compares nothing") }
    for position in 0..<serials.count {
      receive(
        position,
        try comparisons.material(
          shape, compared: compared[position], operand: operands[position], offset: offsets[position]))
    }
  }

  private func slotWords(_ elements: Int) -> SecretWords {
    let degree = tables.ole.degree
    return SecretWords(zeros: (elements + degree - 1) / degree * degree)
  }

  /// Random transfers, both pads of each, and some more that fill up a tile.
  private func transfers(
    _ state: State, elements: Int, modulus: ModulusKind
  ) throws -> (zeros: SecretWords, ones: SecretWords) {
    let count = TransferPacking.rounded(elements)
    tables.counter?.add("ot.cot", count)
    tables.counter?.add("ot.pad", 2 * count)
    guard let transfers = state.transfers else { preconditionFailure("a reverse run has no activations") }
    return try transfers.randomWords(count, modulus: modulus)
  }

  /// Overwrites slots by v.
  private func receiveProducts(_ state: State, step: Int, words: SecretWords) throws {
    let (session, degree) = (state.session, tables.ole.degree)
    let decryptor = Decryptor(
      context: tables.decryption, key: state.ole.decrypting,
      publicWords: session.publicStreams(.latticeProducts, step: step, serial: serials.lowerBound))
    let format = ResponseFormat(try session.productBudget().use)
    let size = format.byteCount(degree: degree, count: degree)
    let ciphertexts = words.count / degree
    try peer.beginReceive(.latticeProducts, byteCount: ciphertexts * size)
    for start in stride(from: 0, to: ciphertexts, by: workers.threads) {
      let window = try (start..<min(start + workers.threads, ciphertexts)).map { _ in try peer.readBytes(size) }
      _ = try workers.map(window.count) {
        let number = start + $0
        try decryptor.readOLE(
          window[$0], number: number, slots: tables.slots, format: format, v: words.pointer + number * degree)
      }
    }
    peer.endReceive()
    withExtendedLifetime(words) {}
  }

  /// Nothing travels.
  public func endBulk() throws {
    serials = 0..<0
    open = [:]
  }

  /// Forgets the keys.
  public func end() { state = nil }

  private func current() throws -> State {
    guard let state else { throw CorrelationError.unexpectedAnswer(what: "the source was not begun, or has ended") }
    return state
  }
}
