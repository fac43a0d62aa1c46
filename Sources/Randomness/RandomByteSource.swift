import COpenSSL
import Glibc

/// A source of bytes that look uniform to everyone who does not hold its key. Injected, never global.
public protocol RandomByteSource: AnyObject {
  /// Overwrites the whole buffer.
  func fill(_ buffer: UnsafeMutableRawBufferPointer)
}

extension RandomByteSource {
  /// `count` bytes as an array.
  public func bytes(_ count: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
      fill(UnsafeMutableRawBufferPointer(buffer))
      initialized = count
    }
  }

  /// One uniform 64-bit word (8 bytes of the stream, little-endian).
  public func word() -> UInt64 {
    var value: UInt64 = 0
    withUnsafeMutableBytes(of: &value) { fill($0) }
    return UInt64(littleEndian: value)
  }

  /// Uniform in `0 ..< bound` without bias. The number of words drawn depends on the values: for test data, shuffles
  /// and other public draws only, where two ends need not stay in step.
  public func uniform(below bound: UInt64) -> UInt64 {
    precondition(bound > 0, "an empty range has no element to draw")
    // Lemire's multiplication method, rejecting the 2^64 mod bound low products that would be drawn once too often.
    var product = word().multipliedFullWidth(by: bound)
    if product.low < bound {
      let threshold = (0 &- bound) % bound
      while product.low < threshold { product = word().multipliedFullWidth(by: bound) }
    }
    return product.high
  }

  /// Uniform in the closed range; same use as `uniform(below:)`.
  public func uniform(in range: ClosedRange<Int>) -> Int {
    let width = UInt64(bitPattern: Int64(range.upperBound &- range.lowerBound))
    let offset = width == .max ? word() : uniform(below: width + 1)
    return Int(truncatingIfNeeded: UInt64(bitPattern: Int64(range.lowerBound)) &+ offset)
  }

  /// Uniform in `[0, 1)` with 53 bits; same use as `uniform(below:)`.
  public func uniformUnit() -> Double { Double(word() >> 11) * 0x1p-53 }
}

/// The operating system's generator, getrandom(2).
public final class SystemRandom: RandomByteSource, Sendable {
  /// Needs no preparation.
  public init() {}

  /// Stops the process if the kernel refuses: there is no way to go on without randomness.
  public func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    var done = 0
    while done < buffer.count {
      let got = getrandom(buffer.baseAddress! + done, buffer.count - done, 0)
      if got < 0 {
        precondition(errno == EINTR, "getrandom failed with errno \(errno)")
      } else {
        done += got
      }
    }
  }
}
