public import Programs
public import Randomness
public import Rings
public import Transport

/// D = W - A of a model, kept by the data owner across sessions. Uniform words without A, which it never sees.
public final class WeightDifference: Sendable {
  /// Name of the dealer's masks, and digest of the program they serve.
  public let tag: Digest32
  let words: [Int: SecretWords]

  init(tag: Digest32, words: [Int: SecretWords]) { (self.tag, self.words) = (tag, words) }
}

/// The data owner's side of the dealer.
///
/// Security: semi-honest parties, dealer trusted not to pool its view with either.
public final class DealerDataOwnerSource: DataOwnerSource {
  let dealer: FramedChannel
  let peer: FramedChannel
  private let sessionID: Digest32
  private let offsets: [Int: SecretWords]
  private let workspace = LinearWorkspace()
  private var program: Program?
  private var bulk: (streams: BulkStreams, serials: Range<UInt64>)?
  /// D, after `begin`: hand it to the next session's source, so that it need not travel again.
  public private(set) var difference: WeightDifference?

  /// - Parameters:
  ///   - dealer: channel to the dealer, after the hello.
  ///   - peer: channel to the model owner, after the hello.
  ///   - sessionID: id of the session with the model owner.
  ///   - cached: D of an earlier session with the same model owner and program, if there is one.
  ///   - offsets: at server 1 its shares of constants per element, by offset step: the dealer carries masks through them.
  public init(
    dealer: FramedChannel, peer: FramedChannel, sessionID: Digest32, cached: WeightDifference? = nil,
    offsets: [Int: SecretWords] = [:]
  ) {
    self.dealer = dealer
    self.peer = peer
    self.sessionID = sessionID
    self.offsets = offsets
    difference = cached
  }

  /// Places the order, and fetches D = W - A unless the cached one has the dealer's tag.
  /// - Throws: ``CorrelationError``, `TransportError`
  public func begin(program: Program) throws {
    self.program = program
    let order = DealerOrder(
      pairing: sessionID, isModelOwner: false, peerFingerprint: peer.stream.peerFingerprint, program: program)
    try dealer.send(.order, try order.encoded())
    guard let tag = Digest32(bytes: try dealer.receive(.dealerReady, byteCount: 32)) else {
      throw CorrelationError.unexpectedAnswer(what: "the tag of the dealer's masks")
    }
    if program.deployment == .outsourced {
      for step in program.offsetSteps { try dealer.send(.offsetShares, words: [offsets[step]!], flush: false) }
      try dealer.flush()
    }
    let isKnown = difference?.tag == tag
    try peer.send(.weightRequest, [isKnown ? 0 : 1])
    if !isKnown { difference = WeightDifference(tag: tag, words: try receiveDifference(program)) }
  }

  private func receiveDifference(_ program: Program) throws -> [Int: SecretWords] {
    difference = nil
    var words: [Int: SecretWords] = [:]
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      words[index] = try peer.receiveWords(
        .weightDifference, tensorCount: 1, count: geometry.weightCount, modulus: program.steps[index].tensor.modulus)[0]
    }
    return words
  }

  /// Asks the dealer for a bulk.
  public func beginBulk(serials: Range<UInt64>) throws {
    try dealer.send(.deal, SerialRange(serials).bytes)
    let seed = try dealer.receiveKey(.seed, byteCount: BulkStreams.seedBytes)
    bulk = (BulkStreams(seed: seed, session: sessionID), serials)
  }

  /// Masks from its own seed, which the dealer knows too.
  public func masks(step: Int) throws -> [SecretWords] {
    let (streams, serials) = current
    let tensor = program!.steps[step].tensor
    return serials.map {
      streams.words(.mask, step: step, serial: $0, modulus: tensor.modulus, count: tensor.shape.count)
    }
  }

  /// c - gamma of an activation; comparisons take turns.
  public func requestBytes(step: Int) throws -> Int? {
    switch program!.steps[step].operation {
    case .linear: 0
    case .activation: 8 * program!.steps[step].tensor.shape.count * current.1.count
    default: nil
    }
  }

  /// Nothing travels: the dealer knows the masks.
  public func requestLinear(step: Int, masks: [SecretWords]) throws {}

  /// c = D r + (A r - s).
  public func linear(step: Int, masks: [SecretWords]) throws -> [SecretWords] {
    guard case .linear(let geometry) = program!.steps[step].operation else { preconditionFailure("not linear") }
    let modulus = program!.steps[step].tensor.modulus
    let count = geometry.outputShape.count
    let shares = masks.map { _ in SecretWords(uninitialized: count) }
    LinearMap.applyFull(
      modulus, geometry: geometry, weights: difference!.words[step]!, inputs: masks, outputs: shares,
      workspace: workspace)
    let corrections = try dealer.receiveWords(
      .linearCorrection, tensorCount: masks.count, count: count, modulus: modulus)
    for (share, correction) in zip(shares, corrections) {
      Elementwise.add(modulus, share.pointer, correction.pointer, count: count, output: share.pointer)
    }
    return shares
  }

  /// Sends c - gamma.
  public func requestActivation(step: Int, shares: [SecretWords]) throws {
    let (streams, serials) = current
    let count = program!.steps[step].tensor.shape.count
    let deltas = serials.enumerated().map { position, serial in
      let gamma = streams.words(.oleGamma, step: step, serial: serial, modulus: .field, count: count)
      let share = shares[position]
      Elementwise.subtract(.field, share.pointer, gamma.pointer, count: count, output: gamma.pointer)
      return gamma
    }
    try peer.send(.oleDelta, words: deltas)
  }

  /// v + c^2 and the pads less r' are its material.
  public func activation(
    step: Int, shares: [SecretWords], masks: [SecretWords],
    receive: (Int, consuming DataOwnerActivationMaterial) -> Void
  ) throws {
    let (streams, serials) = current
    let tensor = program!.steps[step].tensor
    let count = tensor.shape.count
    guard case .activation(let spec) = program!.steps[step].operation else { preconditionFailure("not an activation") }
    for (position, serial) in serials.enumerated() {
      let (share, mask) = (shares[position], masks[position])
      let constant = streams.words(.oleV, step: step, serial: serial, modulus: .field, count: count)
      ActivationKernels.fuse(v: constant.pointer, c: share.pointer, count: count, vc: constant.pointer)
      var pads: (SecretWords, SecretWords)?
      if spec.truncation == .exact {
        let both = streams.pads(step: step, serial: serial, modulus: tensor.modulus, count: count)
        for pad in [both.0, both.1] {
          Elementwise.subtract(tensor.modulus, pad.pointer, mask.pointer, count: count, output: pad.pointer)
        }
        pads = both
      }
      receive(
        position,
        DataOwnerActivationMaterial(share: share, constant: constant, pads: pads, mask: mask))
    }
  }

  /// Forgets the seed of the bulk.
  public func endBulk() throws { bulk = nil }

  /// Leaves the dealer.
  public func end() {
    bulk = nil
    try? dealer.send(.goodbye, [])
    dealer.close()
  }

  var current: (BulkStreams, Range<UInt64>) {
    guard let bulk else { preconditionFailure("no bulk was begun") }
    return (bulk.streams, bulk.serials)
  }
}
