import Correlations
import Foundation
import Networks
import Programs
import Randomness
import Rings
import Testing

@testable import Inference

@Suite("Files of shares")
struct ServerShareFileTests {
  private static let shared = Result { () throws -> (ServerShareFile, ServerShareFile) in
    let graph = Builders.digits(activation: .x2act(X2actSpec()))
    var file = ModelFile(graph: graph, parameters: try Parameters.benchmarkPolynomial(graph, seed: 1))
    try file.calibrate(samples: (0..<2).map { Benchmarks.randomSample(graph, seed: 70 + $0) })
    return try ServerShareFile.split(try file.planned())
  }

  @Test("are read as they were written, and belong together")
  func roundTrip() throws {
    let (zero, one) = try Self.shared.get()
    let path = NSTemporaryDirectory() + "polympc-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    for file in [zero, one] {
      try file.write(to: path)
      let attributes = try FileManager.default.attributesOfItem(atPath: path)
      #expect((attributes[.posixPermissions] as? Int) == 0o600)
      let read = try ServerShareFile.load(from: path)
      #expect(read.share.server == file.share.server && read.share.name == zero.share.name)
      #expect(read.plan == file.plan && read.share.program == file.share.program)
      #expect(read.share.program.deployment == .outsourced)
      for index in read.share.program.linearSteps {
        #expect(read.share.weights[index]!.array() == file.share.weights[index]!.array())
        #expect(read.share.biases[index]!.array() == file.share.biases[index]!.array())
      }
      for index in read.share.program.activationSteps {
        #expect(read.share.activations[index]!.kappa.array() == file.share.activations[index]!.kappa.array())
        #expect(read.share.activations[index]!.constant.array() == file.share.activations[index]!.constant.array())
      }
    }
  }

  /// Bytes with another digest at their end, so that what they hold is looked at.
  private func sealed(_ bytes: [UInt8]) -> SecretBytes {
    SecretBytes(bytes.dropLast(32) + Digest32.sha256(Array(bytes.dropLast(32))).bytes)
  }

  @Test("are refused in words where they are damaged, cut short or forged")
  func damaged() throws {
    let good = try Self.shared.get().0.encoded().array()
    func refuses(_ bytes: [UInt8]) { #expect(throws: (any Error).self) { try ServerShareFile.decode(sealed(bytes)) } }
    #expect(throws: NetworksError.digestMismatch(path: "The share")) {
      var bytes = good
      bytes[good.count - 40] ^= 1
      _ = try ServerShareFile.decode(SecretBytes(bytes))
    }
    for count in [0, 7, 8, 31, 63, 64, good.count / 2, good.count - 1] {
      #expect(throws: NetworksError.self) { try ServerShareFile.decode(SecretBytes(Array(good[..<count]))) }
    }
    #expect(throws: NetworksError.self) { try ServerShareFile.decode(SecretBytes(good + [0])) }
    // Version, server, lengths of file and plan: each with a digest that fits.
    for (place, value) in [(8, 2), (12, 2), (16, 1), (24, 255), (31, 127)] as [(Int, UInt8)] {
      var bytes = good
      bytes[place] = value
      refuses(bytes)
    }
    // A word of F_p that is not below p, and words that are missing or too many.
    var bytes = good
    let plan = Int(good[24]) | Int(good[25]) << 8 | Int(good[26]) << 16
    for place in 32 + plan..<40 + plan { bytes[place] = 255 }
    refuses(bytes)
    for change in [-8, 8] {
      var other =
        change < 0
        ? Array(good.dropLast(40) + good.suffix(32)) : Array(good.dropLast(32)) + [UInt8](repeating: 0, count: 40)
      for byte in 0..<8 { other[16 + byte] = UInt8(truncatingIfNeeded: (good.count + change) >> (8 * byte)) }
      refuses(other)
    }
  }

  @Test("are not taken for models, and owned sessions take no shares")
  func mixedUp() throws {
    let (zero, one) = try Self.shared.get()
    #expect(throws: NetworksError.self) { try ModelFile.decode(try zero.encoded().array()) }
    #expect(throws: InferenceError.self) {
      try ModelOwnerModel(program: zero.share.program, linear: [:], activations: [:], salt: [])
    }
    #expect(zero.share.weightsDigest != one.share.weightsDigest)
    let again = try Self.shared.get().0
    #expect(again.share.weightsDigest == zero.share.weightsDigest)
  }
}
