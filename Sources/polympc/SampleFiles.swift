import Daemons
import Foundation
import Networks
import ONNX
import Rings

/// Files with samples, for commands that run a network in plaintext.
struct SampleFiles {
  /// One sample as the network reads it.
  struct Sample {
    var values: [Float]
    var source: String
    var label: Int?
  }

  /// Samples that are read altogether.
  static let maximumSamples = 65536

  private let paths: [String]

  /// - Parameter given: files, and folders that stand for the files in them.
  init(_ given: [String]) throws {
    paths = try given.flatMap { path -> [String] in
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
        throw DaemonsError.input(source: path, reason: "there is no such file or folder")
      }
      guard isFolder.boolValue else { return [path] }
      let names = try FileManager.default.contentsOfDirectory(atPath: path).filter { !$0.hasPrefix(".") }.sorted()
      let files = names.map { "\(path)/\($0)" }.filter {
        var isInner: ObjCBool = false
        return FileManager.default.fileExists(atPath: $0, isDirectory: &isInner) && !isInner.boolValue
      }
      guard !files.isEmpty else { throw DaemonsError.input(source: path, reason: "the folder has no files") }
      return files
    }
  }

  /// The samples, normalised.
  ///
  /// - Throws: `DaemonsError`, `ONNXError`, `NetworksError`
  func read(for graph: Graph) throws -> [Sample] {
    var result: [Sample] = []
    for path in paths {
      result += path.hasSuffix(".pb") ? try tensor(path, graph) : try raw(path, graph)
      guard result.count <= Self.maximumSamples else {
        throw DaemonsError.input(source: path, reason: "there are more than \(Self.maximumSamples) samples")
      }
    }
    return result
  }

  /// The same for a network that is not calibrated: where raw values are its input, their range becomes a power of two above
  /// what was seen times the margin.
  func read(for graph: inout Graph, margin: Double) throws -> [Sample] {
    guard graph.inputNormalization.isIdentity else { return try read(for: graph as Graph) }
    let channels = graph.input.channels
    graph.inputNormalization = .none(channels: channels, magnitude: 0x1p20)
    let samples = try read(for: graph as Graph)
    let largest = samples.reduce(Float(0)) { $1.values.reduce($0) { max($0, abs($1)) } } * Float(margin)
    let power = largest >= 1 ? Float(sign: .plus, exponent: largest.exponent + 1, significand: 1) : 1
    graph.inputNormalization = .none(channels: channels, magnitude: power)
    return samples
  }

  private func raw(_ path: String, _ graph: Graph) throws -> [Sample] {
    let normalization = graph.inputNormalization
    let area = graph.input.height * graph.input.width
    return try InputFile(path: path).samples(shape: graph.input, normalization: normalization).map { sample in
      Sample(
        values: sample.values.enumerated().map { normalization.apply($1, channel: $0 / area) }, source: sample.source,
        label: sample.label)
    }
  }

  /// The network's input as it is: one sample, or several behind a leading axis.
  private func tensor(_ path: String, _ graph: Graph) throws -> [Sample] {
    let tensor = try DenseTensor.load(path: path)
    let count = graph.input.count
    let values = tensor.floats
    guard !values.isEmpty, values.count % count == 0, values.count == count || tensor.dims[0] == values.count / count
    else {
      throw DaemonsError.input(
        source: path, reason: "its shape is \(tensor.dims), and a sample of the network has \(count) values")
    }
    guard values.allSatisfy(\.isFinite) else {
      throw DaemonsError.input(source: path, reason: "a value is not a finite number")
    }
    return (0..<values.count / count).map {
      Sample(values: Array(values[$0 * count..<($0 + 1) * count]), source: "\(path)[\($0)]")
    }
  }
}
