import CZlib

/// Members of a ZIP archive in memory, stored or deflated (PKWARE's APPNOTE 6.3, with the 64-bit sizes that NumPy writes).
struct ZipArchive {
  /// One member, not yet unpacked.
  struct Member {
    var name: String
    fileprivate var isDeflated: Bool
    fileprivate var checksum: UInt32
    fileprivate var packed: Int
    /// Bytes once unpacked.
    fileprivate(set) var size: Int
    fileprivate var header: Int
  }

  static let magic: [UInt8] = [0x50, 0x4b, 3, 4]
  private static let maximumMembers = 1024

  private let bytes: [UInt8]
  private let source: String
  /// The members, in the archive's order.
  private(set) var members: [Member] = []

  /// Reads the archive's directory.
  ///
  /// - Throws: ``DaemonsError/input(source:reason:)``
  init(_ bytes: [UInt8], source: String) throws {
    self.bytes = bytes
    self.source = source
    guard let end = directoryEnd() else { throw refuse("it is a ZIP archive cut short") }
    let (count, place) = (try word(end + 10, 2), try word(end + 16, 4))
    guard count <= Self.maximumMembers else { throw refuse("its archive has \(count) members") }
    var next = place
    for _ in 0..<count {
      guard try word(next, 4) == 0x0201_4b50 else { throw refuse("its archive's directory is damaged") }
      members.append(try member(next))
      next += 46 + (try word(next + 28, 2)) + (try word(next + 30, 2)) + (try word(next + 32, 2))
    }
  }

  /// Unpacks a member.
  ///
  /// - Throws: ``DaemonsError/input(source:reason:)`` where it is damaged, encrypted by its method, or larger than it says.
  func contents(of member: Member) throws -> [UInt8] {
    guard try word(member.header, 4) == 0x0403_4b50 else {
      throw refuse("\(shown(member.name)) is not where it should be")
    }
    let start = member.header + 30 + (try word(member.header + 26, 2)) + (try word(member.header + 28, 2))
    guard start <= bytes.count, member.packed <= bytes.count - start else {
      throw refuse("\(shown(member.name)) is cut short")
    }
    let packed = Array(bytes[start..<start + member.packed])
    let content =
      member.isDeflated
      ? try Gunzip.decompress(packed, wrapping: .none, limit: member.size, source: source) : packed
    let sum = content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
    guard content.count == member.size, sum == UInt(member.checksum) else {
      throw refuse("\(shown(member.name)) is damaged")
    }
    return content
  }

  /// Where the last record begins: it may be followed by a comment.
  private func directoryEnd() -> Int? {
    guard bytes.count >= 22 else { return nil }
    return stride(from: bytes.count - 22, through: max(0, bytes.count - 22 - 65535), by: -1).first {
      bytes[$0] == 0x50 && bytes[$0 + 1] == 0x4b && bytes[$0 + 2] == 5 && bytes[$0 + 3] == 6
    }
  }

  private func member(_ place: Int) throws -> Member {
    let (flags, method) = (try word(place + 8, 2), try word(place + 10, 2))
    let length = try word(place + 28, 2)
    guard place + 46 + length <= bytes.count else { throw refuse("its archive's directory is cut short") }
    let name = String(decoding: bytes[place + 46..<place + 46 + length], as: UTF8.self)
    guard flags & 1 == 0, method == 0 || method == 8 else {
      throw refuse("\(shown(name)) is encrypted, or packed by another method than deflation")
    }
    let (packed, size, header) = (try word(place + 20, 4), try word(place + 24, 4), try word(place + 42, 4))
    // All ones stand for sizes of 64 bits elsewhere, which no file that is read needs.
    guard packed <= InputFile.maximumBytes, size <= InputFile.maximumBytes, header < bytes.count else {
      throw refuse("\(shown(name)) is too large")
    }
    return Member(
      name: name, isDeflated: method == 8, checksum: UInt32(try word(place + 16, 4)), packed: packed, size: size,
      header: header)
  }

  /// A little-endian integer.
  private func word(_ place: Int, _ count: Int) throws -> Int {
    guard place >= 0, place <= bytes.count - count else { throw refuse("its archive's directory is cut short") }
    return (0..<count).reduce(0) { $0 | Int(bytes[place + $1]) << (8 * $1) }
  }

  private func refuse(_ reason: String) -> DaemonsError { .input(source: source, reason: reason) }

  private func shown(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.prefix(64).filter { $0.value >= 32 && $0.value != 127 }))
  }
}
