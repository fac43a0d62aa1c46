internal import CKernels
public import Rings
internal import Transport

/// Shape of random 1-of-2^m transfers whose choices the receiver gives. Agreement between the parties.
public struct TableShape: Hashable, Sendable {
  /// Transfers.
  public let count: Int
  /// m: bits of a choice, 1 to 8.
  public let choiceBits: Int

  /// A shape.
  public init(count: Int, choiceBits: Int) {
    precondition(count >= 0 && count <= 1 << 40, "\(count) transfers are out of range")
    precondition(1...8 ~= choiceBits, "a choice has 1 to 8 bits, not \(choiceBits)")
    (self.count, self.choiceBits) = (count, choiceBits)
  }

  /// Entries of a table.
  public var entries: Int { 1 << choiceBits }
  /// Bytes of the receiver's message: a plane for each bit of the choices.
  public var correctionBytes: Int { choiceBits * PackedBits.byteCount(count) }
}

/// Tables that the sender has drawn transfers for, and whose choices are still to come. Consumed by ``CorrelatedSender/tables(_:entryBytes:)`` or
/// ``CorrelatedSender/bitTables(_:lanes:)``, in the order in which they were prepared.
public struct PendingTables: ~Copyable {
  /// What was agreed.
  public let shape: TableShape
  fileprivate let first: UInt64
  fileprivate let combined: SecretWords
}

/// Of m correlated transfers, Q = sum of K_l X^l and R = sum of M_l X^l = Q + phi(r) D in GF(2^128), r the choice bits, phi(r) the
/// polynomial with them: entry j is H(Q + phi(j) D), the receiver's H(R). Kolesnikov and Kumaresan's reduction (CRYPTO 2013) over the
/// correlation; pads made of one bit's pads each would leave relations between the entries that were not chosen.
extension CorrelatedSender {
  /// Draws what `shape` takes, without waiting for the receiver: 16 bytes a transfer are held.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func prepareTables(_ shape: TableShape) throws -> PendingTables {
    let combined = SecretWords(uninitialized: 2 * shape.count)
    let first = next
    let blocks = SecretWords(uninitialized: 2 * shape.choiceBits * min(shape.count, Self.piece))
    for start in stride(from: 0, to: shape.count, by: Self.piece) {
      let size = min(Self.piece, shape.count - start)
      try draw(size * shape.choiceBits, into: blocks.pointer)
      ck_transfer_combine(blocks.pointer, size, UInt32(shape.choiceBits), combined.pointer + 2 * start)
    }
    return PendingTables(shape: shape, first: first, combined: combined)
  }

  /// Receives the corrections of the choices, and gives all entries: entry j of transfer i begins at byte (i 2^m + j) entryBytes.
  /// - Parameter entryBytes: 1 to 16, the first of each pad.
  /// - Throws: `TransportError`.
  public func tables(_ pending: consuming PendingTables, entryBytes: Int) throws -> SecretBytes {
    let (count, entries) = (pending.shape.count, pending.shape.entries)
    precondition(1...16 ~= entryBytes, "an entry has 1 to 16 bytes, not \(entryBytes)")
    let out = SecretBytes(uninitialized: count * entries * entryBytes)
    let target = out.pointer
    try eachEntry(pending) { start, size, entry, pads in
      PadBytes.scatter(
        UnsafeRawPointer(pads), count: size, width: entryBytes,
        to: target + (start * entries + entry) * entryBytes, stride: entries * entryBytes)
    }
    return out
  }

  /// The same as planes: bit i of plane j lanes + b is bit b of entry j of transfer i.
  /// - Parameter lanes: bits of an entry, 1 to 64.
  /// - Throws: `TransportError`.
  public func bitTables(_ pending: consuming PendingTables, lanes: Int) throws -> [PackedBits] {
    let shape = pending.shape
    precondition(1...64 ~= lanes, "an entry has 1 to 64 bits here, not \(lanes)")
    let planes = (0..<shape.entries * lanes).map { _ in PackedBits(zeros: shape.count) }
    try eachEntry(pending) { start, size, entry, pads in
      for lane in 0..<lanes {
        PadBits.pack(pads, bit: lane, count: size, to: planes[entry * lanes + lane], at: start, variant)
      }
    }
    return planes
  }

  /// ``prepareTables(_:)`` and ``tables(_:entryBytes:)`` in one.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func tables(_ shape: TableShape, entryBytes: Int) throws -> SecretBytes {
    try tables(try prepareTables(shape), entryBytes: entryBytes)
  }

  /// ``prepareTables(_:)`` and ``bitTables(_:lanes:)`` in one.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTables(_ shape: TableShape, lanes: Int) throws -> [PackedBits] {
    try bitTables(try prepareTables(shape), lanes: lanes)
  }

  private func eachEntry(
    _ pending: consuming PendingTables,
    _ body: (_ start: Int, _ size: Int, _ entry: Int, _ pads: UnsafeMutablePointer<UInt64>) -> Void
  ) throws {
    let (shape, first, combined) = (pending.shape, pending.first, pending.combined)
    let corrections = SecretBytes(uninitialized: shape.correctionBytes)
    try channel.receive(.transferChoices, into: UnsafeMutableRawBufferPointer(corrections.buffer))
    let offsets = TransferHash.multiples(of: offset, m: shape.choiceBits)
    let (blocks, multiples) = (combined.pointer, offsets.pointer)
    // Q + phi(e) D, without an address that depends on e.
    for power in 0..<shape.choiceBits {
      let plane = corrections.pointer + power * PackedBits.byteCount(shape.count)
      let (low, high) = (multiples[2 << power], multiples[2 << power + 1])
      for transfer in 0..<shape.count {
        let mask = secretMask(PackedBits.bit(plane, at: transfer))
        blocks[2 * transfer] ^= low & mask
        blocks[2 * transfer + 1] ^= high & mask
      }
    }
    TransferHash(session: session, variant: variant).pads(
      first: first, blocks, count: shape.count, offsets: offsets
    ) { start, size, pads in
      for entry in 0..<shape.entries { body(start, size, entry, pads + 2 * TransferHash.chunk * entry) }
    }
  }
}

