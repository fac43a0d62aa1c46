public import Programs
public import Randomness
public import Rings
public import Transport

/// The model owner's side of the dealer.
///
/// Security: semi-honest parties, dealer trusted not to pool its view with either. The masks A are uniform in each layer's ring,
/// so D = W - A tells the data owner nothing of W.
public final class DealerModelOwnerSource: ModelOwnerSource {
  let dealer: FramedChannel
  let peer: FramedChannel
  private let sessionID: Digest32
  private var program: Program?
  private var bulk: (streams: BulkStreams, serials: Range<UInt64>)?

  /// - Parameters:
  ///   - dealer: channel to the dealer, after the hello.
  ///   - peer: channel to the data owner, after the hello.
  ///   - sessionID: id of the session with the data owner.
  public init(dealer: FramedChannel, peer: FramedChannel, sessionID: Digest32) {
    self.dealer = dealer
    self.peer = peer
    self.sessionID = sessionID
  }

  /// Places the order, and gives the data owner D = W - A if it lacks it.
  /// - Throws: ``CorrelationError``, `TransportError`
  public func begin(program: Program, weights: any WeightProvider) throws {
    self.program = program
    guard let digest = Digest32(bytes: weights.weightsDigest) else {
      preconditionFailure("a weights digest has 32 bytes")
    }
    let order = DealerOrder(
      pairing: sessionID, isModelOwner: true, peerFingerprint: peer.stream.peerFingerprint, program: program,
      weightsDigest: digest)
    try dealer.send(.order, try order.encoded())
    let masks = try receiveMasks()
    let request = try peer.receive(.weightRequest, byteCount: 1)
    guard request[0] <= 1 else {
      throw CorrelationError.unexpectedAnswer(what: "the request for the weight difference is neither 0 nor 1")
    }
    if request[0] == 1 { try sendDifference(program, weights, masks) }
  }

  /// The public tag and the secret seed of A, which goes straight into memory that is erased.
  private func receiveMasks() throws -> WeightMasks {
    var tag = [UInt8](repeating: 0, count: 32)
    try dealer.beginReceive(.dealerReady, byteCount: tag.count + BulkStreams.seedBytes)
    try tag.withUnsafeMutableBytes { try dealer.read(into: $0) }
    let masks = WeightMasks(seed: try SecretKey(count: BulkStreams.seedBytes) { try dealer.read(into: $0) })
    dealer.endReceive()
    guard masks.tag.bytes == tag else {
      throw CorrelationError.unexpectedAnswer(what: "the tag of the dealer's masks")
    }
    return masks
  }

  private func sendDifference(_ program: Program, _ weights: any WeightProvider, _ masks: WeightMasks) throws {
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      let modulus = program.steps[index].tensor.modulus
      let difference = masks.words(step: index, modulus: modulus, count: geometry.weightCount)
      weights.withWeights(ofStep: index) { weights in
        switch weights {
        case .quantized(let weights):
          precondition(weights.count == geometry.weightCount)
          switch modulus {
          case .field: Self.subtract(PrimeField.self, from: weights, difference.pointer)
          case .word: Self.subtract(Word64.self, from: weights, difference.pointer)
          }
        case .share(let words):
          precondition(words.count == geometry.weightCount)
          Elementwise.subtract(
            modulus, words.baseAddress!, difference.pointer, count: words.count, output: difference.pointer)
        }
      }
      try peer.send(.weightDifference, words: [difference], flush: false)
    }
    try peer.flush()
  }

  /// masks = weights - masks.
  private static func subtract<M: Modulus>(
    _ modulus: M.Type, from weights: UnsafeBufferPointer<Int32>, _ masks: UnsafeMutablePointer<UInt64>
  ) {
    for index in 0..<weights.count {
      masks[index] = M.subtract(M.reduce(signed: Int64(weights[index])), masks[index])
    }
  }

  /// Asks the dealer for a bulk.
  public func beginBulk(serials: Range<UInt64>) throws {
    try dealer.send(.deal, SerialRange(serials).bytes)
    let seed = try dealer.receiveKey(.seed, byteCount: BulkStreams.seedBytes)
    bulk = (BulkStreams(seed: seed, session: sessionID), serials)
  }

  /// s, drawn from its own seed.
  public func linear(step: Int) throws -> [SecretWords] {
    let (streams, serials) = current
    let tensor = program!.steps[step].tensor
    return serials.map {
      streams.words(.linearOutput, step: step, serial: $0, modulus: tensor.modulus, count: tensor.shape.count)
    }
  }

  /// u = u' + alpha delta; rho from its own seed, pad_rho from the dealer.
  public func activation(step: Int, receive: (Int, consuming ModelOwnerActivationMaterial) -> Void) throws {
    let (streams, serials) = current
    let tensor = program!.steps[step].tensor
    let count = tensor.shape.count
    guard case .activation(let spec) = program!.steps[step].operation else { preconditionFailure("not an activation") }
    let products = try dealer.receiveWords(.oleCorrection, tensorCount: serials.count, count: count, modulus: .field)
    let pads =
      spec.truncation == .exact
      ? try dealer.receiveWords(.transferPads, tensorCount: serials.count, count: count, modulus: tensor.modulus) : []
    let deltas = try peer.receiveWords(.oleDelta, tensorCount: serials.count, count: count, modulus: .field)
    for (position, serial) in serials.enumerated() {
      let alpha = streams.words(.oleAlpha, step: step, serial: serial, modulus: .field, count: count)
      // Elements are held by constants: an array may be released right after its last use, before its words are read.
      let (u, delta) = (products[position], deltas[position])
      ActivationKernels.correct(
        u: u.pointer, alpha: alpha.pointer, delta: delta.pointer, count: count, corrected: u.pointer)
      let transfer =
        pads.isEmpty ? nil : (choices: streams.choices(step: step, serial: serial, count: count), pads: pads[position])
      receive(position, ModelOwnerActivationMaterial(alpha: alpha, u: u, transfer: transfer))
    }
  }

  /// Forgets the seed of the bulk.
  public func endBulk() throws { bulk = nil }

  /// Leaves the dealer.
  public func end() {
    bulk = nil
    dealer.close()
  }

  var current: (BulkStreams, Range<UInt64>) {
    guard let bulk else { preconditionFailure("no bulk was begun") }
    return (bulk.streams, bulk.serials)
  }
}
