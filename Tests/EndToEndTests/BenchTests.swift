import Daemons
import Foundation
import Hardware
import Programs
import Rings
import Testing

/// `polympc bench` with both parties as processes: results are right, and bytes are those of the descriptors.
@Suite("Benchmarks", .serialized)
struct BenchTests {
  private func run(_ arguments: [String]) throws -> [BenchmarkResult] {
    let outcome = try Executable.run(["bench", "--json"] + arguments, in: FileManager.default.temporaryDirectory)
    #expect(outcome.code == 0, "\(outcome.error)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try outcome.output.split(separator: "\n").map {
      try decoder.decode(BenchmarkResult.self, from: Data($0.utf8))
    }
  }

  private func tensor(_ shape: TensorShape, _ modulus: ModulusKind) -> TensorInfo {
    TensorInfo(shape: shape, modulus: modulus, fractionBits: 0)
  }

  private func preparation(_ steps: [Step]) throws -> CostPrediction {
    try CostModel().predict(program: Program(name: "case", steps: steps), phase: .offline, source: .lattice)
  }

  @Test("One layer, on one and on two threads", arguments: [1, 2])
  func layer(threads: Int) throws {
    let result = try #require(
      try run(["conv:4:6:12:3:2", "--repetitions", "2", "--threads", "\(threads)"]).first)
    let geometry = LinearGeometry(
      inChannels: 4, outChannels: 6, inHeight: 12, inWidth: 12, kernel: 3, stride: 2, padding: 1)
    let predicted = try preparation([
      Step(name: "input", operation: .input, inputs: [], tensor: tensor(geometry.inputShape, .word)),
      Step(name: "layer", operation: .linear(geometry), inputs: [0], tensor: tensor(geometry.outputShape, .word)),
      Step(
        name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(geometry.outputShape, .word)),
    ])
    #expect(result.bytesTotal == predicted.totalBytes(.dataOwner, .modelOwner))
    #expect(result.maxAbsErr <= 64 && result.phase == "preprocessing" && result.threads == threads)
    #expect(result.source == "lattice" && result.peakRssMb.modelOwner! > 0 && result.seconds > 0)
  }

  @Test("A network between two servers with shares of it", arguments: ["lattice", "dealer"])
  func outsourced(source: String) throws {
    let arguments = ["lenet:poly:1", "--repetitions", "1", "--inferences", "2", "--phase", "total", "--source", source]
    let owned = try #require(try run(arguments).first)
    let shared = try #require(try run(arguments + ["--outsourced"]).first)
    #expect(shared.case == "lenet:poly:1 outsourced" && shared.maxAbsErr < 0.05 && owned.maxAbsErr < 0.05)
    #expect(shared.bytesTotal > owned.bytesTotal && shared.rounds > owned.rounds)
    #expect((owned.peakRssMb.dealer ?? 0 > 1) == (source == "dealer"))
    #expect((owned.dealerBytes ?? 0 > 10_000) == (source == "dealer"))
    let refused = try Executable.run(
      ["bench", "conv:4:6:12", "--outsourced"], in: FileManager.default.temporaryDirectory)
    #expect(refused.code == 65, "\(refused.error)")
  }

  @Test("Oblivious linear evaluations")
  func evaluations() throws {
    let result = try #require(try run(["ole:10000", "--repetitions", "2"]).first)
    let predicted = try preparation([
      Step(name: "input", operation: .input, inputs: [], tensor: tensor(TensorShape(vector: 10000), .field)),
      Step(
        name: "square", operation: .activation(ActivationSpec(droppedBits: 8, truncation: .local)), inputs: [0],
        tensor: tensor(TensorShape(vector: 10000), .word)),
      Step(
        name: "output", operation: .output(droppedBits: 0), inputs: [1],
        tensor: tensor(TensorShape(vector: 10000), .word)),
    ])
    #expect(result.bytesTotal == predicted.totalBytes(.dataOwner, .modelOwner))
    #expect(result.maxAbsErr <= 1 && result.elements == 10000)
  }

  @Test("Correlated transfers", arguments: [("silent", "silent"), ("softspoken:2", "softspoken")])
  func transfers(method: String, variant: String) throws {
    let count = 300_000
    let result = try #require(try run(["cot:\(count):\(method)", "--repetitions", "2"]).first)
    let model = try CostModel()
    func bytes(_ call: String, _ count: Int) throws -> Int {
      let cost = try model.cost(
        of: "ot", call: call, variant: variant, symbols: ["n": count, "k": 2, "leaves": 4])
      return [(CostParty.sender, CostParty.receiver), (.receiver, .sender)].reduce(0) {
        $0 + cost.traffic(from: $1.0, to: $1.1).totalBytes
      }
    }
    #expect(result.setupBytes == (try bytes("begin", 0)))
    if variant == "silent" { #expect(result.bytesTotal == (try bytes("draw", count))) }
    #expect(result.maxAbsErr == 0 && result.elements == count && result.setupSeconds! > 0)
  }

  @Test("What cannot be is refused")
  func refused() throws {
    for arguments in [
      ["ntt:8192", "--phase", "online"], ["ntt:8192", "--threads", "2"], ["lenet:poly:1", "--threads", "0"],
      ["lenet:poly:1", "--threads", "2", "--source", "dealer"],
      ["ntt:8192", "--role", "model-owner", "--listen", "127.0.0.1:0"],
      ["cot:5", "--phase", "online"], ["cot:5", "--source", "dealer"], ["cot:5", "--threads", "2"], ["conv:1:1"],
      ["lenet:poly:1", "--phase", "kernel"],
    ] {
      let outcome = try Executable.run(["bench"] + arguments, in: FileManager.default.temporaryDirectory)
      #expect(outcome.code != 0 && !outcome.error.isEmpty, "\(arguments)")
    }
  }
}
