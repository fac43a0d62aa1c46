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
  /// Encrypted masks of linear steps that come later, made when the masks were drawn.
  private var pending: [Int: [[UInt8]]] = [:]

  private struct State {
    let session: LatticeSession
    let linear: Key
    let ole: Key
    let transfers: CorrelatedSender
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
    guard program.comparisonSteps.isEmpty else { throw CorrelationError.comparisonsNeedDealer }
    let seed = try peer.receive(.latticeSeed, byteCount: 32)
    let session = LatticeSession(
      tables: tables, program: program, sessionID: sessionID, publicSeed: SecretKey(bytes: seed), secret: secret)
    // A key of its own for each ring: what is known of one modulus tells nothing about the other.
    let keys = [tables.linear, tables.ole].enumerated().map { index, ring in
      let key = LatticeSecretKey(in: ring, from: session.secretStream(.latticeSecretKey, step: index))
      return Key(encrypting: key.transformed(in: ring), decrypting: key.transformed(in: tables.decryption))
    }
    let publicKeys = zip([tables.linear, tables.ole], keys).enumerated().map { index, pair in
      LatticePublicKey(
        context: pair.0, key: pair.1.encrypting, seed: session.publicStream(.latticePublicKey, step: index),
        randomness: session.secretStream(.latticePublicKey, step: index))
    }
    try peer.send(.latticeKeys, publicKeys[0].bytes + publicKeys[1].bytes)
    let transfers = CorrelatedSender(
      channel: peer, session: session.transferSession, method: LatticeSession.transferMethod,
      randomness: session.secretStream(.latticeTransfers))
    try transfers.begin()
    tables.counter?.add("ot.base", 128)
    state = State(session: session, linear: keys[0], ole: keys[1], transfers: transfers)
  }

  /// Nothing travels.
  public func beginBulk(serials: Range<UInt64>) throws {
    self.serials = serials
    pending = [:]
  }

  /// Draws masks; where a linear step reads them as they are, its encryption chooses them.
  public func masks(step: Int) throws -> [SecretWords] {
    let state = try current()
    let session = state.session
    let tensor = session.program.steps[step].tensor
    let stream = session.secretStream(.mask, step: step, serial: serials.lowerBound)
    let masks = serials.map { _ in tables.words(tensor.modulus, count: tensor.shape.count, from: stream) }
    if let chooser = session.program.maskChooser(ofTensor: step) {
      var polynomials: [[UInt8]] = []
      try encrypt(state, step: chooser, masks: masks, isFree: true) { polynomials.append($0) }
      pending[chooser] = polynomials
    }
    return masks
  }

  private func encrypt(
    _ state: State, step: Int, masks: [SecretWords], isFree: Bool, send: ([UInt8]) throws -> Void
  ) throws {
    let (session, serial) = (state.session, serials.lowerBound)
    let packing = try session.packing(step: step, count: serials.count)
    let encryptor = Encryptor(
      context: tables.linear, key: state.linear.encrypting,
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

  /// Sends the encrypted masks, and reads c out of the responses.
  public func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords] {
    let state = try current()
    let (session, serial) = (state.session, serials.lowerBound)
    let modulus = session.program.steps[step].tensor.modulus
    let packing = try session.packing(step: step, count: serials.count)
    let ready = pending.removeValue(forKey: step)
    try peer.beginSend(
      .latticeMasks, byteCount: packing.inputBytes(tables.linear, modulus, isFree: ready != nil))
    if let ready {
      for bytes in ready { try bytes.withUnsafeBytes { try peer.write($0) } }
    } else {
      try encrypt(state, step: step, masks: masks, isFree: false) { try $0.withUnsafeBytes { try peer.write($0) } }
    }
    try peer.endSend()
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

  /// Encrypts c in slots and reads v; draws random transfers.
  public func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void
  ) throws {
    let state = try current()
    let tensor = state.session.program.steps[step].tensor
    let (count, elements) = (tensor.shape.count, tensor.shape.count * serials.count)
    let constants = slotWords(elements)
    for (position, share) in shares.enumerated() {
      (constants.pointer + position * count).update(from: share.pointer, count: count)
    }
    try exchange(state, step: step, words: constants, elements: elements)
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

  /// Comparisons take transfers that lattices do not make.
  public func masks(step: Int, stage: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords] {
    throw CorrelationError.comparisonsNeedDealer
  }

  /// Comparisons take transfers that lattices do not make.
  public func comparison(
    step: Int, stage: Int, of shape: ComparisonStage, compared: [SecretWords], operands: [SecretWords],
    offsets: [SecretWords], receive: (Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws {
    throw CorrelationError.comparisonsNeedDealer
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
    return try state.transfers.randomWords(count, modulus: modulus)
  }

  /// Encrypts slots and overwrites them by v. The next group is encrypted while the model owner works on the last.
  private func exchange(
    _ state: State, step: Int, words: SecretWords, elements: Int
  ) throws {
    let (session, serial, degree) = (state.session, serials.lowerBound, tables.ole.degree)
    let encryptor = Encryptor(
      context: tables.ole, key: state.ole.encrypting,
      seed: session.publicStreams(.latticeShares, step: step, serial: serial),
      randomness: session.secretStreams(.latticeShares, step: step, serial: serial))
    let decryptor = Decryptor(
      context: tables.decryption, key: state.ole.decrypting,
      publicWords: session.publicStreams(.latticeProducts, step: step, serial: serial))
    let format = ResponseFormat(try session.productBudget().use)
    let size = format.byteCount(degree: degree, count: degree)
    let groups = SlotPacking.groups(elements)
    var first = 0
    func encrypt(_ group: Int, from first: Int) throws -> [[UInt8]] {
      try workers.map(group) {
        encryptor.encryptSlots(
          words.pointer + (first + $0) * degree, slots: tables.slots, polynomial: first + $0)
      }
    }
    var next = groups.isEmpty ? [] : try encrypt(groups[0], from: 0)
    for (index, group) in groups.enumerated() {
      try peer.beginSend(.latticeShares, byteCount: next.reduce(0) { $0 + $1.count })
      for bytes in next { try bytes.withUnsafeBytes { try peer.write($0) } }
      try peer.endSend()
      if index + 1 < groups.count { next = try encrypt(groups[index + 1], from: first + group) }
      try peer.beginReceive(.latticeProducts, byteCount: group * size)
      for start in stride(from: 0, to: group, by: workers.threads) {
        let window = try (start..<min(start + workers.threads, group)).map { _ in try peer.readBytes(size) }
        _ = try workers.map(window.count) {
          let number = first + start + $0
          try decryptor.readOLE(
            window[$0], number: number, slots: tables.slots, format: format, v: words.pointer + number * degree)
        }
      }
      peer.endReceive()
      first += group
    }
    withExtendedLifetime(words) {}
  }

  /// Nothing travels.
  public func endBulk() throws {
    serials = 0..<0
    pending = [:]
  }

  /// Forgets the keys.
  public func end() { state = nil }

  private func current() throws -> State {
    guard let state else { throw CorrelationError.unexpectedAnswer(what: "the source was not begun, or has ended") }
    return state
  }
}
