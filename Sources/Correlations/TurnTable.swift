public import Programs

/// The table by which a floor learns where its operand's shares turn: the data owner chooses one of two entries of f bits
/// (Protocols/comparison/spec.md). Pointers are to planes of one tile: an entry's f planes, the lowest bit first, and of pads
/// entry 0 before entry 1. No jump and no address depends on a bit.
public struct TurnTable: Sendable {
  private let bits: Int
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
    for index in 0..<bytes {
      var carry = n[index]
      for plane in 0..<bits {
        let place = plane * bytes + index
        table[place] = pads[place] ^ carry ^ pads[bits * bytes + place]
        carry &= pads[place]
      }
    }
  }

  /// The data owner's share: the table's entry, where its bit n is set, xor the pad that it chose.
  public func share(
    _ n: UnsafePointer<UInt8>, table: UnsafePointer<UInt8>, chosen: UnsafePointer<UInt8>,
    share: UnsafeMutablePointer<UInt8>
  ) {
    forEach { place, index in share[place] = chosen[place] ^ table[place] & n[index] }
  }

  /// Adds numbers of f bits, or subtracts them, to the top bits of words of Z_2^64.
  public func add(
    _ planes: UnsafePointer<UInt8>, negative: Bool, count: Int, to words: UnsafeMutablePointer<UInt64>
  ) {
    for plane in 0..<bits {
      let row = planes + plane * bytes
      // One bit of weight 2^w subtracted is 2^w times -1.
      let weight = UInt64(1) << UInt64(64 - bits + plane)
      let unit = negative ? 0 &- weight : weight
      for index in 0..<count {
        words[index] &+= unit &* UInt64(row[index >> 3] >> UInt8(index & 7) & 1)
      }
    }
  }

  private func forEach(_ body: (_ place: Int, _ index: Int) -> Void) {
    for plane in 0..<bits { for index in 0..<bytes { body(plane * bytes + index, index) } }
  }
}

extension ComparisonStage {
  /// Its turn's table in a tile, if it has one.
  public func turn(bytes: Int) -> TurnTable? { turnBits > 0 ? TurnTable(bits: turnBits, bytes: bytes) : nil }
}
