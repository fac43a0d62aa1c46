public import Programs

/// The table by which parties learn, in shares, where an operand's shares turn: the data owner chooses one of two entries of f bits
/// (Protocols/comparison/spec.md). Pointers are to planes of one tile: an entry's f planes, the lowest bit first, and of pads
/// entry 0 before entry 1. No jump and no address depends on a bit.
public struct TurnTable: Sendable {
  /// f.
  public let bits: Int
  private let bytes: Int

  /// - Parameters:
  ///   - bits: f.
  ///   - bytes: of a plane.
  public init(bits: Int, bytes: Int) {
    (self.bits, self.bytes) = (bits, bytes)
  }

  /// The chosen entry of pads.
  func choose(_ choice: UnsafePointer<UInt8>, pads: UnsafePointer<UInt8>, chosen: UnsafeMutablePointer<UInt8>) {
    forEach { place, index in
      let (zero, one) = (pads[place], pads[bits * bytes + place])
      chosen[place] = zero ^ (zero ^ one) & choice[index]
    }
  }

  /// Swaps the entries of pads where a bit of `shift` is set.
  func move(_ shift: UnsafePointer<UInt8>, pads: UnsafeMutablePointer<UInt8>) {
    forEach { place, index in
      let difference = (pads[place] ^ pads[bits * bytes + place]) & shift[index]
      pads[place] ^= difference
      pads[bits * bytes + place] ^= difference
    }
  }

  /// The model owner's entry 1, (p_0 + n) xor p_1, from its bit n; entry 0 would be zero. Its share is -p_0.
  public func table(_ n: UnsafePointer<UInt8>, pads: UnsafePointer<UInt8>, table: UnsafeMutablePointer<UInt8>) {
    rippling { carry in
      carry.update(from: n, count: bytes)
    } step: { place, carry in
      let pad = pads[place]
      table[place] = pad ^ carry ^ pads[bits * bytes + place]
      carry &= pad
    }
  }

  /// a - b of numbers of f bits. The output may be either.
  public func subtract(
    _ a: UnsafePointer<UInt8>, _ b: UnsafePointer<UInt8>, output: UnsafeMutablePointer<UInt8>
  ) {
    rippling { borrow in
      borrow.update(repeating: 0, count: bytes)
    } step: { place, borrow in
      let (first, second) = (a[place], b[place])
      output[place] = first ^ second ^ borrow
      borrow = ~first & (second | borrow) | second & borrow
    }
  }

  /// Goes from the lowest plane to the highest with a bit an element that each hands to the next.
  private func rippling(
    start: (UnsafeMutablePointer<UInt8>) -> Void, step: (_ place: Int, _ carry: inout UInt8) -> Void
  ) {
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: bytes) { memory in
      guard let carry = memory.baseAddress else { return }
      start(carry)
      for plane in 0..<bits { for index in 0..<bytes { step(plane * bytes + index, &carry[index]) } }
    }
  }

  /// The data owner's share: the table's entry, where its bit n is set, xor the pad that it chose.
  public func share(
    _ n: UnsafePointer<UInt8>, table: UnsafePointer<UInt8>, chosen: UnsafePointer<UInt8>,
    share: UnsafeMutablePointer<UInt8>
  ) {
    forEach { place, index in share[place] = chosen[place] ^ table[place] & n[index] }
  }

  /// What a number of f bits is worth at the top of a word of Z_2^64, times a weight.
  public func unit(_ weight: Int64 = 1) -> UInt64 { UInt64(bitPattern: weight) &* (1 << UInt64(64 - bits)) }

  private func forEach(_ body: (_ place: Int, _ index: Int) -> Void) {
    for plane in 0..<bits { for index in 0..<bytes { body(plane * bytes + index, index) } }
  }
}

extension ComparisonStage {
  /// Its turn's table in a tile, if it has one.
  public func turn(bytes: Int) -> TurnTable? { turnBits > 0 ? TurnTable(bits: turnBits, bytes: bytes) : nil }
}
