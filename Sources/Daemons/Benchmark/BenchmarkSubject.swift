import Foundation
import Inference
import Networks
public import Programs
import Randomness
import Rings
import TwoParty

/// What the data owner of a benchmark asks, and what must come out.
struct BenchmarkQuestion {
  let program: Program
  let agreement: Agreement
  /// Fixed-point inputs of a query.
  let samples: [[Int64]]
  /// What a fixed-point result times ``unit`` should be.
  let expected: [[Double]]
  let unit: Double
  /// Elements, where the case is about elements.
  var elements: Int?
}

extension BenchmarkCase {
  /// The model owner's side. Both parties make the same model of the same seeds, salt included.
  func served() throws -> (model: ModelOwnerModel, agreement: Agreement) {
    switch kind {
    case .network(let network, _):
      let served = try ServedModel(model(network))
      return (served.model, served.agreement)
    case .linear(let geometry):
      let layer = LayerSubject(geometry)
      return (try layer.model(), try agreement(layer.program))
    case .evaluations(let count):
      let squares = SquareSubject(count)
      return (try squares.model(), try agreement(squares.program))
    case .transform, .responses, .transfers:
      throw DaemonsError.input(source: "case \"\(name)\"", reason: "it is about no program")
    }
  }

  /// The data owner's side.
  func question() throws -> BenchmarkQuestion {
    switch kind {
    case .network(let network, let batch): return try question(network, batch)
    case .linear(let geometry):
      let layer = LayerSubject(geometry)
      return BenchmarkQuestion(
        program: layer.program, agreement: try agreement(layer.program), samples: [layer.input],
        expected: [try layer.output()], unit: 1)
    case .evaluations(let count):
      let squares = SquareSubject(count)
      return BenchmarkQuestion(
        program: squares.program, agreement: try agreement(squares.program), samples: [squares.input],
        expected: [squares.output], unit: 1, elements: count)
    case .transform, .responses, .transfers:
      throw DaemonsError.input(source: "case \"\(name)\"", reason: "it is about no program")
    }
  }

  /// What both parties run.
  /// - Throws: ``DaemonsError/input(source:reason:)`` for a case about no program.
  public func program() throws -> Program {
    switch kind {
    case .network(let network, _): return try model(network).planned().plan.program
    case .linear(let geometry): return LayerSubject(geometry).program
    case .evaluations(let count): return SquareSubject(count).program
    case .transform, .responses, .transfers:
      throw DaemonsError.input(source: "case \"\(name)\"", reason: "it is about no program")
    }
  }

  private func question(_ network: String, _ batch: Int) throws -> BenchmarkQuestion {
    let file = try model(network)
    let planned = try file.planned()
    let executor = try FloatExecutor(graph: file.graph, parameters: file.parameters)
    let inputs = (0..<batch).map { Benchmarks.randomSample(file.graph, seed: 5000 + UInt64($0)) }
    return BenchmarkQuestion(
      program: planned.plan.program,
      agreement: try Agreement(PlanFile(plan: planned.plan, modelDigest: file.modelDigest())),
      samples: try inputs.map { try planned.plan.input.quantize(normalized: $0) },
      expected: try inputs.map { try executor.output(of: $0).map(Double.init) },
      unit: exp2(-Double(planned.plan.input.outputFractionBits)))
  }

  func model(_ network: String) throws -> ModelFile {
    guard var file = try Benchmarks.model(network, seed: 1) else {
      throw DaemonsError.input(source: "case \"\(name)\"", reason: "there is no such network")
    }
    file.salt = [UInt8](repeating: 1, count: 32)
    return file
  }

  private func agreement(_ program: Program) throws -> Agreement {
    Agreement(
      planDigest: Digest32.sha256(try program.canonicalBytes()), modelDigest: .zero,
      protocolsDigest: try Agreement.currentProtocolsDigest())
  }
}

/// One linear layer in Z_2^64 with random weights of 13 bits, read without truncation.
private struct LayerSubject {
  let geometry: LinearGeometry
  let weights: [Int32]
  let input: [Int64]

  init(_ geometry: LinearGeometry) {
    self.geometry = geometry
    let random = StreamGenerator(publicSeed: 71)
    weights = (0..<geometry.weightCount).map { _ in Int32(truncatingIfNeeded: random.word()) >> 19 }
    input = (0..<geometry.inputShape.count).map { _ in Int64(bitPattern: random.word()) >> 48 }
  }

  var program: Program {
    func tensor(_ shape: TensorShape) -> TensorInfo { TensorInfo(shape: shape, modulus: .word, fractionBits: 0) }
    return Program(
      name: "layer",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(geometry.inputShape)),
        Step(name: "layer", operation: .linear(geometry), inputs: [0], tensor: tensor(geometry.outputShape)),
        Step(name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(geometry.outputShape)),
      ])
  }

  func model() throws -> ModelOwnerModel {
    let bias = [Int64](repeating: 0, count: geometry.outChannels)
    return try ModelOwnerModel(
      program: program, linear: [1: LinearParameters(weights: weights, bias: bias)], activations: [:],
      salt: [UInt8](repeating: 1, count: 32))
  }

  func output() throws -> [Double] {
    var words = [UInt64](repeating: 0, count: geometry.outputShape.count)
    LinearMap.apply(
      Word64.self, weights: try PackedWeights(geometry: geometry, weights: weights),
      input: input.map { UInt64(bitPattern: $0) }, output: &words, workspace: LinearWorkspace())
    return words.map { Double(Int64(bitPattern: $0)) }
  }
}

/// Squares that are truncated locally, which takes an oblivious linear evaluation an element and no transfers.
private struct SquareSubject {
  static let droppedBits = 8
  let input: [Int64]

  init(_ count: Int) {
    let random = StreamGenerator(publicSeed: 72)
    input = (0..<count).map { _ in Int64(bitPattern: random.word()) >> 48 }
  }

  var program: Program {
    func tensor(_ modulus: ModulusKind) -> TensorInfo {
      TensorInfo(shape: TensorShape(vector: input.count), modulus: modulus, fractionBits: 0)
    }
    let spec = ActivationSpec(droppedBits: Self.droppedBits, truncation: .local)
    return Program(
      name: "evaluations",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(.field)),
        Step(name: "square", operation: .activation(spec), inputs: [0], tensor: tensor(.word)),
        Step(name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(.word)),
      ])
  }

  func model() throws -> ModelOwnerModel {
    try ModelOwnerModel(
      program: program, linear: [:], activations: [1: ActivationCoefficients(k: [0], constant: [0])],
      salt: [UInt8](repeating: 1, count: 32))
  }

  var output: [Double] { input.map { Double(($0 * $0) >> Int64(Self.droppedBits)) } }
}
