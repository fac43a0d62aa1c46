import Programs
import Rings
import Transport

extension SecretWords {
  /// A copy of some of the words, secret likewise.
  func copy(_ start: Int, _ count: Int) -> SecretWords {
    precondition(start >= 0 && count >= 0 && start + count <= self.count)
    let out = SecretWords(uninitialized: count)
    out.pointer.update(from: pointer + start, count: count)
    return out
  }
}

extension SecretBytes {
  /// A copy of some packed bits, moved to bit 0.
  func copyBits(_ start: Int, _ count: Int) -> SecretBytes {
    precondition(start >= 0 && count >= 0 && start + count <= 8 * self.count)
    let out = SecretBytes(zeros: (count + 7) / 8)
    let (first, shift) = (start / 8, start % 8)
    for index in 0..<out.count {
      var byte = pointer[first + index] >> shift
      if shift > 0 && first + index + 1 < self.count { byte |= pointer[first + index + 1] << (8 - shift) }
      out.pointer[index] = byte
    }
    if count % 8 > 0 { out.pointer[out.count - 1] &= 1 << (count % 8) - 1 }
    return out
  }
}

extension FramedChannel {
  /// The next bytes of the frame that is being received.
  func readBytes(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes { try read(into: $0) }
    return bytes
  }
}

extension Program {
  /// Whether an activation step takes transfers.
  func truncatesExactly(_ step: Int) -> Bool {
    guard case .activation(let spec) = steps[step].operation else { return false }
    return spec.truncation == .exact
  }
}
