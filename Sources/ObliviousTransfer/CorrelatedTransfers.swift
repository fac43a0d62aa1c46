public import Randomness
public import Rings
public import Transport

/// How correlated transfers are made. Agreement between the parties.
public enum TransferMethod: Hashable, Sendable {
  /// Few bytes a transfer, none of them for the first million or so: Yang et al., "Ferret" (CCS 2020).
  case silent
  /// 16/k bytes a transfer and a small set-up: Roy, "SoftSpokenOT" (CRYPTO 2022), k = 1, 2, 4 or 8.
  case softSpoken(k: Int)
}

/// One end of an extension: makes correlated transfers one after the other.
protocol CorrelationExtension: AnyObject {
  /// Writes `count` blocks of two words. May send and receive.
  func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws
}

/// Correlated transfers drawn and not yet used: each serves once.
///
/// Block i belongs to the transfer numbered first + i. At the sender K_i, with its lowest bit zero; at the receiver
/// M_i = K_i ^ r_i D, whose lowest bit is r_i, for D is odd.
public struct CorrelatedBlocks: ~Copyable {
  /// Number of the first transfer of its direction and session; tweak of the hash.
  public let first: UInt64
  /// Transfers.
  public let count: Int
  /// Two words a transfer, low and high.
  public let words: SecretWords

  init(first: UInt64, count: Int, words: SecretWords) { (self.first, self.count, self.words) = (first, count, words) }
}

/// The end that holds the offset D. Life: `begin`, then `draw` and what is built on it, then `end`.
///
/// Semi-honest security against either end, computational (128 bits; the specification is Protocols/ot-*). Making one does no
/// input or output. Belongs to one thread, like its channel.
public final class CorrelatedSender {
  let channel: FramedChannel
  let session: TransferSession
  let variant: CipherVariant
  private let method: TransferMethod
  private let randomness: any RandomByteSource
  private var source: (any CorrelationExtension)?
  private var hasBegun = false
  private(set) var next: UInt64 = 0

  /// D: 128 bits, the lowest of them one. Drawn by `begin`, erased by `end`.
  private(set) var offset = SecretWords(zeros: 2)

  /// - Parameters:
  ///   - randomness: of this end alone; the kernel's generator or a stream under a fresh secret key.
  ///   - variant: how AES is computed; local.
  public init(
    channel: FramedChannel, session: TransferSession, method: TransferMethod, randomness: any RandomByteSource,
    variant: CipherVariant = .best
  ) {
    precondition(variant.isAvailable, "this processor lacks the instruction set \(variant)")
    self.channel = channel
    self.session = session
    self.method = method
    self.randomness = randomness
    self.variant = variant
  }

  /// Draws D and runs the set-up with the receiver's ``CorrelatedReceiver/begin()``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func begin() throws {
    precondition(!hasBegun, "a direction of transfers begins once")
    hasBegun = true
    let bits = PackedBits(zeros: 128)
    randomness.fill(UnsafeMutableRawBufferPointer(bits.storage.buffer))
    bits[0] = 1
    UnsafeMutableRawPointer(offset.pointer).copyMemory(from: bits.storage.pointer, byteCount: 16)
    switch method {
    case .softSpoken(let k):
      source = try SoftSpokenSender(
        channel: channel, session: session, k: k, offset: bits, randomness: randomness, variant: variant)
    case .silent:
      source = try SilentSender(
        channel: channel, session: session, offset: bits, randomness: randomness, variant: variant)
    }
  }

  /// The next `count` correlated transfers. The receiver draws as many at the same point of the session.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func draw(_ count: Int) throws -> CorrelatedBlocks {
    let words = SecretWords(uninitialized: 2 * count)
    let first = try draw(count, into: words.pointer)
    return CorrelatedBlocks(first: first, count: count, words: words)
  }

  /// A copy of D, after whose publication the direction is worth nothing: for tests and measurements that compare the ends.
  public func openOffset() -> SecretWords { SecretWords(offset.array()) }

  /// The same into memory of the caller, two words a transfer; what is there afterwards is used once.
  /// - Returns: the number of the first.
  @discardableResult public func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws -> UInt64 {
    precondition(count >= 0, "cannot draw \(count) transfers")
    guard let source else { preconditionFailure("transfers are drawn between begin and end") }
    let first = next
    next += UInt64(count)
    if count > 0 { try source.draw(count, into: out) }
    return first
  }

  /// Forgets D and what was not drawn.
  public func end() {
    hasBegun = true
    source = nil
    offset = SecretWords(zeros: 2)
  }
}

/// The end that holds a choice bit a transfer. Life and security as of ``CorrelatedSender``.
public final class CorrelatedReceiver {
  let channel: FramedChannel
  let session: TransferSession
  let variant: CipherVariant
  private let method: TransferMethod
  private let randomness: any RandomByteSource
  private var source: (any CorrelationExtension)?
  private var hasBegun = false
  private(set) var next: UInt64 = 0

  /// See ``CorrelatedSender/init(channel:session:method:randomness:variant:)``.
  public init(
    channel: FramedChannel, session: TransferSession, method: TransferMethod, randomness: any RandomByteSource,
    variant: CipherVariant = .best
  ) {
    precondition(variant.isAvailable, "this processor lacks the instruction set \(variant)")
    self.channel = channel
    self.session = session
    self.method = method
    self.randomness = randomness
    self.variant = variant
  }

  /// Runs the set-up with the sender's ``CorrelatedSender/begin()``.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func begin() throws {
    precondition(!hasBegun, "a direction of transfers begins once")
    hasBegun = true
    switch method {
    case .softSpoken(let k):
      source = try SoftSpokenReceiver(
        channel: channel, session: session, k: k, randomness: randomness, variant: variant)
    case .silent:
      source = try SilentReceiver(channel: channel, session: session, randomness: randomness, variant: variant)
    }
  }

  /// The next `count` correlated transfers; choices are uniform and in the lowest bits.
  /// - Throws: ``ObliviousTransferError``, `TransportError`.
  public func draw(_ count: Int) throws -> CorrelatedBlocks {
    let words = SecretWords(uninitialized: 2 * count)
    let first = try draw(count, into: words.pointer)
    return CorrelatedBlocks(first: first, count: count, words: words)
  }

  /// The same into memory of the caller, two words a transfer; what is there afterwards is used once.
  /// - Returns: the number of the first.
  @discardableResult public func draw(_ count: Int, into out: UnsafeMutablePointer<UInt64>) throws -> UInt64 {
    precondition(count >= 0, "cannot draw \(count) transfers")
    guard let source else { preconditionFailure("transfers are drawn between begin and end") }
    let first = next
    next += UInt64(count)
    if count > 0 { try source.draw(count, into: out) }
    return first
  }

  /// Forgets what was not drawn.
  public func end() {
    hasBegun = true
    source = nil
  }
}
