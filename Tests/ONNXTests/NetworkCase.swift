import Networks
import Programs
import Rings
import SwiftProtobuf

@testable import ONNX

/// A model with inputs and the outputs that others computed for them.
struct NetworkCase {
  /// A result that is none.
  struct Wrong: Error, CustomStringConvertible {
    var description: String
    init(_ description: String) { self.description = description }
  }

  let model: ImportedModel
  let samples: [[Float]]
  let expected: DenseTensor

  /// Imports a model whose further inputs, if any, are the model owner's constants.
  static func load(_ pack: Pack, _ name: String, _ axis: ImportOptions.BatchAxis = .automatic) throws -> ImportedModel {
    let proto = try Onnx_ModelProto(serializedBytes: pack.files[name + "/model.onnx"]!)
    let initialized = Set(proto.graph.initializer.map(\.name))
    let inputs = proto.graph.input.filter { !initialized.contains($0.name) }
    var options = ImportOptions()
    options.batchAxis = axis
    options.output = proto.graph.output.first?.name
    for (index, input) in inputs.enumerated().dropFirst() {
      options.constants[input.name] = pack.tensor("\(name)/input_\(index).pb")
    }
    return try ONNXImporter.read(ModelReader(proto, folder: "."), options)
  }

  /// The float network's outputs, before what the data owner does to them.
  ///
  /// - Throws: ``Wrong`` where they, finished, are not those expected, up to a part in a thousand.
  func floats() throws -> [[Double]] {
    let executor = try FloatExecutor(graph: model.graph, parameters: model.parameters)
    let results = try samples.map { try executor.output(of: $0).map(Double.init) }
    let dims = (model.hasBatchAxis ? [samples.count] : []) + model.outputShape
    guard dims == expected.dims else { throw Wrong("its shape is \(dims) and should be \(expected.dims)") }
    let finished = results.flatMap { values in model.graph.finish.map { $0.apply(values) } ?? values }
    for (value, right) in zip(finished, expected.floats.map(Double.init))
    where !(abs(value - right) <= 1e-3 * abs(right) + 1e-5) {
      throw Wrong("it gives \(value) and should give \(right)")
    }
    return results
  }

  /// Plans the network for its own samples.
  ///
  /// - Throws: `NetworksError` where it cannot be planned.
  func planned() throws -> PlannedModel {
    let largest = samples.joined().reduce(Float(0)) { max($0, abs($1)) }
    var file = ModelFile(graph: model.graph, parameters: model.parameters)
    file.graph.inputNormalization = .none(
      channels: model.graph.input.channels,
      magnitude: max(1, Float(sign: .plus, exponent: largest.exponent + 1, significand: 1)))
    try file.calibrate(samples: samples)
    return try file.planned()
  }

  /// Holds fixed-point results against the float network's: within the bound that the plan states.
  ///
  /// - Throws: ``Wrong``
  static func compare(_ results: [[Double]], _ floats: [[Double]], _ planned: PlannedModel, _ what: String) throws {
    let bound = planned.details.last!.errorBound * 1.001 + 1e-5
    for (result, wanted) in zip(results, floats) {
      guard result.count == wanted.count else { throw Wrong("\(what) gives \(result.count) values") }
      let error = zip(result, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
      guard error <= bound else { throw Wrong("\(what) is off by \(error), and its bound is \(bound)") }
    }
  }

  /// The twin's integers for every sample.
  ///
  /// - Throws: ``Wrong`` where they lie outside the plan's bound.
  func twin(_ planned: PlannedModel, _ floats: [[Double]]) throws -> [[Int64]] {
    let twin = try Twin(planned.plan, planned.quantized)
    let results = try samples.map { try twin.run(planned.plan.input.quantize(normalized: $0)) }
    guard results.allSatisfy({ $0.outOfRange == 0 }) else { throw Wrong("values are out of range in the twin") }
    try Self.compare(results.map { planned.plan.input.dequantize(output: $0.output) }, floats, planned, "the twin")
    return results.map(\.output)
  }

  /// Runs all samples as one batch through two parties, and holds the results against floats and twin.
  ///
  /// - Throws: ``Wrong`` where they are neither within the plan's bound nor as close to the twin as truncation lets them be.
  func twoParties(_ planned: PlannedModel, _ floats: [[Double]], _ twin: [[Int64]]) throws {
    let inputs = try samples.map { try planned.plan.input.quantize(normalized: $0) }
    let results = try TwoParties(planned).infer(inputs)
    guard results.count == samples.count else { throw Wrong("two parties give \(results.count) results") }
    let spec = planned.plan.input
    try Self.compare(results.map(spec.dequantize), floats, planned, "the private result")
    let unit = Double(sign: .plus, exponent: -spec.outputFractionBits, significand: 1)
    let allowed = 10 * planned.details.last!.errorEstimate + 4 * unit
    for (result, wanted) in zip(results.map(spec.dequantize), twin.map(spec.dequantize)) {
      let off = zip(result, wanted).reduce(0) { max($0, abs($1.0 - $1.1)) }
      guard off <= allowed else { throw Wrong("two parties are \(off) from the twin, and \(allowed) is allowed") }
    }
  }
}
