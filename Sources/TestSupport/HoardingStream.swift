public import Randomness
public import Transport

/// A stream that keeps everything its owner writes until a flush, a read or a wait, as any ``ByteStream`` may: whoever
/// forgets to flush what a peer waits for stands still. For tests.
public final class HoardingStream: ByteStream, @unchecked Sendable {
  // Unchecked like the streams it wraps: one thread uses it.
  private let base: any ByteStream
  private var kept: [UInt8] = []

  /// Wraps one end.
  public init(_ base: any ByteStream) { self.base = base }

  /// The stream's below.
  public var exporter: [UInt8] { get throws { try base.exporter } }
  /// The stream's below.
  public var peerFingerprint: Digest32 { base.peerFingerprint }
  /// The stream's below.
  public var localFingerprint: Digest32 { base.localFingerprint }
  /// The stream's below.
  public var isInitiator: Bool { base.isInitiator }

  /// Keeps the bytes.
  public func write(_ bytes: UnsafeRawBufferPointer) throws { kept += bytes }

  /// Lets go of everything.
  public func flush() throws {
    try kept.withUnsafeBytes { try base.write($0) }
    kept = []
    try base.flush()
  }

  /// Flushes, then reads.
  public func read(into buffer: UnsafeMutableRawBufferPointer) throws {
    try flush()
    try base.read(into: buffer)
  }

  /// Flushes, then waits.
  public func waitReadable(timeout: Duration) throws -> Bool {
    try flush()
    return try base.waitReadable(timeout: timeout)
  }

  /// See ``ByteStream/close()``.
  public func close() { base.close() }
  /// See ``ByteStream/interrupt()``.
  public func interrupt() { base.interrupt() }
}
