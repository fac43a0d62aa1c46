internal import Lattice
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
  private let secret: SecretKey
  private var state: State?
  private var serials: Range<UInt64> = 0..<0
  /// Encrypted masks of linear steps that come later, made when the masks were drawn.
  private var pending: [Int: [[UInt8]]] = [:]

  private struct State {
    let session: LatticeSession
    let key: LatticeSecretKey
    let linearKey: SecretWords
    let oleKey: SecretWords
  }

  /// - Parameters:
  ///   - peer: channel to the model owner, after the hello.
  ///   - sessionID: id of the session with the model owner.
  ///   - randomness: the operating system's in products; injected in tests.
  public init(
    peer: FramedChannel, sessionID: Digest32, tables: LatticeTables,
    randomness: any RandomByteSource = SystemRandom()
  ) {
    self.peer = peer
    self.sessionID = sessionID
    self.tables = tables
    secret = SecretKey(count: 32, from: randomness)
  }

  /// Makes the key of the session and gives the public keys.
  /// - Throws: ``CorrelationError``, `TransportError`
  public func begin(program: Program) throws {
    let seed = try peer.receive(.latticeSeed, byteCount: 32)
    let session = LatticeSession(
      tables: tables, program: program, sessionID: sessionID, publicSeed: SecretKey(bytes: seed), secret: secret)
    let key = LatticeSecretKey(degree: tables.linear.degree, from: session.secretStream(.latticeSecretKey))
    let keys = [tables.linear, tables.ole].map { key.transformed(in: $0) }
    let publicKeys = zip([tables.linear, tables.ole], keys).enumerated().map { index, pair in
      LatticePublicKey(
        context: pair.0, key: pair.1, seed: session.publicStream(.latticePublicKey, step: index),
        randomness: session.secretStream(.latticePublicKey, step: index))
    }
    try peer.send(.latticeKeys, publicKeys[0].bytes + publicKeys[1].bytes)
    state = State(session: session, key: key, linearKey: keys[0], oleKey: keys[1])
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
    let masks = serials.map { _ in stream.secretWords(tensor.modulus, count: tensor.shape.count) }
    if let chooser = session.chooser(of: step) {
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
      context: tables.linear, key: state.linearKey,
      seed: session.publicStream(.latticeMasks, step: step, serial: serial),
      randomness: session.secretStream(.latticeMasks, step: step, serial: serial))
    let modulus = session.program.steps[step].tensor.modulus
    for input in 0..<packing.inputCount {
      try send(
        encryptor.encrypt(modulus, packing: packing, input: input, masks: masks.map(\.pointer), isFree: isFree))
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
    let (_, format) = try session.linearBudget(packing)
    let decryptor = Decryptor(
      context: tables.decryption, key: state.key,
      publicWords: session.publicStream(.latticeLinear, step: step, serial: serial))
    let shares = serials.map { _ in SecretWords(uninitialized: packing.geometry.outputShape.count) }
    try peer.beginReceive(.latticeLinear, byteCount: packing.responseBytes(format))
    try decryptor.readLinear(
      packing: packing, modulus: modulus, format: format, shares: shares.map(\.pointer)
    ) { try peer.readBytes($0) }
    peer.endReceive()
    return withExtendedLifetime(shares) { shares }
  }

  /// Encrypts c in slots and reads v; likewise the differences of pads.
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
    try exchange(state, .ole, step: step, words: constants, elements: elements)
    var pads: (SecretWords, SecretWords)?
    if state.session.program.truncatesExactly(step) {
      pads = try transfers(state, step: step, elements: elements, modulus: tensor.modulus)
    }
    for position in 0..<serials.count {
      let (share, mask, start) = (shares[position], masks[position], position * count)
      let constant = constants.copy(start, count)
      ActivationKernels.fuse(v: constant.pointer, c: share.pointer, count: count, vc: constant.pointer)
      let own = pads.map { pads in
        (
          LatticeSession.pads(pads.0, tensor.modulus, start: start, count: count, elements: elements),
          LatticeSession.pads(pads.1, tensor.modulus, start: start, count: count, elements: elements)
        )
      }
      if let own {
        for pad in [own.0, own.1] {
          Elementwise.subtract(tensor.modulus, pad.pointer, mask.pointer, count: count, output: pad.pointer)
        }
      }
      receive(position, DataOwnerActivationMaterial(share: share, constant: constant, pads: own, mask: mask))
    }
  }

  private func slotWords(_ elements: Int) -> SecretWords {
    let degree = tables.ole.degree
    return SecretWords(zeros: (elements + degree - 1) / degree * degree)
  }

  /// pad_0 = -v and pad_1 = d - v for uniform d, where u + v = rho d.
  private func transfers(
    _ state: State, step: Int, elements: Int, modulus: ModulusKind
  ) throws -> (SecretWords, SecretWords) {
    let slots = LatticeSession.transferSlots(modulus, elements: elements)
    let difference = slotWords(slots)
    let stream = state.session.secretStream(.transferPads, step: step, serial: serials.lowerBound)
    stream.fillField(difference.pointer, count: slots)
    let zero = SecretWords(zeros: difference.count)
    let v = difference.copy(0, difference.count)
    try exchange(state, .transfer, step: step, words: v, elements: slots)
    Elementwise.subtract(.field, difference.pointer, v.pointer, count: v.count, output: difference.pointer)
    Elementwise.subtract(.field, zero.pointer, v.pointer, count: v.count, output: zero.pointer)
    return (zero, difference)
  }

  /// Encrypts slots and overwrites them by v. The next group is encrypted while the model owner works on the last.
  private func exchange(
    _ state: State, _ product: SlotProduct, step: Int, words: SecretWords, elements: Int
  ) throws {
    let (session, serial, degree) = (state.session, serials.lowerBound, tables.ole.degree)
    let encryptor = Encryptor(
      context: tables.ole, key: state.oleKey,
      seed: session.publicStream(product.shares, step: step, serial: serial),
      randomness: session.secretStream(product.shares, step: step, serial: serial))
    let decryptor = Decryptor(
      context: tables.decryption, key: state.key,
      publicWords: session.publicStream(product.products, step: step, serial: serial))
    let (_, format) = try session.budget(product)
    let size = format.byteCount(degree: degree, count: degree)
    let groups = session.groups(elements: elements)
    var place = words.pointer
    func encrypt(_ group: Int, _ from: UnsafeMutablePointer<UInt64>) -> [[UInt8]] {
      (0..<group).map { encryptor.encryptSlots(from + $0 * degree, slots: tables.slots) }
    }
    var next = groups.isEmpty ? [] : encrypt(groups[0], place)
    for (index, group) in groups.enumerated() {
      try peer.beginSend(.latticeShares, byteCount: next.reduce(0) { $0 + $1.count })
      for bytes in next { try bytes.withUnsafeBytes { try peer.write($0) } }
      try peer.endSend()
      if index + 1 < groups.count { next = encrypt(groups[index + 1], place + group * degree) }
      try peer.beginReceive(.latticeProducts, byteCount: group * size)
      for _ in 0..<group {
        try decryptor.readOLE(try peer.readBytes(size), slots: tables.slots, format: format, v: place)
        place += degree
      }
      peer.endReceive()
    }
    withExtendedLifetime(words) {}
  }

  /// Nothing travels.
  public func endBulk() throws {
    serials = 0..<0
    pending = [:]
  }

  /// Forgets the key.
  public func end() { state = nil }

  private func current() throws -> State {
    guard let state else { throw CorrelationError.unexpectedAnswer(what: "the source was not begun, or has ended") }
    return state
  }
}
