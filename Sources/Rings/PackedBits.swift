/// n bits in ceil(n / 8) bytes: bit i is bit i % 8 of byte i / 8, least significant first.
///
/// Bits may be secret: the bytes are overwritten when the last copy goes, and no function branches on a bit. Copies of
/// the structure share their bytes, which are written only before they are shared. Bits beyond n in the last byte are
/// zero.
public struct PackedBits: Sendable {
  /// Number of bits.
  public let count: Int
  /// The bytes.
  public let storage: SecretBytes

  /// Bytes that hold `bits` bits.
  @inlinable
  public static func byteCount(_ bits: Int) -> Int { (bits + 7) / 8 }

  /// `count` bits, all zero.
  public init(zeros count: Int) {
    precondition(count >= 0, "PackedBits: count must not be negative")
    self.count = count
    storage = SecretBytes(zeros: Self.byteCount(count))
  }

  /// The first `count` bits of `bytes`, which must hold them; surplus bits of the last byte are cleared.
  public init(count: Int, bytes: UnsafePointer<UInt8>) {
    self.init(zeros: count)
    storage.pointer.update(from: bytes, count: storage.count)
    if count % 8 != 0 { storage.pointer[storage.count - 1] &= UInt8((1 << (count % 8)) - 1) }
  }

  /// `count` bits taken from `bytes`, which must be exactly as many as hold them.
  public init(count: Int, bytes: [UInt8]) {
    precondition(bytes.count == Self.byteCount(count), "PackedBits: wrong number of bytes")
    self.init(zeros: count)
    for (place, byte) in bytes.enumerated() { storage.pointer[place] = byte }
    if count % 8 != 0 { storage.pointer[storage.count - 1] &= UInt8((1 << (count % 8)) - 1) }
  }

  /// Bit `index`, 0 or 1.
  public subscript(index: Int) -> UInt8 {
    get {
      precondition(index >= 0 && index < count, "PackedBits: index out of range")
      return Self.bit(storage.pointer, at: index)
    }
    nonmutating set {
      precondition(index >= 0 && index < count, "PackedBits: index out of range")
      Self.setBit(storage.pointer, at: index, to: newValue)
    }
  }

  /// Bit `index` of `bytes`.
  @inlinable @inline(__always)
  public static func bit(_ bytes: UnsafePointer<UInt8>, at index: Int) -> UInt8 {
    (bytes[index >> 3] >> UInt8(truncatingIfNeeded: index & 7)) & 1
  }

  /// Sets bit `index` of `bytes` to the lowest bit of `value`.
  @inlinable @inline(__always)
  public static func setBit(_ bytes: UnsafeMutablePointer<UInt8>, at index: Int, to value: UInt8) {
    let place = UInt8(truncatingIfNeeded: index & 7)
    bytes[index >> 3] = (bytes[index >> 3] & ~(1 &<< place)) | ((value & 1) &<< place)
  }

  /// Copies `count` bits between positions that need not be aligned; the buffers must not overlap.
  public static func copyBits(
    from source: UnsafePointer<UInt8>, offset sourceOffset: Int, to target: UnsafeMutablePointer<UInt8>,
    offset targetOffset: Int, count: Int
  ) {
    var done = 0
    if sourceOffset & 7 == 0 && targetOffset & 7 == 0 {
      let whole = count >> 3
      (target + (targetOffset >> 3)).update(from: source + (sourceOffset >> 3), count: whole)
      done = whole << 3
    }
    while done < count {
      setBit(target, at: targetOffset + done, to: bit(source, at: sourceOffset + done))
      done += 1
    }
  }

  /// Writes the most significant bits of `count` words from bit `offset` of `target` on.
  public static func packTopBits(
    words: UnsafePointer<UInt64>, count: Int, to target: UnsafeMutablePointer<UInt8>, offset: Int = 0
  ) {
    for place in 0..<count {
      setBit(target, at: offset + place, to: UInt8(truncatingIfNeeded: words[place] >> 63))
    }
  }

  /// Writes the lowest bits of `count` words from bit `offset` of `target` on.
  public static func packLowBits(
    words: UnsafePointer<UInt64>, count: Int, to target: UnsafeMutablePointer<UInt8>, offset: Int = 0
  ) {
    for place in 0..<count {
      setBit(target, at: offset + place, to: UInt8(truncatingIfNeeded: words[place] & 1))
    }
  }

  /// Expands `count` bits from bit `offset` of `source` on to words that are 0 or 1.
  public static func unpack(
    _ source: UnsafePointer<UInt8>, offset: Int = 0, count: Int, to words: UnsafeMutablePointer<UInt64>
  ) {
    for place in 0..<count { words[place] = UInt64(bit(source, at: offset + place)) }
  }

  /// target ^= source over `count` bits, both from a byte boundary on; surplus bits of the last byte are not touched.
  public static func xor(_ target: UnsafeMutablePointer<UInt8>, _ source: UnsafePointer<UInt8>, count: Int) {
    for place in 0..<count >> 3 { target[place] ^= source[place] }
    if count & 7 != 0 { target[count >> 3] ^= source[count >> 3] & UInt8((1 << (count & 7)) - 1) }
  }
}
