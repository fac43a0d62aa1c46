import Lattice
import ObliviousTransfer
import Programs
import Randomness
import Rings
public import Transport

extension FrameKind {
  /// Data owner -> model owner, one a run of comparisons and inference: c' less its random factor, 8 bytes a comparison.
  public static let comparisonFactors = FrameKind(rawValue: 0x7b)
}

/// Comparison material out of correlated transfers, without a third party (Protocols/rlwe/spec.md, comparisons).
///
/// Two directions of silent transfers: in one the model owner holds the tables and the data owner chooses, in the other
/// the data owner is the sender. Both ends draw in the same order: tables, triples, multiplexers.
enum ComparisonTransfers {
  /// Directions of one session, beside that of activations.
  static let (tableLane, factorLane): (UInt32, UInt32) = (1, 2)

  /// A party's shares of all triples, tile by tile: b = zeros + ones of its own transfers, and ab = a b + zeros + pads.
  ///
  /// - Parameters:
  ///   - a: its choices in the other direction, a bit a joint and comparison.
  ///   - pads: what it received for them, two lanes.
  ///   - zeros: both lanes of its own transfers' first pads.
  ///   - ones: of the second ones.
  static func triples(
    _ stage: ComparisonStage, a: PackedBits, pads: [PackedBits], zeros: [PackedBits], ones: [PackedBits]
  ) -> SecretBytes {
    let digits = stage.digits
    let bytes = (stage.count + 7) / 8
    let whole = SecretBytes(zeros: digits.triplePlanes * bytes)
    var (plane, joint) = (0, 0)
    for level in digits.levels {
      for pair in 0..<level.pairs {
        let start = joint * bytes
        let factor = a.storage.pointer + start
        (whole.pointer + plane * bytes).update(from: factor, count: bytes)
        for lane in 0..<(pair == 0 ? 1 : 2) {
          let out = whole.pointer + (plane + 1 + 2 * lane) * bytes
          let (zero, one) = (zeros[lane].storage, ones[lane].storage)
          let pad = pads[lane].storage
          for index in 0..<bytes {
            let b = zero.pointer[start + index] ^ one.pointer[start + index]
            out[index] = b
            out[bytes + index] = factor[index] & b ^ zero.pointer[start + index] ^ pad.pointer[start + index]
          }
        }
        plane += pair == 0 ? 3 : 5
        joint += 1
      }
    }
    return tiled(whole, planes: digits.triplePlanes, count: stage.count)
  }

  /// Whole planes, one after the other, as tiles of planes.
  static func tiled(_ whole: SecretBytes, planes: Int, count: Int) -> SecretBytes {
    guard count > ComparisonTile.elements else { return whole }
    let stride = (count + 7) / 8
    let out = SecretBytes(uninitialized: planes * stride)
    ComparisonTile.forEach(count) { first, _, bytes in
      let target = out.pointer + planes * first / 8
      for plane in 0..<planes {
        (target + plane * bytes).update(from: whole.pointer + plane * stride + first / 8, count: bytes)
      }
    }
    return out
  }

  static func tiled(_ planes: [PackedBits], count: Int) -> SecretBytes {
    let stride = (count + 7) / 8
    let whole = SecretBytes(uninitialized: planes.count * stride)
    for (plane, bits) in planes.enumerated() {
      (whole.pointer + plane * stride).update(from: bits.storage.pointer, count: stride)
    }
    return tiled(whole, planes: planes.count, count: count)
  }

  /// -words in place.
  static func negate(_ words: SecretWords, _ modulus: ModulusKind) {
    let zero = SecretWords(zeros: words.count)
    Elementwise.subtract(modulus, zero.pointer, words.pointer, count: words.count, output: words.pointer)
  }
}

/// What the model owner has drawn for one run of comparisons of one inference, before the data owner's corrections.
final class DrawnComparison {
  // A noncopyable value cannot be an element of an Array; a table is.
  final class Table {
    var pending: PendingTables?
    init(_ pending: consuming PendingTables) { self.pending = consume pending }
  }

  let stage: ComparisonStage
  let tables: [Table]
  let own: (zeros: [PackedBits], ones: [PackedBits])
  let (g, h): (SecretWords, SecretWords)

  init(
    stage: ComparisonStage, tables: [Table], own: (zeros: [PackedBits], ones: [PackedBits]), g: SecretWords,
    h: SecretWords
  ) {
    (self.stage, self.tables, self.own) = (stage, tables, own)
    (self.g, self.h) = (g, h)
  }

