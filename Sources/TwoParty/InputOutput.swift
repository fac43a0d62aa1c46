import Correlations
public import Rings
public import Transport

/// Hands the input over: the data owner sends x - r.
public enum InputOperator {
  /// The data owner's side: sends x - r, 8 bytes an element.
  ///
  /// - Parameters:
  ///   - samples: fixed-point inputs, CHW, one array a sample.
  ///   - masks: r of each sample in the input's ring.
  public static func send(
    _ samples: [[Int64]], masks: [SecretWords], modulus: ModulusKind, channel: FramedChannel
  ) throws {
    let count = masks.reduce(0) { $0 + $1.count }
    try channel.beginSend(.maskedInput, byteCount: 8 * count)
    for (sample, mask) in zip(samples, masks) {
      precondition(sample.count == mask.count)
      // The mask itself may still be this party's share of a later step's operand.
      let masked = SecretWords(uninitialized: mask.count)
      switch modulus {
      case .field: subtract(PrimeField.self, sample, mask, masked)
      case .word: subtract(Word64.self, sample, mask, masked)
      }
      try channel.write(UnsafeRawBufferPointer(masked.buffer))
    }
    try channel.endSend()
  }

  /// Server 1's side, outsourced: sends x1 - r.
  ///
  /// - Parameters:
  ///   - shares: x1 of each sample, reduced words.
  ///   - masks: r of each sample.
  public static func send(
    _ shares: [SecretWords], masks: [SecretWords], modulus: ModulusKind, channel: FramedChannel
  ) throws {
    let differences = zip(shares, masks).map { share, mask in
      let words = SecretWords(uninitialized: mask.count)
      Elementwise.subtract(modulus, share.pointer, mask.pointer, count: mask.count, output: words.pointer)
      return words
    }
    try channel.sendWords(.maskedInput, differences)
  }

  private static func subtract<M: Modulus>(
    _ modulus: M.Type, _ sample: [Int64], _ mask: SecretWords, _ masked: SecretWords
  ) {
    let (masks, words) = (mask.pointer, masked.pointer)
    for index in 0..<sample.count { words[index] = M.subtract(M.reduce(signed: sample[index]), masks[index]) }
  }

  /// The model owner's side.
  /// - Returns: x - r of each sample.
  /// - Throws: `TransportError`, ``TwoPartyError``
  public static func receive(batch: Int, count: Int, modulus: ModulusKind, channel: FramedChannel) throws
    -> [SecretWords]
  {
    try channel.receiveWords(.maskedInput, batch: batch, count: count, modulus: modulus, message: "masked input")
  }
}

/// Gives the result to the data owner alone: the model owner sends its share without the low bits, in the ring of the
/// bits that remain, so that no wrap-around can occur (DESIGN: numbers) and nothing of the dropped bits is told.
public enum OutputOperator {
  /// The model owner's side: ceil((64 - droppedBits) / 8) bytes an element.
  public static func send(_ shares: [SecretWords], droppedBits: Int, channel: FramedChannel) throws {
    let bytes = encode(shares, droppedBits: droppedBits)
    try channel.send(.output, UnsafeRawBufferPointer(bytes.buffer))
    withExtendedLifetime(bytes) {}
  }

  /// A party's shares without their low bits, ceil((64 - droppedBits) / 8) bytes an element: a server's message to the client.
  public static func encode(_ shares: [SecretWords], droppedBits: Int) -> SecretBytes {
    let width = (64 - droppedBits + 7) / 8
    let count = shares.reduce(0) { $0 + $1.count }
    let bytes = SecretBytes(uninitialized: width * count)
    var position = 0
    for share in shares {
      for index in 0..<share.count {
        let word = share.pointer[index] >> UInt64(droppedBits)
        for byte in 0..<width { bytes.pointer[position + byte] = UInt8(truncatingIfNeeded: word >> UInt64(8 * byte)) }
        position += width
      }
    }
    return bytes
  }

  /// The client's side: adds what both servers sent.
  ///
  /// - Parameters:
  ///   - first: one server's bytes, as ``encode(_:droppedBits:)`` wrote them; equally long with the other's.
  ///   - samples: in how many equal parts the result falls.
  /// - Returns: the results as signed integers, off by at most one unit.
  public static func combine(_ first: [UInt8], _ second: [UInt8], samples: Int, droppedBits: Int) -> [[Int64]] {
    let width = (64 - droppedBits + 7) / 8
    precondition(first.count == second.count && first.count % (samples * width) == 0)
    func word(_ bytes: [UInt8], _ index: Int) -> UInt64 {
      (0..<width).reduce(0) { $0 | UInt64(bytes[index * width + $1]) << UInt64(8 * $1) }
    }
    let count = first.count / width / samples
    return (0..<samples).map { sample in
      (sample * count..<(sample + 1) * count).map { index in
        let sum = word(first, index) &+ word(second, index)
        return Int64(bitPattern: sum << UInt64(droppedBits)) >> Int64(droppedBits)
      }
    }
  }

  /// The data owner's side.
  ///
  /// - Parameter shares: c of the last linear step, one tensor a sample, in Z_2^64.
  /// - Returns: the results as signed integers, off by at most one unit.
  /// - Throws: `TransportError`
  public static func receive(_ shares: [SecretWords], droppedBits: Int, channel: FramedChannel) throws -> [[Int64]] {
    let width = (64 - droppedBits + 7) / 8
    let count = shares.reduce(0) { $0 + $1.count }
    let bytes = try channel.receive(.output, byteCount: width * count)
    var position = 0
    return shares.map { share in
      (0..<share.count).map { index in
        var word: UInt64 = 0
        for byte in 0..<width { word |= UInt64(bytes[position + byte]) << UInt64(8 * byte) }
        position += width
        let sum = word &+ (share.pointer[index] >> UInt64(droppedBits))
        // Centered in the ring of 64 - droppedBits bits.
        return Int64(bitPattern: sum << UInt64(droppedBits)) >> Int64(droppedBits)
      }
    }
  }
}
