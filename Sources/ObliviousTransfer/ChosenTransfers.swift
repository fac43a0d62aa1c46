public import Rings
internal import Transport

extension CorrelatedSender {
  /// 1-of-2 transfers of chosen words: the receiver gets zeros[i] or ones[i]. Modulus 2^bits, 1 to 64.
  ///
  /// Receives ceil(n / 8) bytes, sends ceil(2 n bits / 8).
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func transfer(zeros: SecretWords, ones: SecretWords, bits: Int) throws {
    precondition(zeros.count == ones.count, "\(zeros.count) and \(ones.count) messages")
    let count = zeros.count
    let pads = try pads(count)
    let masked = SecretWords(uninitialized: 2 * count)
    let (out, pad, first, second) = (masked.pointer, pads.pointer, zeros.pointer, ones.pointer)
    for index in 0..<count {
      out[2 * index] = first[index] ^ pad[2 * index]
      out[2 * index + 1] = second[index] ^ pad[2 * index + 1]
    }
    let message = NarrowWords.pack(masked, bits: bits)
    try channel.send(.transferMessages, UnsafeRawBufferPointer(message.buffer))
  }

  /// Two words a transfer.
  private func pads(_ count: Int) throws -> SecretWords {
    let bytes = try tables(TableShape(count: count, choiceBits: 1), entryBytes: 8)
    return NarrowWords.words(bytes)
  }
}

extension CorrelatedReceiver {
  /// The words of ``CorrelatedSender/transfer(zeros:ones:bits:)`` that `choices` pick.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func transfer(choices: PackedBits, bits: Int) throws -> SecretWords {
    let count = choices.count
    let pads = try pads(choices)
    let masked = try receiveWords(2 * count, bits: bits)
    let out = SecretWords(uninitialized: count)
    let mask = NarrowWords.mask(bits)
    let (choice, word, pad, target) = (choices.storage.pointer, masked.pointer, pads.pointer, out.pointer)
    for index in 0..<count {
      let one = secretMask(PackedBits.bit(choice, at: index))
      let chosen = (word[2 * index] & ~one) | (word[2 * index + 1] & one)
      target[index] = (chosen ^ pad[index]) & mask
    }
    return out
  }

  private func pads(_ choices: PackedBits) throws -> SecretWords {
    NarrowWords.words(
      try tables(TableShape(count: choices.count, choiceBits: 1), choices: [choices], entryBytes: 8))
  }

  private func receiveWords(_ count: Int, bits: Int) throws -> SecretWords {
    let bytes = SecretBytes(uninitialized: NarrowWords.byteCount(count, bits: bits))
    try channel.receive(.transferMessages, into: UnsafeMutableRawBufferPointer(bytes.buffer))
    return NarrowWords.unpack(bytes, count: count, bits: bits)
  }
}

/// Words of `bits` bits one behind the other, the first at the least significant bit.
enum NarrowWords {
  static func byteCount(_ count: Int, bits: Int) -> Int {
    precondition(1...64 ~= bits, "a word has 1 to 64 bits, not \(bits)")
    return (count * bits + 7) / 8
  }

  static func mask(_ bits: Int) -> UInt64 { .max >> UInt64(64 - bits) }

  static func pack(_ words: SecretWords, bits: Int) -> SecretBytes {
    let out = SecretBytes(zeros: byteCount(words.count, bits: bits))
    let (source, target, mask) = (words.pointer, out.pointer, mask(bits))
    if bits == 64 {
      UnsafeMutableRawPointer(target).copyMemory(from: source, byteCount: out.count)
      return out
    }
    var (pending, held, place): (UInt128, Int, Int) = (0, 0, 0)
    for index in 0..<words.count {
      pending |= UInt128(source[index] & mask) << UInt128(held)
      held += bits
      while held >= 8 {
        target[place] = UInt8(truncatingIfNeeded: pending)
        pending >>= 8
        held -= 8
        place += 1
      }
    }
    if held > 0 { target[place] = UInt8(truncatingIfNeeded: pending) }
    return out
  }

  static func unpack(_ bytes: SecretBytes, count: Int, bits: Int) -> SecretWords {
    let out = SecretWords(uninitialized: count)
    if bits == 64 { return Self.words(bytes) }
    let (source, target, mask) = (bytes.pointer, out.pointer, mask(bits))
    var (pending, held, place): (UInt128, Int, Int) = (0, 0, 0)
    for index in 0..<count {
      while held < bits {
        pending |= UInt128(source[place]) << UInt128(held)
        held += 8
        place += 1
      }
      target[index] = UInt64(truncatingIfNeeded: pending) & mask
      pending >>= UInt128(bits)
      held -= bits
    }
    return out
  }

  /// Bytes as words, little-endian.
  static func words(_ bytes: SecretBytes) -> SecretWords {
    let out = SecretWords(uninitialized: bytes.count / 8)
    UnsafeMutableRawPointer(out.pointer).copyMemory(from: bytes.pointer, byteCount: 8 * out.count)
    return out
  }
}
