internal import CKernels
public import Rings
internal import Transport

/// Shape of random 1-of-2^m transfers whose choices the receiver gives. Agreement between the parties.
public struct TableShape: Hashable, Sendable {
  /// Transfers.
  public let count: Int
  /// m: bits of a choice, 1 to 8.
  public let choiceBits: Int
  /// Bytes of an entry, the first of its pad: 1 to 16.
  public let entryBytes: Int

  /// A shape.
  public init(count: Int, choiceBits: Int, entryBytes: Int) {
    precondition(count >= 0 && count <= 1 << 40, "\(count) transfers are out of range")
    precondition(1...8 ~= choiceBits, "a choice has 1 to 8 bits, not \(choiceBits)")
    precondition(1...16 ~= entryBytes, "an entry has 1 to 16 bytes, not \(entryBytes)")
    (self.count, self.choiceBits, self.entryBytes) = (count, choiceBits, entryBytes)
  }

  /// Entries of a table.
  public var entries: Int { 1 << choiceBits }
  /// Bytes of the receiver's message.
  public var correctionBytes: Int { PackedBits.byteCount(count * choiceBits) }
}

/// Tables that the sender has drawn transfers for, and whose choices are still to come. Consumed by
/// ``CorrelatedSender/tables(_:)``, in the order in which they were prepared.
public struct PendingTables: ~Copyable {
  /// What was agreed.
  public let shape: TableShape
  let first: UInt64
  let combined: SecretWords
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

  /// Receives the choices' corrections and gives all entries: entry j of transfer i begins at byte (i 2^m + j) entryBytes.
  /// - Throws: `TransportError`.
  public func tables(_ pending: consuming PendingTables) throws -> SecretBytes {
    let shape = pending.shape
    let (entries, width, m) = (shape.entries, shape.entryBytes, shape.choiceBits)
    let corrections = SecretBytes(uninitialized: shape.correctionBytes)
    try channel.receive(.transferChoices, into: UnsafeMutableRawBufferPointer(corrections.buffer))
    let offsets = TransferHash.multiples(of: offset, m: m)
    let combined = pending.combined
    let blocks = combined.pointer
    let (bits, multiples) = (corrections.pointer, offsets.pointer)
    // Q + phi(e) D, without an address that depends on e.
    for transfer in 0..<shape.count {
      var sum = (blocks[2 * transfer], blocks[2 * transfer + 1])
      for power in 0..<m {
        let mask = 0 &- UInt64(PackedBits.bit(bits, at: transfer * m + power))
        sum.0 ^= multiples[2 << power] & mask
        sum.1 ^= multiples[2 << power + 1] & mask
      }
      (blocks[2 * transfer], blocks[2 * transfer + 1]) = sum
    }
    let out = SecretBytes(uninitialized: shape.count * entries * width)
    let place = out.pointer
    TransferHash(session: session, variant: variant).pads(
      first: pending.first, blocks, count: shape.count, offsets: offsets
    ) { start, size, pads in
      for entry in 0..<entries {
        let source = UnsafeRawPointer(pads + 2 * TransferHash.chunk * entry)
        let target = place + (start * entries + entry) * width
        PadBytes.scatter(source, count: size, width: width, to: target, stride: entries * width)
      }
    }
    return out
  }

  /// ``prepareTables(_:)`` and ``tables(_:)`` in one.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func tables(_ shape: TableShape) throws -> SecretBytes { try tables(try prepareTables(shape)) }
}

extension CorrelatedReceiver {
  /// The chosen entries, `entryBytes` bytes a transfer, of tables that the sender gets by ``CorrelatedSender/tables(_:)``.
  ///
  /// Sends the choices masked by random ones and does not wait.
  /// - Parameter choices: one byte a transfer, below 2^m.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func tables(_ shape: TableShape, choices: SecretBytes) throws -> SecretBytes {
    precondition(choices.count == shape.count, "\(choices.count) choices for \(shape.count) transfers")
    let (m, width) = (shape.choiceBits, shape.entryBytes)
    let combined = SecretWords(uninitialized: 2 * shape.count)
    let corrections = SecretBytes(zeros: shape.correctionBytes)
    let first = next
    let piece = CorrelatedSender.piece
    let blocks = SecretWords(uninitialized: 2 * m * min(shape.count, piece))
    let (drawn, chosen, bits) = (blocks.pointer, choices.pointer, corrections.pointer)
    for start in stride(from: 0, to: shape.count, by: piece) {
      let size = min(piece, shape.count - start)
      try draw(size * m, into: drawn)
      for transfer in 0..<size {
        let choice = UInt64(chosen[start + transfer])
        for power in 0..<m {
          let bit = (drawn[2 * (transfer * m + power)] ^ choice >> UInt64(power)) & 1
          let place = (start + transfer) * m + power
          bits[place >> 3] |= UInt8(truncatingIfNeeded: bit << UInt64(place & 7))
        }
      }
      ck_transfer_combine(blocks.pointer, size, UInt32(m), combined.pointer + 2 * start)
    }
    try channel.send(.transferChoices, UnsafeRawBufferPointer(corrections.buffer))
    let out = SecretBytes(uninitialized: shape.count * width)
    TransferHash(session: session, variant: variant).pads(
      first: first, combined.pointer, count: shape.count, offsets: SecretWords(zeros: 2)
    ) { start, size, pads in
      PadBytes.scatter(
        UnsafeRawPointer(pads), count: size, width: width, to: out.pointer + start * width, stride: width)
    }
    return out
  }
}

/// The first bytes of pads.
enum PadBytes {
  /// `width` bytes of each of `count` blocks, to places `stride` apart.
  static func scatter(
    _ pads: UnsafeRawPointer, count: Int, width: Int, to out: UnsafeMutablePointer<UInt8>, stride: Int
  ) {
    switch width {
    case 1:
      for index in 0..<count { out[index * stride] = pads.load(fromByteOffset: 16 * index, as: UInt8.self) }
    case 8:
      let target = UnsafeMutableRawPointer(out)
      for index in 0..<count {
        target.storeBytes(
          of: pads.load(fromByteOffset: 16 * index, as: UInt64.self), toByteOffset: index * stride, as: UInt64.self)
      }
    default:
      let target = UnsafeMutableRawPointer(out)
      for index in 0..<count { (target + index * stride).copyMemory(from: pads + 16 * index, byteCount: width) }
    }
  }
}
