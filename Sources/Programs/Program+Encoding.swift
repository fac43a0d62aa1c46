import Foundation

extension Program {
  /// Largest encoded program that is accepted from a file or a peer, bytes.
  public static let maximumEncodedBytes = 4 << 20

  /// The canonical encoding: JSON with sorted keys and no white space. Digests of a program are taken over it.
  public func canonicalBytes() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(self))
  }

  /// Reads and validates an encoded program.
  ///
  /// - Throws: ``ProgramError``, or a decoding error that names the key that is missing or wrong.
  public init(decoding bytes: [UInt8]) throws {
    guard bytes.count <= Self.maximumEncodedBytes else {
      throw ProgramError.tooLarge(what: "bytes", found: bytes.count, limit: Self.maximumEncodedBytes)
    }
    self = try JSONDecoder().decode(Program.self, from: Data(bytes))
    try validate()
  }
}
