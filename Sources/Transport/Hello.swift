public import Randomness

/// Who an end of a session is.
public enum Role: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  /// Party 0: holds the weights.
  case modelOwner = 0
  /// Party 1: holds the inputs and receives the results.
  case dataOwner = 1
  /// The third process that deals correlated randomness.
  case dealer = 2
  /// Shares its input between two servers, which take the places of model owner and data owner.
  case client = 3

  /// For people and logs.
  public var description: String {
    switch self {
    case .modelOwner: "model owner"
    case .dataOwner: "data owner"
    case .dealer: "dealer"
    case .client: "client"
    }
  }
}

/// Where the parties of a session take their correlated randomness from.
public enum HelloSource: UInt8, Sendable, CaseIterable, CustomStringConvertible {
  /// Not stated: between a party and its dealer.
  case unstated = 0
  /// A trusted third process.
  case dealer = 1
  /// The two parties alone.
  case lattice = 2

  /// For people and logs.
  public var description: String {
    switch self {
    case .unstated: "none"
    case .dealer: "dealer"
    case .lattice: "lattice"
    }
  }
}

/// The first message of a session, each way: everything that both ends must agree on before any protocol runs.
///
/// 160 bytes, integers little-endian:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 8 | "POLYMPC" and a zero byte |
/// | 8 | 4 | protocol version |
/// | 12 | 1 | role |
/// | 13 | 1 | source of correlated randomness |
/// | 14 | 1 | 1 where prepared material waits in a store, else 0 |
/// | 15 | 1 | zero |
/// | 16 | 4 | ring identifier |
/// | 20 | 4 | zero |
/// | 24 | 8 | session number |
/// | 32 | 32 | program digest |
/// | 64 | 32 | model digest |
/// | 96 | 32 | protocols digest |
/// | 128 | 32 | nonce |
public struct Hello: Equatable, Sendable {
  /// Length on the wire.
  public static let byteCount = 160
  private static let magic = Array("POLYMPC\0".utf8)

  /// This end's role.
  public var role: Role
  /// Raised with every change of a byte on the wire.
  public var protocolVersion: UInt32
  /// Names the set of rings and encodings in use.
  public var ringIdentifier: UInt32
  /// The program that both ends will execute.
  public var programDigest: Digest32
  /// The model file that the program came from.
  public var modelDigest: Digest32
  /// The descriptors of the protocols in use.
  public var protocolsDigest: Digest32
  /// The number that the proposing end wants for this session. At the other end, 0 means that any is welcome.
  public var sessionNumber: UInt64
  /// 32 fresh random bytes.
  public var nonce: Digest32
  /// Where correlated randomness comes from.
  public var source = HelloSource.unstated
  /// Whether prepared material waits in a store, at both ends or at neither.
  public var usesStore = false

  /// A hello with a fresh nonce.
  /// - Parameter randomness: the nonce's source; injected in tests only.
  public init(
    role: Role, protocolVersion: UInt32, ringIdentifier: UInt32, programDigest: Digest32, modelDigest: Digest32,
    protocolsDigest: Digest32, sessionNumber: UInt64 = 0, randomness: any RandomByteSource = SystemRandom()
  ) {
    self.role = role
    self.protocolVersion = protocolVersion
    self.ringIdentifier = ringIdentifier
    self.programDigest = programDigest
    self.modelDigest = modelDigest
    self.protocolsDigest = protocolsDigest
    self.sessionNumber = sessionNumber
    nonce = Digest32(bytes: randomness.bytes(32))!
  }

  /// The encoding above.
  public var bytes: [UInt8] {
    var out = Self.magic
    out.append(littleEndian: protocolVersion)
    out += [role.rawValue, source.rawValue, usesStore ? 1 : 0, 0]
    out.append(littleEndian: ringIdentifier)
    out += [0, 0, 0, 0]
    out.append(littleEndian: sessionNumber)
    return out + programDigest.bytes + modelDigest.bytes + protocolsDigest.bytes + nonce.bytes
  }

  /// Reads the encoding above.
  /// - Throws: ``TransportError/malformedHello(reason:)``.
  public init(bytes: [UInt8]) throws {
    guard bytes.count == Self.byteCount else {
      throw TransportError.malformedHello(reason: "it has \(bytes.count) bytes, not \(Self.byteCount)")
    }
    guard bytes.starts(with: Self.magic) else {
      throw TransportError.malformedHello(reason: "it does not begin with POLYMPC")
    }
    guard let role = Role(rawValue: bytes[12]) else {
      throw TransportError.malformedHello(reason: "role \(bytes[12]) does not exist")
    }
    guard let source = HelloSource(rawValue: bytes[13]) else {
      throw TransportError.malformedHello(reason: "source \(bytes[13]) of correlated randomness does not exist")
    }
    guard bytes[14] <= 1, bytes[15] == 0, bytes[20..<24].allSatisfy({ $0 == 0 }) else {
      throw TransportError.malformedHello(reason: "its reserved bytes are not zero")
    }
    self.role = role
    self.source = source
    usesStore = bytes[14] == 1
    protocolVersion = UInt32(littleEndian: bytes[8..<12])
    ringIdentifier = UInt32(littleEndian: bytes[16..<20])
    sessionNumber = UInt64(littleEndian: bytes[24..<32])
    programDigest = Digest32(bytes: bytes[32..<64])!
    modelDigest = Digest32(bytes: bytes[64..<96])!
    protocolsDigest = Digest32(bytes: bytes[96..<128])!
    nonce = Digest32(bytes: bytes[128..<160])!
  }
}

extension [UInt8] {
  mutating func append(littleEndian value: some FixedWidthInteger) {
    Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
  }
}

extension FixedWidthInteger {
  init(littleEndian bytes: ArraySlice<UInt8>) {
    self = bytes.reversed().reduce(0) { $0 << 8 | Self(truncatingIfNeeded: $1) }
  }
}
