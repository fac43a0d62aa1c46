internal import COpenSSL
internal import Randomness
internal import Rings
internal import Transport

/// Random transfers from nothing: Chou and Orlandi, "The Simplest Protocol for Oblivious Transfer" (LATINCRYPT 2015),
/// used for random keys, semi-honest: computational Diffie-Hellman on P-256 in the random oracle model.
///
/// A = a G; B_i = b_i G + c_i A; keys H(i, a B_i) and H(i, a B_i - a A), of which b_i A is the chosen one. B_i is uniform
/// whatever the choice. H is HKDF-SHA256 over both coordinates, bound to session, lane, index, A and B_i.
enum BaseTransfer {
  /// Transfers made at once: bits of a correlation's offset.
  static let count = 128
  private static let keyBytes = 16
  private static let point = Curve.pointBytes

  /// The end that knows both keys of each transfer: 16 bytes each.
  static func send(
    _ channel: FramedChannel, session: TransferSession, randomness: any RandomByteSource
  ) throws -> (zeros: SecretBytes, ones: SecretBytes) {
    let curve = Curve()
    let secret = curve.scalar(from: randomness)
    let own = curve.multiply(secret)
    var a = [UInt8](repeating: 0, count: point)
    curve.encode(own, to: &a)
    try channel.send(.transferBasePoint, a)
    let answer = try channel.receive(.transferBaseAnswer, byteCount: count * point)
    let negated = curve.negate(curve.multiply(secret, own))
    let (zeros, ones) = (SecretBytes(zeros: count * keyBytes), SecretBytes(zeros: count * keyBytes))
    for index in 0..<count {
      let b = Array(answer[index * point..<(index + 1) * point])
      guard b != a else { throw ObliviousTransferError.degeneratePoint(index: index) }
      let shared = curve.multiply(secret, try curve.decode(b, message: "base transfers", index: index))
      let context = session.id.bytes + a + b
      derive(curve, shared, context, session, index, to: zeros)
      derive(curve, curve.add(shared, negated), context, session, index, to: ones)
    }
    return (zeros, ones)
  }

  /// The end that knows one key of each transfer, that of the choice bit.
  static func receive(
    _ channel: FramedChannel, session: TransferSession, choices: PackedBits, randomness: any RandomByteSource
  ) throws -> SecretBytes {
    precondition(choices.count == count, "there are \(count) base transfers, not \(choices.count)")
    let curve = Curve()
    let a = try channel.receive(.transferBasePoint, byteCount: point)
    let peer = try curve.decode(a, message: "base point", index: 0)
    let keys = SecretBytes(zeros: count * keyBytes)
    var answer = [UInt8](repeating: 0, count: count * point)
    let (plain, shifted) = (SecretBytes(zeros: point), SecretBytes(zeros: point))
    for index in 0..<count {
      let secret = curve.scalar(from: randomness)
      let own = curve.multiply(secret)
      // Both candidates are computed and written out, and a mask chooses.
      curve.encode(own, to: plain.pointer)
      curve.encode(curve.add(own, peer), to: shifted.pointer)
      let mask = UInt8(truncatingIfNeeded: secretMask(choices[index]))
      for place in 0..<point {
        answer[index * point + place] = (shifted.pointer[place] & mask) | (plain.pointer[place] & ~mask)
      }
      let b = Array(answer[index * point..<(index + 1) * point])
      derive(curve, curve.multiply(secret, peer), session.id.bytes + a + b, session, index, to: keys)
    }
    try channel.send(.transferBaseAnswer, answer)
    return keys
  }

  private static func derive(
    _ curve: Curve, _ shared: Curve.Point, _ context: [UInt8], _ session: TransferSession, _ index: Int,
    to keys: SecretBytes
  ) {
    let secret = SecretKey(count: point) { curve.encode(shared, to: $0.bindMemory(to: UInt8.self).baseAddress!) }
    let key = KeyDerivation.derive(
      secret: secret, context: context, purpose: .transferBase, layer: session.lane, serial: UInt64(index),
      length: keyBytes)
    key.withUnsafeBytes { bytes in
      UnsafeMutableRawPointer(keys.pointer + index * keyBytes).copyMemory(from: bytes.baseAddress!, byteCount: keyBytes)
    }
  }
}