  /// Bytes that it holds, about.
  static func bytes(_ stage: ComparisonStage) -> Int { 16 * stage.count * (stage.tableWidths.count + 1) }
}

/// Comparisons drawn ahead: the data owner then finds what it waits for already there, so that runs that follow one another
/// take no round trip each.
struct ComparisonsAhead {
  /// Bytes that may be held. LOCAL.
  static let limit = 32 << 20

  private var waiting: ArraySlice<ComparisonStage> = []
  private var drawn: ArraySlice<DrawnComparison> = []
  private var bytes = 0

  /// The next run's draws.
  ///
  /// - Parameter runs: all runs from this one on that follow one another, each once an inference; read when all earlier ones
  ///   are done.
  mutating func next(
    runs: () -> [ComparisonStage], draw: (ComparisonStage) throws -> DrawnComparison
  ) throws -> DrawnComparison {
    if waiting.isEmpty && drawn.isEmpty { waiting = runs()[...] }
    while let stage = waiting.first, drawn.isEmpty || bytes + DrawnComparison.bytes(stage) <= Self.limit {
      drawn.append(try draw(stage))
      bytes += DrawnComparison.bytes(stage)
      waiting.removeFirst()
    }
    let result = drawn.removeFirst()
    bytes -= DrawnComparison.bytes(result.stage)
    return result
  }
}

/// The model owner's end.
final class ComparisonTransfersModelOwner {
  private let peer: FramedChannel
  private let tables: CorrelatedSender
  private let factors: CorrelatedReceiver
  private let counter: OperationCounter?

  init(
    peer: FramedChannel, sessionID: Digest32, counter: OperationCounter? = nil,
    randomness: (UInt32) -> any RandomByteSource
  ) {
    self.peer = peer
    self.counter = counter
    let lanes = [ComparisonTransfers.tableLane, ComparisonTransfers.factorLane]
    tables = CorrelatedSender(
      channel: peer, session: TransferSession(id: sessionID, lane: lanes[0]), method: .silent,
      randomness: randomness(lanes[0]))
    factors = CorrelatedReceiver(
      channel: peer, session: TransferSession(id: sessionID, lane: lanes[1]), method: .silent,
      randomness: randomness(lanes[1]))
  }

  /// Set-up of both directions.
  func begin() throws {
    try tables.begin()
    try factors.begin()
    counter?.add("ot.base", 256)
  }

  private func count(_ transfers: Int, pads: Int) {
    counter?.add("ot.cot", transfers)
    counter?.add("ot.pad", transfers * pads)
  }

  /// Draws what one run of one inference takes of its own direction: it need not wait for the data owner, whose draws may
  /// follow at once.
  func draw(_ stage: ComparisonStage) throws -> DrawnComparison {
    let pending = try stage.tableWidths.map { width in
      counter?.add("ot.cot", width * stage.count)
      counter?.add("ot.pad", stage.count << width)
      return DrawnComparison.Table(try tables.prepareTables(TableShape(count: stage.count, choiceBits: width)))
    }
    let joints = stage.jointTransfers
    let own = try tables.randomBits(joints, width: 2)
    count(joints, pads: 2)
    count(stage.count, pads: 2)
    // g = one - zero, h0 = -zero: the data owner's pad is zero + rho1 g.
    let (h, g) = try tables.randomWords(stage.count, modulus: stage.modulus)
    Elementwise.subtract(stage.modulus, g.pointer, h.pointer, count: stage.count, output: g.pointer)
    ComparisonTransfers.negate(h, stage.modulus)
    return DrawnComparison(stage: stage, tables: pending, own: own, g: g, h: h)
  }

  /// Takes the data owner's corrections: the material of the run.
  func material(_ drawn: DrawnComparison) throws -> ModelOwnerComparisonMaterial {
    let (stage, modulus, own) = (drawn.stage, drawn.stage.modulus, drawn.own)
    var pads: [PackedBits] = []
    for (index, table) in drawn.tables.enumerated() {
      pads += try tables.bitTables(table.pending.take()!, lanes: stage.lanes(index))
    }
    let joints = stage.jointTransfers
    let other = try factors.randomBits(joints, width: 2)
    count(joints, pads: 1)
    count(stage.count, pads: 1)
    let (rho, w) = try factors.randomWords(stage.count, modulus: modulus)
    try peer.beginReceive(.comparisonFactors, byteCount: 8 * stage.count)
    let delta = try peer.readSecretWords(stage.count, modulus)
    peer.endReceive()
    ComparisonCorrection.add(delta, where: rho.storage, to: w, modulus)
    return ModelOwnerComparisonMaterial(
      pads: ComparisonTransfers.tiled(pads, count: stage.count),
      triples: ComparisonTransfers.triples(stage, a: other.choices, pads: other.pads, zeros: own.zeros, ones: own.ones),
      rho: rho.storage, g: drawn.g, h: drawn.h, w: w)
  }

