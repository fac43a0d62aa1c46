import Foundation
import Programs
public import Randomness
public import Transport

/// Bounds of a dealer.
public struct DealerLimits: Sendable {
  /// Seconds that a party waits for its partner.
  public var partnerSeconds: Int = 60
  /// Parties that may wait at once.
  public var waiting: Int = 256
  /// Whether each party must have named the very certificate that its partner shows the dealer. Plain streams have
  /// none: switch it off in tests and benchmarks over them, nowhere else.
  public var comparesFingerprints = true

  /// The defaults.
  public init() {}
}

/// The dealer: a trusted third process that gives correlated material to two parties.
///
/// It sees neither weights nor inputs, and no message between the parties. Trust asked for: a dealer that pools what it knows with
/// the data owner learns the weights, and with the model owner every input.
public final class DealerServer: @unchecked Sendable {
  // Unchecked because of `waiting`, which is touched under `lock` only.
  private final class Visitor {
    let channel: FramedChannel
    let order: DealerOrder
    var isServed = false
    var isDone = false
    init(_ channel: FramedChannel, _ order: DealerOrder) { (self.channel, self.order) = (channel, order) }
  }

  private let secret: SecretKey
  private let random: any RandomByteSource
  private let limits: DealerLimits
  private let lock = NSCondition()
  private var waiting: [Digest32: Visitor] = [:]

  /// Makes a dealer.
  ///
  /// - Parameters:
  ///   - secret: at least 16 bytes from which the masks A are derived; a dealer that keeps it across restarts spares the parties a new exchange of D.
  ///   - random: the source of every bulk's seeds.
  public init(secret: SecretKey, random: any RandomByteSource, limits: DealerLimits = DealerLimits()) {
    precondition(secret.count >= 16)
    self.secret = secret
    self.random = random
    self.limits = limits
  }

  /// Serves one party, after the hello, on the caller's thread until the session ends.
  ///
  /// Of two partners the second one's thread serves both; the first one's waits.
  /// - Parameter shouldStop: asked between bulks; true ends the session.
  /// - Returns: inferences dealt by this call; 0 for the thread that waited.
  /// - Throws: ``CorrelationError``, `TransportError`
  @discardableResult
  public func serve(_ channel: FramedChannel, shouldStop: @escaping @Sendable () -> Bool = { false }) throws -> Int {
    let (_, bytes) = try channel.receiveAny([.order: DealerOrder.maximumEncodedBytes])
    let order = try DealerOrder(decoding: bytes)
    guard let partner = try meet(channel, order) else { return 0 }
    defer {
      lock.withLock {
        partner.isDone = true
        lock.broadcast()
      }
    }
    let (modelOwner, dataOwner) =
      order.isModelOwner
      ? (Visitor(channel, order), partner) : (partner, Visitor(channel, order))
    try check(modelOwner, dataOwner)
    let masks = WeightMasks(
      dealerSecret: secret, weightsDigest: modelOwner.order.weightsDigest,
      modelOwner: modelOwner.channel.stream.peerFingerprint, dataOwner: dataOwner.channel.stream.peerFingerprint,
      program: Digest32.sha256(try order.program.canonicalBytes()))
    let session = DealerSession(
      modelOwner: modelOwner.channel, dataOwner: dataOwner.channel, program: order.program, pairing: order.pairing,
      masks: masks, random: random, shouldStop: shouldStop)
    return try session.run()
  }

  /// Gives back the partner if it waits already; else waits until the partner's thread has served both, and gives nil.
  private func meet(_ channel: FramedChannel, _ order: DealerOrder) throws -> Visitor? {
    lock.lock()
    defer { lock.unlock() }
    if let partner = waiting[order.pairing], partner.order.isModelOwner != order.isModelOwner {
      waiting[order.pairing] = nil
      partner.isServed = true
      lock.broadcast()
      return partner
    }
    guard waiting[order.pairing] == nil, waiting.count < limits.waiting else {
      throw CorrelationError.invalidOrder(reason: "this session is known already, or too many parties wait")
    }
    let visitor = Visitor(channel, order)
    waiting[order.pairing] = visitor
    let deadline = Date(timeIntervalSinceNow: Double(limits.partnerSeconds))
    while !visitor.isServed {
      guard lock.wait(until: deadline) || visitor.isServed else {
        waiting[order.pairing] = nil
        throw CorrelationError.partnerMissing(seconds: limits.partnerSeconds)
      }
    }
    while !visitor.isDone { lock.wait() }
    return nil
  }

  private func check(_ modelOwner: Visitor, _ dataOwner: Visitor) throws {
    guard modelOwner.order.program == dataOwner.order.program else {
      throw CorrelationError.ordersDiffer(what: "program")
    }
    guard limits.comparesFingerprints else { return }
    guard modelOwner.order.peerFingerprint == dataOwner.channel.stream.peerFingerprint,
      dataOwner.order.peerFingerprint == modelOwner.channel.stream.peerFingerprint
    else { throw CorrelationError.ordersDiffer(what: "parties' fingerprints") }
  }
}
