import Correlations
import Networks
import Programs
import Randomness
import Rings

extension ServerShareFile {
  /// Reads and checks a file, words straight into the memory where they stay.
  ///
  /// - Throws: `NetworksError`: another kind of file, another version, a wrong length, a wrong digest, or invalid content, in
  ///   this order; `ProgramError` where the plan's program is invalid.
  public static func load(from path: String) throws -> ServerShareFile {
    try FileBytes.read(path, limit: maximumBytes) { size, fill in try decode(size: size, path: path, fill) }
  }

  /// Reads a file's bytes; `path` is only for messages.
  static func decode(_ bytes: SecretBytes, path: String = "The share") throws -> ServerShareFile {
    var place = 0
    return try decode(size: bytes.count, path: path) { buffer in
      buffer.copyMemory(
        from: UnsafeRawBufferPointer(
          rebasing: UnsafeRawBufferPointer(bytes.buffer)[place...][..<(place + buffer.count)]))
      place += buffer.count
    }
  }

  private static func decode(
    size: Int, path: String, _ fill: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> ServerShareFile {
    try withoutActuallyEscaping(fill) { fill in
      let reader = ShareReader(left: size, path: path, fill: fill)
      return try reader.file()
    }
  }
}

/// Takes a share file's parts one after the other, and hashes what it takes.
private final class ShareReader {
  private static let drainBytes = 1 << 20
  private let path: String
  private let fill: (UnsafeMutableRawBufferPointer) throws -> Void
  private let hash = SHA256()
  private let size: Int
  /// Bytes before the digest that were not taken yet.
  private var left: Int

  init(left: Int, path: String, fill: @escaping (UnsafeMutableRawBufferPointer) throws -> Void) {
    (size, self.left, self.path, self.fill) = (left, left, path, fill)
  }

  private struct Header {
    let server: Int
    let planBytes: UInt64
  }

  func file() throws -> ServerShareFile {
    let header = try header()
    let file: ServerShareFile
    do { file = try content(header) } catch {
      // Damage is told as such, wherever it showed first.
      try checkDigest()
      throw error
    }
    try checkDigest()
    return file
  }

  private func header() throws -> Header {
    guard size >= ServerShareFile.magic.count else { throw NetworksError.notAModelFile(path: path, kind: "share") }
    left = size
    guard try bytes(ServerShareFile.magic.count) == ServerShareFile.magic else {
      throw NetworksError.notAModelFile(path: path, kind: "share")
    }
    let least = ServerShareFile.headerBytes + ServerShareFile.digestBytes
    guard size >= least else { throw NetworksError.wrongLength(path: path, found: size, expected: least) }
    let (version, server) = (try integer(UInt32.self), try integer(UInt32.self))
    let (total, planBytes) = (try integer(UInt64.self), try integer(UInt64.self))
    guard version == ServerShareFile.currentVersion else {
      throw NetworksError.unsupportedVersion(
        path: path, found: Int(version), supported: ServerShareFile.currentVersion)
    }
    guard total == UInt64(size) else {
      throw NetworksError.wrongLength(path: path, found: size, expected: Int(clamping: total))
    }
    left -= ServerShareFile.digestBytes
    return Header(server: Int(server), planBytes: planBytes)
  }

  private func content(_ header: Header) throws -> ServerShareFile {
    guard header.server <= 1 else {
      throw invalid("header", "it is of server \(header.server), and there are 0 and 1")
    }
    guard header.planBytes <= UInt64(min(PlanFile.maximumBytes, left)) else {
      throw invalid("plan", "it is longer than the file")
    }
    let plan = try PlanFile.decode(try bytes(Int(header.planBytes)), path: path)
    let program = plan.plan.program
    guard program.deployment == .outsourced else { throw invalid("plan", "it is not one for shares") }
    let words = try words(of: program)
    guard left == 0 else { throw invalid("words", "bytes follow the last one") }
    return ServerShareFile(
      share: ServerShare(server: header.server, program: program, name: plan.modelDigest, words: words), plan: plan)
  }

  private func words(of program: Program) throws -> ServerShareWords {
    var words = ServerShareWords()
    for index in program.linearSteps {
      guard case .linear(let geometry) = program.steps[index].operation else { continue }
      let modulus = program.steps[index].tensor.modulus
      words.weights[index] = try take(geometry.weightCount, modulus)
      words.biases[index] = try take(geometry.outChannels, modulus)
    }
    for index in program.activationSteps {
      let count = Int(clamping: try take(1, .word).array()[0])
      guard count == 1 || count == program.steps[index].tensor.shape.channels else {
        throw invalid("words", "step \(index) has \(count) coefficients")
      }
      words.activations[index] = ActivationShare(kappa: try take(count, .field), constant: try take(count, .field))
    }
    for index in program.reluSteps {
      let tensor = program.steps[index].tensor
      let channels = tensor.shape.channels
      words.normalizations[index] = NormalizationShare(
        threshold: try take(channels, .word), flips: try take(NormalizationShare.flipWords(channels: channels), .word),
        offset: try take(channels, tensor.modulus))
    }
    for index in program.offsetSteps {
      let tensor = program.steps[index].tensor
      words.offsets[index] = try take(tensor.shape.count, tensor.modulus)
    }
    return words
  }

  private func take(_ count: Int, _ modulus: ModulusKind) throws -> SecretWords {
    guard count <= left / 8 else { throw invalid("words", "they end too early") }
    let out = SecretWords(uninitialized: count)
    try read(UnsafeMutableRawBufferPointer(out.buffer))
    guard modulus == .word || out.areReduced else { throw invalid("words", "one is not below p") }
    return out
  }

  private func bytes(_ count: Int) throws -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    try bytes.withUnsafeMutableBytes(read)
    return bytes
  }

  private func integer<Value: FixedWidthInteger>(_ type: Value.Type) throws -> Value {
    try bytes(MemoryLayout<Value>.size).withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(as: type)) }
  }

  private func read(_ buffer: UnsafeMutableRawBufferPointer) throws {
    precondition(buffer.count <= left, "checked before memory was made")
    try fill(buffer)
    hash.update(UnsafeRawBufferPointer(buffer))
    left -= buffer.count
  }

  /// Takes what is left, and compares the digest at the end.
  private func checkDigest() throws {
    while left > 0 {
      let rest = SecretBytes(uninitialized: min(left, Self.drainBytes))
      try withExtendedLifetime(rest) { try read(UnsafeMutableRawBufferPointer(rest.buffer)) }
    }
    let found = hash.digest().bytes
    var stated = [UInt8](repeating: 0, count: ServerShareFile.digestBytes)
    try stated.withUnsafeMutableBytes(fill)
    guard stated == found else { throw NetworksError.digestMismatch(path: path) }
  }

  private func invalid(_ section: String, _ reason: String) -> NetworksError {
    .invalidSection(path: path, section: section, reason: reason)
  }
}