extension CorrelatedReceiver {
  /// The chosen entries, `entryBytes` bytes a transfer, of tables that the sender gets by ``CorrelatedSender/tables(_:entryBytes:)``.
  ///
  /// Sends the choices masked by random ones and does not wait.
  /// - Parameter choices: m planes; bit i of plane l is bit l of choice i.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func tables(_ shape: TableShape, choices: [PackedBits], entryBytes: Int) throws -> SecretBytes {
    precondition(1...16 ~= entryBytes, "an entry has 1 to 16 bytes, not \(entryBytes)")
    let out = SecretBytes(uninitialized: shape.count * entryBytes)
    let target = out.pointer
    try eachChosen(shape, choices) { start, size, pads in
      PadBytes.scatter(
        UnsafeRawPointer(pads), count: size, width: entryBytes, to: target + start * entryBytes, stride: entryBytes)
    }
    return out
  }

  /// The chosen entries of tables that the sender gets by ``CorrelatedSender/bitTables(_:lanes:)``, a plane for each lane.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func bitTables(_ shape: TableShape, choices: [PackedBits], lanes: Int) throws -> [PackedBits] {
    precondition(1...64 ~= lanes, "an entry has 1 to 64 bits here, not \(lanes)")
    let planes = (0..<lanes).map { _ in PackedBits(zeros: shape.count) }
    try eachChosen(shape, choices) { start, size, pads in
      for lane in 0..<lanes { PadBits.pack(pads, bit: lane, count: size, to: planes[lane], at: start, variant) }
    }
    return planes
  }

  private func eachChosen(
    _ shape: TableShape, _ choices: [PackedBits],
    _ body: (_ start: Int, _ size: Int, _ pads: UnsafeMutablePointer<UInt64>) -> Void
  ) throws {
    let (m, piece) = (shape.choiceBits, CorrelatedSender.piece)
    precondition(choices.count == m && choices.allSatisfy { $0.count == shape.count }, "choices are of another shape")
    let combined = SecretWords(uninitialized: 2 * shape.count)
    let corrections = SecretBytes(zeros: shape.correctionBytes)
    let planeBytes = PackedBits.byteCount(shape.count)
    let first = next
    let blocks = SecretWords(uninitialized: 2 * m * min(shape.count, piece))
    for start in stride(from: 0, to: shape.count, by: piece) {
      let size = min(piece, shape.count - start)
      try draw(size * m, into: blocks.pointer)
      for power in 0..<m {
        ck_transfer_pack(
          variant.kernel, blocks.pointer + 2 * power, m, size, 0,
          corrections.pointer + power * planeBytes + start / 8)
      }
      ck_transfer_combine(blocks.pointer, size, UInt32(m), combined.pointer + 2 * start)
    }
    for (power, plane) in choices.enumerated() {
      PackedBits.xor(corrections.pointer + power * planeBytes, plane.storage.pointer, count: shape.count)
    }
    try channel.send(.transferChoices, UnsafeRawBufferPointer(corrections.buffer))
    TransferHash(session: session, variant: variant).pads(
      first: first, combined.pointer, count: shape.count, offsets: SecretWords(zeros: 2), body: body)
  }
}

/// The first bytes of pads.
enum PadBytes {
  /// `width` bytes of each of `count` blocks, to places `stride` apart.
  static func scatter(
    _ pads: UnsafeRawPointer, count: Int, width: Int, to out: UnsafeMutablePointer<UInt8>, stride: Int
  ) {
    let target = UnsafeMutableRawPointer(out)
    switch width {
    case 1:
      for index in 0..<count { out[index * stride] = pads.load(fromByteOffset: 16 * index, as: UInt8.self) }
    case 8:
      for index in 0..<count {
        target.storeBytes(
          of: pads.load(fromByteOffset: 16 * index, as: UInt64.self), toByteOffset: index * stride, as: UInt64.self)
      }
    default:
      for index in 0..<count { (target + index * stride).copyMemory(from: pads + 16 * index, byteCount: width) }
    }
  }
}

/// Single bits of pads.
enum PadBits {
  /// Bit `bit` of each of `count` blocks to bits `place` on; `place` is a multiple of 8.
  static func pack(
    _ blocks: UnsafePointer<UInt64>, bit: Int, count: Int, to bits: PackedBits, at place: Int, _ variant: CipherVariant
  ) {
    ck_transfer_pack(variant.kernel, blocks, 1, count, UInt32(bit), bits.storage.pointer + place / 8)
  }
}
