import Foundation
import Networks
import Programs
import Rings
import SwiftProtobuf

@testable import ONNX

/// The ONNX package's backend cases, from the pack that `Scripts/onnx-cases` writes.
struct BackendCases {
  /// How far a case came.
  enum Outcome: Equatable {
    /// The float network gives the expected output, and so does the fixed-point twin, within its planned error.
    case private_(error: Double)
    /// The float network gives the expected output; why there is no plan.
    case float(reason: String)
    /// Why the importer refuses it.
    case refused(reason: String)
    /// Something is wrong.
    case wrong(String)
  }

  let files: [String: [UInt8]]
  let names: [String]

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()

  init() throws {
    let root = Self.folder.deletingLastPathComponent().deletingLastPathComponent()
    let full = root.appendingPathComponent(".build/onnx-cases.pack")
    let stored = Bundle.module.url(forResource: "backend", withExtension: "pack", subdirectory: "References")!
    let bytes = [UInt8](try Data(contentsOf: FileManager.default.fileExists(atPath: full.path) ? full : stored))
    var files: [String: [UInt8]] = [:]
    var place = 0
    func next() -> ArraySlice<UInt8> {
      let length = bytes[place..<place + 4].reversed().reduce(0) { $0 << 8 | Int($1) }
      defer { place += 4 + length }
      return bytes[place + 4..<place + 4 + length]
    }
    while place < bytes.count {
      let path = String(decoding: next(), as: UTF8.self)
      files[path] = Array(next())
    }
    self.files = files
    names = files.keys.filter { $0.hasSuffix("/model.onnx") }.map { String($0.dropLast(11)) }.sorted()
  }

  private func tensor(_ path: String) -> DenseTensor? {
    guard let bytes = files[path], let proto = try? Onnx_TensorProto(serializedBytes: bytes) else { return nil }
    return try? TensorDecoder(folder: nil).decode(proto)
  }

  /// Runs a case through importer, float executor, planner and twin.
  func run(_ name: String) -> Outcome {
    let first = run(name, .automatic)
    if case .refused = first, name.hasPrefix("node/") || name.hasPrefix("simple/") {
      // Cases of single operators often have no batch axis.
      let second = run(name, .absent)
      if case .refused = second { return first }
      return second
    }
    return first
  }

  private func run(_ name: String, _ axis: ImportOptions.BatchAxis) -> Outcome {
    do {
      let proto = try Onnx_ModelProto(serializedBytes: files[name + "/model.onnx"]!)
      let initialized = Set(proto.graph.initializer.map(\.name))
      let inputs = proto.graph.input.filter { !initialized.contains($0.name) }
      var options = ImportOptions()
      options.batchAxis = axis
      options.output = proto.graph.output.first?.name
      for (index, input) in inputs.enumerated().dropFirst() {
        options.constants[input.name] = tensor("\(name)/input_\(index).pb")
      }
      let model = try ONNXImporter.read(ModelReader(proto, folder: "."), options)
      guard let wanted = tensor("\(name)/output_0.pb") else { return .refused(reason: "its data are not stored") }
      let dims = (model.batch.map { [$0] } ?? (model.hasBatchAxis ? [1] : [])) + model.inputShape
      let count = dims.reduce(1, *)
      let given =
        tensor("\(name)/input_0.pb")
        ?? (name.hasPrefix("light/") ? DenseTensor(dims, floats: (0..<count).map { Float($0) / Float(count) }) : nil)
      guard let given else { return .refused(reason: "its data are not stored") }
      return try compare(model, model.samples(of: given), wanted, isLight: name.hasPrefix("light/"))
    } catch ONNXError.unsupported(let operators) {
      return .refused(reason: operators.map { "\($0.operation): \($0.reason)" }.joined(separator: "; "))
    } catch {
      return .refused(reason: "\(error)")
    }
  }

  private func compare(
    _ model: ImportedModel, _ samples: [[Float]], _ wanted: DenseTensor, isLight: Bool
  ) throws -> Outcome {
    let executor = try FloatExecutor(graph: model.graph, parameters: model.parameters)
    func finished(_ values: [Double]) -> [Double] { model.graph.finish.map { $0.apply(values) } ?? values }
    let floats = try samples.map { try executor.output(of: $0).map(Double.init) }
    let dims = (model.hasBatchAxis ? [samples.count] : []) + model.outputShape
    guard dims == wanted.dims else { return .wrong("its shape is \(dims) and should be \(wanted.dims)") }
    let expected = wanted.floats.map(Double.init)
    guard expected.allSatisfy(\.isFinite) else { return .refused(reason: "it overflows float32 on purpose") }
    for (value, right) in zip(floats.flatMap(finished), expected)
    where !(abs(value - right) <= 1e-3 * abs(right) + 1e-5) {
      return .wrong("it gives \(value) and should give \(right)")
    }
    if isLight { return .float(reason: "not planned here: pictures of 224x224") }
    do {
      let largest = samples.joined().reduce(Float(0)) { max($0, abs($1)) }
      var file = ModelFile(graph: model.graph, parameters: model.parameters)
      file.graph.inputNormalization = .none(
        channels: model.graph.input.channels,
        magnitude: max(1, Float(sign: .plus, exponent: largest.exponent + 1, significand: 1)))
      try file.calibrate(samples: samples)
      let planned = try file.planned()
      let twin = try Twin(planned.plan, planned.quantized)
      var error = 0.0
      for (sample, floats) in zip(samples, floats) {
        let result = try twin.logits(normalized: sample)
        guard result.outOfRange == 0 else { return .wrong("\(result.outOfRange) values are out of range") }
        let off = zip(result.values, floats).map { abs($0 - $1) }.max() ?? 0
        error = max(error, off)
      }
      guard error <= planned.details.last!.errorBound * 1.001 + 1e-5 else {
        return .wrong("the twin is off by \(error), and its bound is \(planned.details.last!.errorBound)")
      }
      return .private_(error: error)
    } catch let error as NetworksError {
      return .float(reason: "\(error)")
    }
  }
}
