public import Randomness

/// The public plan as the model owner exports it and the data owner loads it: JSON with the plan, the digest of the
/// model that it belongs to, and its own digest.
public struct PlanFile: Hashable, Sendable {
  /// Version of the format.
  public static let currentVersion = 1
  /// Largest file that is read, bytes.
  public static let maximumBytes = 8 << 20

  /// The plan.
  public var plan: Plan
  /// Digest of the model file.
  public var modelDigest: Digest32

  /// Joins a plan and its model's digest.
  public init(plan: Plan, modelDigest: Digest32) {
    self.plan = plan
    self.modelDigest = modelDigest
  }

  /// SHA-256 of the plan's canonical bytes.
  public func planDigest() throws -> Digest32 { Digest32.sha256(try plan.canonicalBytes()) }

  private struct Contents: Codable {
    var format: String
    var version: Int
    var modelDigest: Digest32
    var planDigest: Digest32
    var plan: Plan
  }

  private struct Head: Decodable {
    var format: String
    var version: Int
  }

  private static let format = "polympcnet-plan"

  /// Writes the file. A failure leaves an old file as it was.
  ///
  /// - Throws: ``NetworksError``
  public func write(to path: String) throws { try FileBytes.replace(path, with: encoded(), mode: 0o644) }

  /// The file's bytes, a line of JSON.
  public func encoded() throws -> [UInt8] {
    let contents = Contents(
      format: Self.format, version: Self.currentVersion, modelDigest: modelDigest, planDigest: try planDigest(),
      plan: plan)
    return try CanonicalJSON.encode(contents) + Array("\n".utf8)
  }

  /// Reads and checks a file.
  ///
  /// - Throws: ``NetworksError``, or `ProgramError` where the program is invalid.
  public static func load(from path: String) throws -> PlanFile {
    try decode(FileBytes.read(path, limit: maximumBytes), path: path)
  }

  /// Reads a file's bytes; `path` is only for messages.
  ///
  /// - Throws: ``NetworksError``, or `ProgramError` where the program is invalid.
  public static func decode(_ bytes: [UInt8], path: String = "The plan") throws -> PlanFile {
    let head: Head
    do { head = try CanonicalJSON.decode(Head.self, from: bytes, what: "plan file") } catch {
      // A file of ours that was cut short or changed is named as such.
      if String(decoding: bytes, as: UTF8.self).contains(format) { throw error }
      throw NetworksError.notAModelFile(path: path, kind: "plan")
    }
    guard head.format == format else { throw NetworksError.notAModelFile(path: path, kind: "plan") }
    guard head.version == currentVersion else {
      throw NetworksError.unsupportedVersion(path: path, found: head.version, supported: currentVersion)
    }
    let contents = try CanonicalJSON.decode(Contents.self, from: bytes, what: "plan file")
    let file = PlanFile(plan: contents.plan, modelDigest: contents.modelDigest)
    guard try file.planDigest() == contents.planDigest else { throw NetworksError.digestMismatch(path: path) }
    try file.plan.validate()
    return file
  }
}
