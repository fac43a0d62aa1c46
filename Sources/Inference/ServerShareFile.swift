import Correlations
public import Networks
import Programs
public import Randomness
import Rings

/// A server's share of a model on disk, with the public plan.
///
/// Layout, little-endian: 8 bytes of magic, `u32` version, `u32` server, `u64` length of the whole file, `u64` length of the
/// plan, the plan file; then words: of each linear step weights and biases, of each activation their number, kappa and e; at the
/// end the SHA-256 of everything before it. Secret as a half of a key is: alone it tells nothing, with the other one everything.
public struct ServerShareFile: Sendable {
  /// Version of the format.
  public static let currentVersion = 1
  /// Largest file that is read, bytes.
  public static let maximumBytes = 8 << 30
  private static let magic = Array("PMPCSHAR".utf8)
  private static let headerBytes = 32
  private static let digestBytes = 32

  /// The share.
  public let share: ServerShare
  /// The public plan, with the sharing's name in the place of a model's digest.
  public let plan: PlanFile

  private init(share: ServerShare, plan: PlanFile) { (self.share, self.plan) = (share, plan) }

  /// Shares a planned model.
  ///
  /// - Parameter randomness: the operating system's in products; seeded in benchmarks and tests.
  /// - Throws: ``InferenceError``, `ProgramError`
  public static func split(
    _ planned: PlannedModel, randomness: any RandomByteSource = SystemRandom()
  ) throws -> (ServerShareFile, ServerShareFile) {
    if let step = planned.quantized.comparison.keys.min() {
      throw InferenceError.modelDoesNotFit(
        step: step,
        reason: "it is a ReLU that takes up a normalisation, which servers with shares cannot do; plan a network whose "
          + "normalisations stand behind layers with weights")
    }
    let (first, second) = try ServerShare.split(
      program: planned.plan.program,
      linear: planned.quantized.linear.mapValues { LinearParameters(weights: $0.weights, bias: $0.bias) },
      activations: planned.quantized.activation.mapValues { ($0.linear, $0.constant) }, randomness: randomness)
    var plan = planned.plan
    plan.program = first.program
    let file = PlanFile(plan: plan, modelDigest: first.name)
    return (ServerShareFile(share: first, plan: file), ServerShareFile(share: second, plan: file))
  }

  // MARK: Writing

  /// Writes the file, readable by its owner only. A failure leaves an old file as it was.
  ///
  /// - Throws: `NetworksError`
  public func write(to path: String) throws {
    let bytes = try encoded()
    try withExtendedLifetime(bytes) {
      try FileBytes.replace(path, with: UnsafeRawBufferPointer(bytes.buffer), mode: 0o600)
    }
  }