  /// Forgets what was not drawn.
  func end() {
    tables.end()
    factors.end()
  }
}

/// The data owner's end.
final class ComparisonTransfersDataOwner {
  private let peer: FramedChannel
  private let tables: CorrelatedReceiver
  private let factors: CorrelatedSender
  private let counter: OperationCounter?

  init(
    peer: FramedChannel, sessionID: Digest32, counter: OperationCounter? = nil,
    randomness: (UInt32) -> any RandomByteSource
  ) {
    self.peer = peer
    self.counter = counter
    let lanes = [ComparisonTransfers.tableLane, ComparisonTransfers.factorLane]
    tables = CorrelatedReceiver(
      channel: peer, session: TransferSession(id: sessionID, lane: lanes[0]), method: .silent,
      randomness: randomness(lanes[0]))
    factors = CorrelatedSender(
      channel: peer, session: TransferSession(id: sessionID, lane: lanes[1]), method: .silent,
      randomness: randomness(lanes[1]))
  }

  /// Set-up of both directions.
  func begin() throws {
    try tables.begin()
    try factors.begin()
    counter?.add("ot.base", 256)
  }

  private func count(_ transfers: Int, pads: Int) {
    counter?.add("ot.cot", transfers)
    counter?.add("ot.pad", transfers * pads)
  }

  /// The material of one run of one inference, for the shares that are known.
  func material(
    _ stage: ComparisonStage, compared: SecretWords, operand: SecretWords, offset: SecretWords
  ) throws -> DataOwnerComparisonMaterial {
    let (digits, modulus, count) = (stage.digits, stage.modulus, stage.count)
    let stride = (count + 7) / 8
    let planes = SecretBytes(uninitialized: stage.choicePlanes * stride)
    ComparisonKernels().slice(compared.pointer, count: count, bits: stage.choicePlanes, planes: planes.pointer)
    var (pads, low): ([PackedBits], Int) = ([], 0)
    for (index, width) in stage.tableWidths.enumerated() {
      // The top bit below the turn's choice chooses nothing.
      if index == digits.count { low += 1 }
      let choices = (low..<low + width).map { PackedBits(count: count, bytes: planes.pointer + $0 * stride) }
      pads += try tables.bitTables(
        TableShape(count: count, choiceBits: width), choices: choices, lanes: stage.lanes(index))
      counter?.add("ot.cot", width * count)
      counter?.add("ot.pad", count)
      low += width
    }
    let joints = stage.jointTransfers
    let other = try tables.randomBits(joints, width: 2)
    self.count(joints, pads: 1)
    self.count(count, pads: 1)
    let (rho, h) = try tables.randomWords(count, modulus: modulus)
    let own = try factors.randomBits(joints, width: 2)
    self.count(joints, pads: 2)
    self.count(count, pads: 2)
    // The factor that it holds at random is one - zero; w1 = -zero.
    let (w, random) = try factors.randomWords(count, modulus: modulus)
    Elementwise.subtract(modulus, random.pointer, w.pointer, count: count, output: random.pointer)
    ComparisonTransfers.negate(w, modulus)
    let delta = SecretWords(uninitialized: count)
    ComparisonKernels.negate(
      modulus, where: rho.storage.pointer, operand.pointer, count: count, out: delta.pointer)
    Elementwise.subtract(modulus, delta.pointer, random.pointer, count: count, output: delta.pointer)
    try peer.send(.comparisonFactors, UnsafeRawBufferPointer(delta.buffer))
    return DataOwnerComparisonMaterial(
      choices: ComparisonTransfers.tiled(planes, planes: stage.choicePlanes, count: count),
      pads: ComparisonTransfers.tiled(pads, count: count),
      triples: ComparisonTransfers.triples(stage, a: other.choices, pads: other.pads, zeros: own.zeros, ones: own.ones),
      rho: rho.storage, operand: operand, h: h, w: w, offset: offset)
  }

  /// Forgets what was not drawn.
  func end() {
    tables.end()
    factors.end()
  }
}
