import Foundation
import Networks
import Randomness
import Testing

@Suite struct FileTests {
  private func model() throws -> ModelFile {
    let graph = Builders.digits()
    var model = ModelFile(
      graph: graph, parameters: try Parameters.benchmarkPolynomial(graph, seed: 1), provenance: ["data": "digits"])
    try model.calibrate(samples: Samples.inputs(graph, count: 2, seed: 5))
    return model
  }

  private func inDirectory(_ body: (String) throws -> Void) throws {
    let directory = NSTemporaryDirectory() + "/networks-\(UInt64.random(in: 0...UInt64.max))"
    try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: directory) }
    try body(directory)
  }

  /// The digest of changed content, so that only the change itself can be noticed.
  private func resealed(_ bytes: [UInt8]) -> [UInt8] {
    let content = Array(bytes.dropLast(32))
    return content + Digest32.sha256(content).bytes
  }

  @Test func modelsComeBackAsTheyWere() throws {
    let model = try model()
    try inDirectory { directory in
      try model.write(to: directory + "/m.polympc")
      let loaded = try ModelFile.load(from: directory + "/m.polympc")
      #expect(loaded.graph == model.graph && loaded.parameters == model.parameters)
      #expect(loaded.calibration == model.calibration && loaded.options == model.options)
      #expect(loaded.salt == model.salt && loaded.provenance == model.provenance)
      #expect(try loaded.modelDigest() == model.modelDigest())
      #expect(try loaded.planned().quantized == model.planned().quantized)
      let mode = try FileManager.default.attributesOfItem(atPath: directory + "/m.polympc")[.posixPermissions] as? Int
      #expect(mode == 0o600)
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["m.polympc"])
    }
  }

  @Test func theSaltHidesTheWeights() throws {
    var other = try model()
    let first = try other.modelDigest()
    other.salt[0] ^= 1
    #expect(try other.modelDigest() != first)
  }

  @Test func everyDamageIsNamed() throws {
    let bytes = try model().encoded()
    func error(_ bytes: [UInt8]) -> NetworksError? {
      do { _ = try ModelFile.decode(bytes, path: "m") } catch { return error as? NetworksError }
      return nil
    }
    for length in [9, 30, bytes.count / 2, bytes.count - 1] {
      guard case .wrongLength? = error(Array(bytes[..<length])) else {
        Issue.record("\(length) bytes")
        continue
      }
    }
    guard case .wrongLength? = error(bytes + [0]) else { throw NetworksError.invalidGraph(reason: "longer") }
    for place in [30, 2000, bytes.count / 2, bytes.count - 5] {
      var flipped = bytes
      flipped[place] ^= 4
      #expect(error(flipped) == .digestMismatch(path: "m"))
    }
    var other = bytes
    other[8] = 2
    #expect(error(resealed(other)) == .unsupportedVersion(path: "m", found: 2, supported: 1))
    other = bytes
    other[0] = 0
    #expect(error(other) == .notAModelFile(path: "m", kind: "model"))
    #expect(error([]) == .notAModelFile(path: "m", kind: "model"))
  }

  @Test func consistentDigestsDoNotHideInvalidSections() throws {
    let bytes = try model().encoded()
    func expectInvalid(_ change: (inout [UInt8]) -> Void) {
      var changed = bytes
      change(&changed)
      do {
        _ = try ModelFile.decode(resealed(changed), path: "m")
        Issue.record("an invalid section was accepted")
      } catch NetworksError.invalidSection {} catch { Issue.record("\(error)") }
    }
    expectInvalid { $0[24] = UInt8(ascii: "X") }  // unknown tag
    expectInvalid { $0[24 + 8 + 6] = 255 }  // a section of 2^55 bytes
    expectInvalid { $0[12] = 200 }  // 200 sections
    expectInvalid { $0[12] = 2 }  // sections after the last
    expectInvalid { $0[12] = 6 + 1 }  // a missing one
    expectInvalid { $0[40] = UInt8(ascii: "!") }  // no JSON
  }

  @Test func aFullDiskLeavesTheOldFile() throws {
    let model = try model()
    try inDirectory { directory in
      let path = directory + "/m.polympc"
      try model.write(to: path)
      var written = 0
      #expect(
        throws: NetworksError.fileSystem(path: path, action: "written", reason: String(cString: strerror(ENOSPC)))
      ) {
        try FileBytes.replace(path, with: model.encoded(), mode: 0o600) { descriptor, bytes in
          guard written == 0 else {
            errno = ENOSPC
            return -1
          }
          written = write(descriptor, bytes.baseAddress, min(bytes.count, 100))
          return written
        }
      }
      #expect(try ModelFile.load(from: path).modelDigest() == model.modelDigest())
      #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
      #expect(throws: NetworksError.self) { try model.write(to: directory + "/none/m.polympc") }
      #expect(throws: NetworksError.self) { try ModelFile.load(from: directory) }
      #expect(throws: NetworksError.self) { try ModelFile.load(from: directory + "/none") }
    }
  }

  @Test func plansComeBackAndAreChecked() throws {
    let model = try model()
    let file = PlanFile(plan: try model.planned().plan, modelDigest: try model.modelDigest())
    try inDirectory { directory in
      try file.write(to: directory + "/p.json")
      let loaded = try PlanFile.load(from: directory + "/p.json")
      #expect(loaded == file)
      #expect(try loaded.planDigest() == file.planDigest())
      #expect(throws: NetworksError.notAModelFile(path: directory + "/p.json", kind: "model")) {
        try ModelFile.load(from: directory + "/p.json")
      }
    }
    let text = String(decoding: try file.encoded(), as: UTF8.self)
    func error(_ text: String) -> NetworksError? {
      do { _ = try PlanFile.decode(Array(text.utf8), path: "p") } catch { return error as? NetworksError }
      return nil
    }
    #expect(
      error(text.replacingOccurrences(of: "\"name\":\"conv1\"", with: "\"name\":\"conv9\""))
        == .digestMismatch(path: "p"))
    #expect(
      error(text.replacingOccurrences(of: "plan\",\"modelDigest", with: "model\",\"modelDigest"))
        == .notAModelFile(path: "p", kind: "plan"))
    #expect(error("{}") == .notAModelFile(path: "p", kind: "plan"))
    guard case .malformed? = error(String(text.prefix(text.count / 2))) else {
      throw NetworksError.invalidGraph(reason: "a plan cut short was not named as malformed")
    }
  }

  @Test func publicPlansHoldNoSecrets() throws {
    let planned = try model().planned()
    #expect(Report(planned.plan).layers.allSatisfy { $0.detail == nil })
    let secret = Report(planned)
    #expect(secret.layers.allSatisfy { $0.detail != nil })
    #expect(secret.table().contains("conv1.act") && secret.table().contains("range bits"))
    #expect(!Report(planned.plan).table().contains("range bits"))
    let decoded = try JSONDecoder().decode(Report.self, from: JSONEncoder().encode(secret))
    #expect(decoded == secret)
    // Other weights within the same ranges' bits give the same public plan, whatever the signs of their squares.
    let keys = try JSONSerialization.jsonObject(with: Data(planned.plan.canonicalBytes())) as? [String: Any]
    #expect(Set(try #require(keys).keys) == ["expectedFailures", "input", "program", "version"])
  }
}
