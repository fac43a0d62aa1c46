public import Randomness
import Transport

/// What both ends of a session must have in common, as their hellos state it.
public struct Agreement: Sendable, Equatable {
  /// Raised with every change of a byte on the wire.
  public static let protocolVersion: UInt32 = 1
  /// F_p with p = 2^64 - 2^32 + 1 and Z_2^64, words little-endian.
  public static let ringIdentifier: UInt32 = 1

  /// SHA-256 of the plan.
  public var planDigest: Digest32
  /// SHA-256 of the protocols' descriptors.
  public var protocolsDigest: Digest32
  /// Names the model that the plan was made of.
  public var modelDigest: Digest32

  /// Makes an agreement.
  public init(planDigest: Digest32, modelDigest: Digest32, protocolsDigest: Digest32) {
    self.planDigest = planDigest
    self.modelDigest = modelDigest
    self.protocolsDigest = protocolsDigest
  }

  /// The hello of a party towards the other one.
  func hello(_ role: Role, source: SourceConfiguration, usesStore: Bool = false, sessionNumber: UInt64 = 0) -> Hello {
    var hello = Hello(
      role: role, protocolVersion: Self.protocolVersion, ringIdentifier: Self.ringIdentifier,
      programDigest: planDigest, modelDigest: modelDigest, protocolsDigest: protocolsDigest,
      sessionNumber: sessionNumber)
    hello.source = source.kind
    hello.usesStore = usesStore
    return hello
  }

  /// The hello of a client towards a server; sources and stores are the servers' affair.
  func clientHello() -> Hello {
    Hello(
      role: .client, protocolVersion: Self.protocolVersion, ringIdentifier: Self.ringIdentifier,
      programDigest: planDigest, modelDigest: modelDigest, protocolsDigest: protocolsDigest,
      sessionNumber: UInt64.random(in: 1...UInt64.max))
  }

  /// The hello between a party and its dealer, which knows neither plan nor model before the order.
  static func dealerHello(_ role: Role, protocolsDigest: Digest32) -> Hello {
    Hello(
      role: role, protocolVersion: protocolVersion, ringIdentifier: ringIdentifier, programDigest: .zero,
      modelDigest: .zero, protocolsDigest: protocolsDigest)
  }
}

/// Opens the connection from a party to its dealer.
struct DealerLink: Sendable {
  var wire: Wire
  var address: NetworkAddress
  var options: StreamOptions
  var protocolsDigest: Digest32

  func open(as role: Role) throws -> FramedChannel {
    let channel = FramedChannel(try wire.connect(to: address, options: options))
    do {
      _ = try Hello.exchange(
        channel, Agreement.dealerHello(role, protocolsDigest: protocolsDigest), expecting: [.dealer])
    } catch {
      channel.close()
      throw error
    }
    return channel
  }
}
