import Correlations
public import Networks
import Programs
public import Randomness
import Rings

/// A server's share of a model on disk, with the public plan.
///
/// Layout, little-endian: 8 bytes of magic, `u32` version, `u32` server, `u64` length of the whole file, `u64` length of the
/// plan, the plan file; then words, step after step within each kind: of linear steps weights and biases, of activations their
/// number, kappa and e, of ReLUs thresholds, turned bits and constants, of offset steps constants; at the end the SHA-256 of
/// everything before it. Secret as a half of a key is: alone it tells nothing, with the other one everything.
public struct ServerShareFile: Sendable {
  /// Version of the format.
  public static let currentVersion = 2
  /// Largest file that is read, bytes.
  public static let maximumBytes = 8 << 30
  static let magic = Array("PMPCSHAR".utf8)
  static let headerBytes = 32
  static let digestBytes = 32

  /// The share.
  public let share: ServerShare
  /// The public plan, with the sharing's name in the place of a model's digest.
  public let plan: PlanFile

  init(share: ServerShare, plan: PlanFile) { (self.share, self.plan) = (share, plan) }

  /// Shares a planned model.
  ///
  /// - Parameter randomness: the operating system's in products; seeded in benchmarks and tests.
  /// - Throws: ``InferenceError``, `ProgramError`
  public static func split(
    _ planned: PlannedModel, randomness: any RandomByteSource = SystemRandom()
  ) throws -> (ServerShareFile, ServerShareFile) {
    let (first, second) = try ServerShare.split(
      program: planned.plan.program,
      linear: planned.quantized.linear.mapValues { LinearParameters(weights: $0.weights, bias: $0.bias) },
      activations: planned.quantized.activation.mapValues { ($0.linear, $0.constant) },
      normalizations: planned.quantized.comparison.mapValues {
        NormalizationParameters(threshold: $0.threshold, flips: $0.flips, offset: $0.offset)
      }, offsets: planned.quantized.offset, randomness: randomness)
    var plan = planned.plan
    plan.program = first.program
    let file = PlanFile(plan: plan, modelDigest: first.name)
    return (ServerShareFile(share: first, plan: file), ServerShareFile(share: second, plan: file))
  }

  /// Writes the file, readable by its owner only. A failure leaves an old file as it was.
  ///
  /// - Throws: `NetworksError`
  public func write(to path: String) throws {
    let plan = try plan.encoded()
    try FileBytes.replace(path, mode: 0o600) { try write(plan, $0) }
  }

  /// The file's bytes.
  func encoded() throws -> SecretBytes {
    let plan = try plan.encoded()
    let bytes = SecretBytes(uninitialized: byteCount(plan))
    let raw = UnsafeMutableRawBufferPointer(bytes.buffer)
    var place = 0
    try write(plan) { part in
      UnsafeMutableRawBufferPointer(rebasing: raw[place..<place + part.count]).copyMemory(from: part)
      place += part.count
    }
    precondition(place == bytes.count)
    return bytes
  }

  private func byteCount(_ plan: [UInt8]) -> Int {
    Self.headerBytes + plan.count + 8 * words.reduce(0) { $0 + $1.count } + Self.digestBytes
  }

  /// Gives the file's parts one after the other.
  private func write(_ plan: [UInt8], _ receive: (UnsafeRawBufferPointer) throws -> Void) throws {
    let hash = SHA256()
    func put(_ part: UnsafeRawBufferPointer) throws {
      hash.update(part)
      try receive(part)
    }
    func integer<Value: FixedWidthInteger>(_ value: Value) -> [UInt8] {
      withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
    let header =
      Self.magic + integer(UInt32(Self.currentVersion)) + integer(UInt32(share.server))
      + integer(UInt64(byteCount(plan))) + integer(UInt64(plan.count))
    try header.withUnsafeBytes(put)
    try plan.withUnsafeBytes(put)
    for words in words { try withExtendedLifetime(words) { try put(UnsafeRawBufferPointer(words.buffer)) } }
    try hash.digest().bytes.withUnsafeBytes(receive)
  }

  /// All words in the file's order.
  private var words: [SecretWords] {
    let program = share.program
    let linear = program.linearSteps.flatMap { [share.weights[$0]!, share.biases[$0]!] }
    let activations = program.activationSteps.flatMap { index -> [SecretWords] in
      let own = share.activations[index]!
      return [SecretWords([UInt64(own.kappa.count)]), own.kappa, own.constant]
    }
    let normalizations = program.reluSteps.flatMap { index -> [SecretWords] in
      let own = share.normalizations[index]!
      return [own.threshold, own.flips, own.offset]
    }
    return linear + activations + normalizations + program.offsetSteps.map { share.offsets[$0]! }
  }
}
