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

  private func tensor(_ path: String, _ graph: Graph) throws -> [Sample] {
    try TensorSamples(path: path, shape: graph.input).samples.map { Sample(values: $0.values, source: $0.source) }
  }
}

/// The samples of a file of one ONNX TensorProto, which holds a network's input as it is: one, or several behind a leading axis.
struct TensorSamples {
  /// Normalised values, and where they come from.
  private(set) var samples: [(values: [Float], source: String)]

  /// Reads a file.
  ///
  /// - Throws: `ONNXError`, `DaemonsError`
  init(path: String, shape: TensorShape) throws {
    let tensor = try DenseTensor.load(path: path)
    let count = shape.count
    let values = tensor.floats
    guard !values.isEmpty, values.count % count == 0, values.count == count || tensor.dims[0] == values.count / count
    else {
      throw DaemonsError.input(
        source: path, reason: "its shape is \(tensor.dims), and a sample of the network has \(count) values")
    }
    guard values.allSatisfy(\.isFinite) else {
      throw DaemonsError.input(source: path, reason: "a value is not a finite number")
    }
    let samples = values.count / count
    self.samples = (0..<samples).map {
      (Array(values[$0 * count..<($0 + 1) * count]), samples == 1 ? path : "\(path)[\($0)]")
    }
  }

  /// The raw values that a network's normalisation makes these of.
  ///
  /// - Parameter selection: indices of the samples, nil for all.
  /// - Throws: `DaemonsError` where an index is past the end, or no raw value within the network's range gives a value.
  func raw(_ selection: Range<Int>?, shape: TensorShape, normalization: InputNormalization) throws -> [InputSample] {
    let range = selection ?? 0..<samples.count
    guard range.upperBound <= samples.count else {
      throw DaemonsError.input(
        source: samples[0].source,
        reason: "it has \(samples.count) samples, and \(range.lowerBound)..<\(range.upperBound) was asked for")
    }
    let area = shape.height * shape.width
    let (least, most) = (normalization.pixelMinimum, normalization.pixelMaximum)
    // Normalised values are rounded: those of the range's ends may lie a little outside.
    let slack = (most - least) * 0x1p-16
    return try samples[range].map { values, source in
      let raw = try values.enumerated().map { index, value in
        let (mean, deviation) = (normalization.mean[index / area], normalization.deviation[index / area])
        let found = (value * deviation + mean) * most
        guard found >= least - slack, found <= most + slack else {
          throw DaemonsError.input(
            source: source, reason: "the value at position \(index) lies outside what the network's normalisation gives"
          )
        }
        return min(max(found, least), most)
      }
      return InputSample(values: raw, source: source)
    }
  }
}
