import CMemcheck
import Randomness
import Rings
import Transport

/// Random bytes that memcheck takes for undefined: whatever a party draws is secret until it is sent.
final class SecretSource: RandomByteSource {
  private let base: StreamGenerator
  init(_ seed: UInt64) { base = StreamGenerator(publicSeed: seed) }

  func fill(_ buffer: UnsafeMutableRawBufferPointer) {
    base.fill(buffer)
    ct_hide(buffer.baseAddress, buffer.count)
  }
}

extension SecretSource {
  /// Secret words of a ring.
  func words(_ count: Int, _ modulus: ModulusKind) -> SecretWords {
    let words = SecretWords(uninitialized: count)
    base.fill(UnsafeMutableRawBufferPointer(words.buffer))
    if modulus == .field { for index in 0..<count { words.pointer[index] %= PrimeField.modulus } }
    ct_hide(words.pointer, 8 * count)
    return words
  }

  func bits(_ count: Int) -> SecretBytes {
    let bytes = SecretBytes(uninitialized: count)
    fill(UnsafeMutableRawBufferPointer(bytes.buffer))
    return bytes
  }

  func planes(_ planes: Int, count: Int) -> [PackedBits] {
    (0..<planes).map { _ in
      let bytes = bits(PackedBits.byteCount(count))
      return withExtendedLifetime(bytes) { PackedBits(count: count, bytes: bytes.pointer) }
    }
  }
}

/// A stream on which what is sent stops being secret, for the peer sees it; except payloads of the kinds `hidden`, which only
/// their receiver may see and which are secret again where they arrive. Of `published` kinds the sender's own copy stops being
/// secret too.
final class RevealingStream: ByteStream, @unchecked Sendable {
  // Unchecked like the streams it wraps: one thread uses it.
  private let base: any ByteStream
  private let hidden: Set<UInt16>
  private let published: Set<UInt16>
  private var (incoming, outgoing) = (Progress(), Progress())

  /// Where in a frame a direction is.
  private struct Progress {
    var kind: UInt16 = 0
    var payload = 0

    /// Whether these bytes are of a payload.
    mutating func pass(_ bytes: UnsafeRawBufferPointer) -> Bool {
      if payload > 0 {
        payload -= bytes.count
        return true
      }
      // A header: kind in its first two bytes, length in the last eight.
      kind = bytes.loadUnaligned(as: UInt16.self)
      payload = Int(bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
      return false
    }
  }

  init(_ base: any ByteStream, hidden: [FrameKind] = [], published: [FrameKind] = []) {
    self.base = base
    self.hidden = Set(hidden.map(\.rawValue))
    self.published = Set(published.map(\.rawValue))
  }

  func write(_ bytes: UnsafeRawBufferPointer) throws {
    // A copy: the sender's own words stay secret.
    let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count, alignment: 16)
    defer { copy.deallocate() }
    copy.copyMemory(from: bytes)
    ct_reveal(copy.baseAddress, copy.count)
    if outgoing.pass(UnsafeRawBufferPointer(copy)), published.contains(outgoing.kind) {
      ct_reveal(bytes.baseAddress, bytes.count)
    }
    try base.write(UnsafeRawBufferPointer(copy))
  }

  func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    try base.read(into: buffer)
    if incoming.pass(UnsafeRawBufferPointer(buffer)), hidden.contains(incoming.kind) {
      ct_hide(buffer.baseAddress, buffer.count)
    }
  }

  var exporter: [UInt8] { get throws { try base.exporter } }
  var peerFingerprint: Digest32 { base.peerFingerprint }
  var localFingerprint: Digest32 { base.localFingerprint }
  var isInitiator: Bool { base.isInitiator }
  func flush() throws { try base.flush() }
  func waitReadable(timeout: Duration) throws -> Bool { try base.waitReadable(timeout: timeout) }
  func close() { base.close() }
  func interrupt() { base.interrupt() }
}

/// Channels of two parties in this process.
func channels(hidden: [FrameKind] = [], published: [FrameKind] = []) -> (FramedChannel, FramedChannel) {
  let options = StreamOptions(idleTimeout: .seconds(600))
  let (left, right) = MemoryStream.pair(options: options)
  return (
    FramedChannel(RevealingStream(left, hidden: hidden, published: published)),
    FramedChannel(RevealingStream(right, hidden: hidden, published: published))
  )
}

/// A name, and what runs under memcheck.
typealias Case = (name: String, body: @Sendable () throws -> Void)

/// A channel that goes to the other party's thread.
struct Handed<Value>: @unchecked Sendable {
  // Unchecked: used by the thread that it is handed to only.
  let value: Value
  init(_ value: Value) { self.value = value }
}
