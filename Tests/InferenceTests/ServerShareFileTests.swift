import Correlations
import Foundation
import Networks
import Programs
import Randomness
import Rings
import Testing
import Transport

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

  /// A network whose ReLU takes up a normalisation with gains of both signs, and that adds constants per element.
  private static func normalized() throws -> ModelFile {
    var graph = Graph(
      name: "normalised", input: TensorShape(channels: 2, height: 7, width: 7), inputNormalization: .none(channels: 2))
    let mean = graph.append(.offset, name: "mean")
    let parts = (0..<2).map {
      graph.append(
        .convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "part\($0)", from: [mean])
    }
    graph.append(.concatenate, name: "joined", from: parts)
    let normalization = graph.append(.batchNorm(epsilon: 1e-5, momentum: 0.1), name: "bn")
    graph.append(.relu, name: "act")
    let bias = graph.append(.offset, name: "bias")
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "head")
    var parameters = try Parameters.initialize(graph, seed: 3)
    parameters[mean, .bias] = (0..<98).map { Float($0 % 11) / 20 }
    parameters[bias, .bias] = (0..<392).map { Float($0 % 7) / 10 }
    parameters[normalization, .gamma] = [1, -1, 0.5, 1e-6, 3, -0.1, 0.2, 2]
    parameters[normalization, .beta] = [0.1, -0.1, 0.7, -0.4, -4, 1, -1, 0]
    var file = ModelFile(graph: graph, parameters: parameters)
    try file.calibrate(samples: (0..<4).map { Benchmarks.randomSample(graph, seed: 80 + $0) })
    return file
  }

  @Test(
    "carry what ReLUs take up and constants: servers that read them give the twin's answers",
    arguments: [HelloSource.dealer, .lattice])
  func normalized(source: HelloSource) throws {
    let file = try Self.normalized()
    let planned = try file.planned()
    let flips = try #require(planned.quantized.comparison.values.first).flips
    #expect(flips.contains(true) && flips.contains(false) && planned.plan.program.offsetSteps.count == 2)
    let (zero, one) = try ServerShareFile.split(planned)
    let read = try [zero, one].map { try ServerShareFile.decode(try $0.encoded()).share }
    var servers = Servers(shares: (read[0], read[1]))
    servers.source = source
    let inputs = try (0..<2).map {
      try planned.plan.input.quantize(normalized: Benchmarks.randomSample(file.graph, seed: 90 + $0))
    }
    let results = try servers.run(batches: [inputs], prepared: 2).results
    let twin = try Twin(planned.plan, planned.quantized)
    #expect(results.count == 2)
    for (input, result) in zip(inputs, results) {
      let expected = try twin.run(input)
      let largest = expected.output.map(abs).max()!
      #expect(expected.outOfRange == 0 && largest >= 512)
      #expect(zip(result, expected.output).allSatisfy { abs($0 - $1) <= largest / 64 })
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
    for (place, value) in [(8, 1), (8, 3), (12, 2), (16, 1), (24, 255), (31, 127)] as [(Int, UInt8)] {
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
