public import Lattice
internal import ObliviousTransfer
internal import Packing
internal import Programs
internal import Randomness
internal import Rings
public import Transport

/// Rings and tables of lattice preparation: made once a process, some 10 ms and 3 MB, shared by all sessions.
public final class LatticeTables: Sendable {
  let linear: RingContext
  let ole: RingContext
  let decryption: RingContext
  let slots: FieldNTT
  let counter: OperationCounter?

  /// Builds the tables for the product's parameters.
  /// - Parameter counter: counts the work that is done with these tables, in tests.
  public init(counter: OperationCounter? = nil) {
    precondition(LatticeParameters.linear.degree == LinearPacking.agreedDegree)
    precondition(LatticeParameters.ole.degree == LinearPacking.agreedDegree)
    self.counter = counter
    linear = RingContext(.linear, counter: counter)
    ole = RingContext(.ole, counter: counter)
    decryption = Decryptor.makeContext(degree: LatticeParameters.linear.degree, counter: counter)
    slots = FieldNTT(degree: LatticeParameters.ole.degree, counter: counter)
  }

  /// Secret words of a modulus, counted.
  func words(_ kind: ModulusKind, count: Int, from stream: StreamGenerator) -> SecretWords {
    counter?.add("aes.block", (count * (kind == .field ? 16 : 8) + 15) / 16)
    return stream.secretWords(kind, count: count)
  }
}

extension FrameKind {
  // Lattice preparation, once a session.
  /// Model owner -> data owner, 32 bytes: public seed of everything both draw alike.
  public static let latticeSeed = FrameKind(rawValue: 0x15)
  /// Data owner -> model owner: public keys of both rings.
  public static let latticeKeys = FrameKind(rawValue: 0x16)
  // Lattice preparation, once a bulk and step.
  /// Data owner -> model owner, one a linear step: encrypted masks.
  public static let latticeMasks = FrameKind(rawValue: 0x17)
  /// Model owner -> data owner, one a linear step: responses.
  public static let latticeLinear = FrameKind(rawValue: 0x18)
  /// Data owner -> model owner: up to 16 ciphertexts of an activation step's shares c, in slots.
  public static let latticeShares = FrameKind(rawValue: 0x19)
  /// Model owner -> data owner: as many responses.
  public static let latticeProducts = FrameKind(rawValue: 0x1a)
}

extension Purpose {
  static let latticeSecretKey = Purpose(label: "lattice secret key")
  static let latticePublicKey = Purpose(label: "lattice public key")
  static let latticeMasks = Purpose(label: "lattice masks")
  static let latticeLinear = Purpose(label: "lattice linear responses")
  static let latticeShares = Purpose(label: "lattice shares")
  static let latticeProducts = Purpose(label: "lattice products")
  static let latticeTransfers = Purpose(label: "lattice transfers")
}

/// What both ends of a lattice preparation compute alike from public values: plans of layers, budgets, formats, streams.
final class LatticeSession {
  let tables: LatticeTables
  let program: Program
  private let sessionID: Digest32
  private let publicSeed: SecretKey
  private let secret: SecretKey
  private var plans: [Int: (count: Int, packing: LinearPacking)] = [:]
  /// Coefficients that are sent back encrypted for one inference, at most: they share the statistical distance.
  private let outputs: Int

  /// - Parameters:
  ///   - publicSeed: known to both.
  ///   - secret: this party's own.
  init(tables: LatticeTables, program: Program, sessionID: Digest32, publicSeed: SecretKey, secret: SecretKey) {
    self.tables = tables
    self.program = program
    self.sessionID = sessionID
    self.publicSeed = publicSeed
    self.secret = secret
    let degree = tables.ole.degree
    outputs = program.steps.reduce(0) { sum, step in
      let count = step.tensor.shape.count
      switch step.operation {
      case .linear: return sum + count
      case .activation:
        // Whole ciphertexts leave, what fills up the last one included.
        return sum + degree * SlotPacking.ciphertexts(count)
      default: return sum
      }
    }
  }

  /// A stream that both parties know.
  func publicStream(_ purpose: Purpose, step: Int = 0, serial: UInt64 = 0) -> StreamGenerator {
    stream(publicSeed, purpose, step, serial)
  }

  /// A stream of this party alone.
  func secretStream(_ purpose: Purpose, step: Int = 0, serial: UInt64 = 0) -> StreamGenerator {
    stream(secret, purpose, step, serial)
  }

  private func stream(_ key: SecretKey, _ purpose: Purpose, _ step: Int, _ serial: UInt64) -> StreamGenerator {
    StreamGenerator(key: derive(key, purpose, step, serial))
  }

  /// Streams that both parties know, one a polynomial.
  func publicStreams(_ purpose: Purpose, step: Int, serial: UInt64) -> PolynomialStreams {
    PolynomialStreams(key: derive(publicSeed, purpose, step, serial))
  }

  /// Streams of this party alone, one a polynomial.
  func secretStreams(_ purpose: Purpose, step: Int, serial: UInt64) -> PolynomialStreams {
    PolynomialStreams(key: derive(secret, purpose, step, serial))
  }

  private func derive(_ key: SecretKey, _ purpose: Purpose, _ step: Int, _ serial: UInt64) -> SecretKey {
    KeyDerivation.derive(
      secret: key, context: sessionID.bytes, purpose: purpose, layer: UInt32(step), serial: serial)
  }

  /// The placement of a linear step's masks for `count` inferences.
  func packing(step: Int, count: Int) throws -> LinearPacking {
    if let plan = plans[step], plan.count == count { return plan.packing }
    guard case .linear(let geometry) = program.steps[step].operation else { preconditionFailure("not linear") }
    let packing = try LinearPacking.agreed(geometry: geometry, inferences: count)
    plans[step] = (count, packing)
    return packing
  }

  /// Largest magnitude of a quantized weight (``WeightProvider``), for the noise.
  static let weightBound = 1 << 17

  /// The noise of a linear step's responses: width of the flood, and units that a result may be off by.
  func budget(_ packing: LinearPacking) throws -> NoiseBudget {
    let terms = packing.maximumWeightTerms
    let use: NoiseUse =
      program.sharesWeights
      ? try .linearShares(terms: terms) : try .linear(terms: terms, weightBound: Self.weightBound)
    return try NoiseBudget(use: use, degree: linearRing.degree, primes: linearRing.primes, outputs: outputs)
  }

  /// The ring of linear steps: shares of weights are full words, and need the wider one.
  var linearRing: RingContext { program.sharesWeights ? tables.ole : tables.linear }

  /// The rings that have a key, each with the number of its streams; the first is that of linear steps.
  var keyedRings: [(ring: RingContext, number: Int)] {
    program.sharesWeights ? [(tables.ole, 1)] : [(tables.linear, 0), (tables.ole, 1)]
  }

  /// Whether activations need transfers: in the reverse run of an outsourced program there are none.
  var hasTransfers: Bool { program.deployment != .reversed }

  /// The noise of products in slots.
  func productBudget() throws -> NoiseBudget {
    try NoiseBudget(use: .ole, degree: tables.ole.degree, primes: tables.ole.primes, outputs: outputs)
  }

  /// How correlated transfers are extended: 3.9 bytes each, and as quick as the silent method. AGREEMENT.
  static let transferMethod = TransferMethod.softSpoken(k: 4)

  /// Names the transfers of this session that activations use.
  var transferSession: TransferSession { TransferSession(id: sessionID, lane: 0) }
}