  /// The file's bytes.
  func encoded() throws -> SecretBytes {
    let plan = try plan.encoded()
    let parts = Self.words(of: share)
    let count = parts.reduce(0) { $0 + $1.count }
    let bytes = SecretBytes(
      uninitialized: Self.headerBytes + plan.count + 8 * count + Self.digestBytes)
    let raw = UnsafeMutableRawBufferPointer(bytes.buffer)
    raw.copyBytes(from: Self.magic)
    raw.storeBytes(of: UInt32(Self.currentVersion).littleEndian, toByteOffset: 8, as: UInt32.self)
    raw.storeBytes(of: UInt32(share.server).littleEndian, toByteOffset: 12, as: UInt32.self)
    raw.storeBytes(of: UInt64(bytes.count).littleEndian, toByteOffset: 16, as: UInt64.self)
    raw.storeBytes(of: UInt64(plan.count).littleEndian, toByteOffset: 24, as: UInt64.self)
    var place = Self.headerBytes
    func put(_ source: UnsafeRawBufferPointer) {
      UnsafeMutableRawBufferPointer(rebasing: raw[place..<place + source.count]).copyMemory(from: source)
      place += source.count
    }
    plan.withUnsafeBytes { put($0) }
    for words in parts { withExtendedLifetime(words) { put(UnsafeRawBufferPointer(words.buffer)) } }
    let digest = Digest32.sha256(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(raw)[..<place]))
    digest.bytes.withUnsafeBytes { put($0) }
    precondition(place == bytes.count)
    return bytes
  }

  /// All words in the file's order.
  private static func words(of share: ServerShare) -> [SecretWords] {
    share.program.linearSteps.flatMap { [share.weights[$0]!, share.biases[$0]!] }
      + share.program.activationSteps.flatMap { index -> [SecretWords] in
        let own = share.activations[index]!
        return [SecretWords([UInt64(own.kappa.count)]), own.kappa, own.constant]
      }
  }

  // MARK: Reading

  /// Reads and checks a file.
  ///
  /// - Throws: `NetworksError`: another kind of file, another version, a wrong length, a wrong digest, or invalid content, in
  ///   this order; `ProgramError` where the plan's program is invalid.
  public static func load(from path: String) throws -> ServerShareFile {
    try decode(FileBytes.readSecret(path, limit: maximumBytes), path: path)
  }

  /// Reads a file's bytes; `path` is only for messages.
  static func decode(_ bytes: SecretBytes, path: String = "The share") throws -> ServerShareFile {
    let raw = UnsafeRawBufferPointer(bytes.buffer)
    guard raw.count >= magic.count, Array(raw[..<magic.count]) == magic else {
      throw NetworksError.notAModelFile(path: path, kind: "share")
    }
    guard raw.count >= headerBytes + digestBytes else {
      throw NetworksError.wrongLength(path: path, found: raw.count, expected: headerBytes + digestBytes)
    }
    func integer<Value: FixedWidthInteger>(_ type: Value.Type, _ place: Int) -> Value {
      Value(littleEndian: raw.loadUnaligned(fromByteOffset: place, as: type))
    }
    let version = Int(integer(UInt32.self, 8))
    guard version == currentVersion else {
      throw NetworksError.unsupportedVersion(path: path, found: version, supported: currentVersion)
    }
    let total = integer(UInt64.self, 16)
    guard total == UInt64(raw.count) else {
      throw NetworksError.wrongLength(path: path, found: raw.count, expected: Int(clamping: total))
    }
    let end = raw.count - digestBytes
    guard Digest32.sha256(UnsafeRawBufferPointer(rebasing: raw[..<end])).bytes == Array(raw[end...]) else {
      throw NetworksError.digestMismatch(path: path)
    }
    func invalid(_ section: String, _ reason: String) -> NetworksError {
      .invalidSection(path: path, section: section, reason: reason)
    }
    let (server, planBytes) = (integer(UInt32.self, 12), integer(UInt64.self, 24))
    guard server <= 1 else { throw invalid("header", "it is of server \(server), and there are 0 and 1") }
    guard planBytes <= UInt64(min(PlanFile.maximumBytes, end - headerBytes)) else {
      throw invalid("plan", "it is longer than the file")
    }
    let place = headerBytes + Int(planBytes)
    let plan = try PlanFile.decode(Array(raw[headerBytes..<place]), path: path)
    guard plan.plan.program.deployment == .outsourced else { throw invalid("plan", "it is not one for shares") }
    var reader = Reader(words: UnsafeRawBufferPointer(rebasing: raw[place..<end]), path: path)
    let share = try reader.share(server: Int(server), plan)
    return withExtendedLifetime(bytes) { ServerShareFile(share: share, plan: plan) }
  }

  private struct Reader {
    let words: UnsafeRawBufferPointer
    let path: String
    var place = 0

    init(words: UnsafeRawBufferPointer, path: String) { (self.words, self.path) = (words, path) }

    private func invalid(_ reason: String) -> NetworksError {
      .invalidSection(path: path, section: "words", reason: reason)
    }

    mutating func take(_ count: Int, _ modulus: ModulusKind) throws -> SecretWords {
      guard count <= (words.count - place) / 8 else { throw invalid("they end too early") }
      let out = SecretWords(uninitialized: count)
      UnsafeMutableRawBufferPointer(out.buffer).copyMemory(
        from: UnsafeRawBufferPointer(rebasing: words[place..<place + 8 * count]))
      place += 8 * count
      guard modulus == .word || out.areReduced else { throw invalid("one is not below p") }
      return out
    }

    mutating func share(server: Int, _ file: PlanFile) throws -> ServerShare {
      let program = file.plan.program
      var (weights, biases, activations): ([Int: SecretWords], [Int: SecretWords], [Int: ActivationShare]) =
        ([:], [:], [:])
      for index in program.linearSteps {
        guard case .linear(let geometry) = program.steps[index].operation else { continue }
        let modulus = program.steps[index].tensor.modulus
        weights[index] = try take(geometry.weightCount, modulus)
        biases[index] = try take(geometry.outChannels, modulus)
      }
      for index in program.activationSteps {
        let count = Int(clamping: try take(1, .word).array()[0])
        guard count == 1 || count == program.steps[index].tensor.shape.channels else {
          throw invalid("step \(index) has \(count) coefficients")
        }
        activations[index] = ActivationShare(kappa: try take(count, .field), constant: try take(count, .field))
      }
      guard place == words.count else { throw invalid("bytes follow the last one") }
      return ServerShare(
        server: server, program: program, name: file.modelDigest, weights: weights, biases: biases,
        activations: activations)
    }
  }
}
