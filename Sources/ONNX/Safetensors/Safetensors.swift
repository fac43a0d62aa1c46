import Foundation
public import Networks

/// Tensors by name in the safetensors format (huggingface/safetensors, format version 0.3 and later): a little-endian
/// u64, so many bytes of JSON, then the tensors' bytes without gaps.
public enum Safetensors {
  /// Bytes that the JSON header may have; the format's own limit.
  static let maximumHeader = 100_000_000
  /// Bytes that a file may have.
  static let maximumBytes = 8 << 30

  private struct Entry: Decodable {
    var dtype: String
    var shape: [Int]
    var dataOffsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case dataOffsets = "data_offsets"
    }
  }

  /// What a header holds under a key: a tensor, or the metadata.
  private enum Item: Decodable {
    case tensor(Entry)
    case metadata([String: String])

    init(from decoder: any Decoder) throws {
      if let entry = try? Entry(from: decoder) {
        self = .tensor(entry)
      } else {
        self = .metadata(try [String: String](from: decoder))
      }
    }
  }

  // MARK: Reading

  /// Reads all tensors of a file: F64, F32, F16, BF16, and integers.
  ///
  /// - Throws: ``ONNXError``
  public static func load(path: String) throws -> [String: DenseTensor] {
    try decode(InputFile.map(path, limit: maximumBytes))
  }

  static func decode(_ bytes: Data) throws -> [String: DenseTensor] {
    func refuse(_ reason: String) -> ONNXError { .invalidSafetensors(reason: reason) }
    guard bytes.count >= 8 else { throw refuse("it has \(bytes.count) bytes") }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    guard length <= UInt64(maximumHeader), length <= UInt64(bytes.count - 8) else {
      throw refuse("its header would be longer than the file, or than \(maximumHeader) bytes")
    }
    let start = bytes.startIndex + 8 + Int(length)
    let header: [String: Item]
    do { header = try JSONDecoder().decode([String: Item].self, from: bytes[bytes.startIndex + 8..<start]) } catch {
      throw refuse("its header is no JSON of tensors")
    }
    var entries: [(name: String, entry: Entry)] = []
    for (name, item) in header {
      switch item {
      case .tensor(let entry): entries.append((name, entry))
      case .metadata:
        guard name == "__metadata__" else { throw refuse("the entry \(ONNXError.shown(name)) is no tensor") }
      }
    }
    // By place: each tensor must begin where the one before it ends, and the last end with the file.
    entries.sort { ($0.entry.dataOffsets.first ?? 0, $0.name) < ($1.entry.dataOffsets.first ?? 0, $1.name) }
    var place = 0
    var result: [String: DenseTensor] = [:]
    for (name, entry) in entries {
      let shown = ONNXError.shown(name)
      guard entry.dataOffsets.count == 2, entry.dataOffsets[0] == place, entry.dataOffsets[1] >= place,
        entry.dataOffsets[1] <= bytes.count - 8 - Int(length)
      else { throw refuse("the tensor \(shown) overlaps another, leaves a gap, or exceeds the file") }
      guard let type = types[entry.dtype] else {
        throw refuse("the tensor \(shown) has the type \(ONNXError.shown(entry.dtype))")
      }
      let part = bytes[start + place..<start + entry.dataOffsets[1]]
      place = entry.dataOffsets[1]
      var proto = Onnx_TensorProto()
      proto.name = name
      proto.dims = entry.shape.map { Int64($0) }
      proto.dataType = Int32(type.rawValue)
      proto.rawData = Data(part)
      result[name] = try TensorDecoder(folder: nil).decode(proto)
    }
    guard place == bytes.count - 8 - Int(length) else { throw refuse("bytes follow the last tensor") }
    return result
  }

  private static let types: [String: Onnx_TensorProto.DataType] = [
    "F64": .double, "F32": .float, "F16": .float16, "BF16": .bfloat16, "I64": .int64, "I32": .int32, "I16": .int16,
    "I8": .int8, "U8": .uint8, "BOOL": .bool,
  ]

  // MARK: Networks

  /// The names of a graph's parameters, as PyTorch has them: `layer.weight`, `layer.running_mean`.
  ///
  /// A layer's name is the node's; of nodes of one name, each after the first carries its index.
  static func names(of graph: Graph) throws -> [ParameterKey: String] {
    var seen: Set<String> = []
    var layer: [Int: String] = [:]
    for node in graph.nodes {
      layer[node.id] = seen.insert(node.name).inserted ? node.name : "\(node.name)#\(node.id)"
    }
    return Dictionary(
      uniqueKeysWithValues: try graph.parameterShapes().keys.map { key in
        let suffix =
          switch key.name {
          case .gamma: "weight"
          case .beta: "bias"
          case .mean: "running_mean"
          case .variance: "running_var"
          default: key.name.rawValue
          }
        return (key, "\(layer[key.node]!).\(suffix)")
      })
  }

  /// The parameters of a graph, from tensors of their names and shapes; further tensors are passed over.
  ///
  /// - Throws: ``ONNXError/invalidSafetensors(reason:)`` naming the first that is missing or has another shape, or
  ///   `NetworksError`.
  public static func parameters(for graph: Graph, from tensors: [String: DenseTensor]) throws -> Parameters {
    let result = try partial(for: graph, from: tensors)
    let names = try names(of: graph)
    for key in try graph.parameterShapes().keys.sorted() where result.values[key] == nil {
      throw ONNXError.invalidSafetensors(reason: "the tensor \(ONNXError.shown(names[key]!)) is missing")
    }
    try result.validate(for: graph)
    return result
  }

  /// The parameters of a graph that tensors have names of, for training to start from; further tensors are passed over.
  ///
  /// - Throws: ``ONNXError/invalidSafetensors(reason:)`` where there is none, or one has another shape.
  public static func partial(for graph: Graph, from tensors: [String: DenseTensor]) throws -> Parameters {
    let names = try names(of: graph)
    var result = Parameters()
    for (key, shape) in try graph.parameterShapes().sorted(by: { $0.key < $1.key }) {
      let name = names[key]!
      guard let tensor = tensors[name] else { continue }
      guard tensor.count == shape.reduce(1, *), tensor.dims.filter({ $0 != 1 }) == shape.filter({ $0 != 1 }) else {
        throw ONNXError.invalidSafetensors(
          reason: "the tensor \(ONNXError.shown(name)) has the shape \(tensor.dims), and the network needs \(shape)")
      }
      result.values[key] = tensor.floats
    }
    guard !result.values.isEmpty else {
      throw ONNXError.invalidSafetensors(reason: "none of its tensors has the name of a layer of \(graph.name)")
    }
    return result
  }

  /// Writes a network's parameters as F32. A failure leaves an old file as it was.
  ///
  /// - Throws: `NetworksError`
  public static func write(_ graph: Graph, _ parameters: Parameters, to path: String) throws {
    try FileBytes.replace(path, with: encode(graph, parameters), mode: 0o600)
  }

  static func encode(_ graph: Graph, _ parameters: Parameters) throws -> [UInt8] {
    try parameters.validate(for: graph)
    let (names, shapes) = (try names(of: graph), try graph.parameterShapes())
    var header: [String: [String: Any]] = ["__metadata__": ["format": "pt"]]
    var place = 0
    for key in parameters.keys {
      let end = place + 4 * parameters.values[key]!.count
      header[names[key]!] = ["dtype": "F32", "shape": shapes[key]!, "data_offsets": [place, end]]
      place = end
    }
    var json = [UInt8](
      try JSONSerialization.data(withJSONObject: header, options: [.sortedKeys, .withoutEscapingSlashes]))
    json += [UInt8](repeating: 0x20, count: (8 - json.count % 8) % 8)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + json.count + place)
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { bytes += $0 }
    bytes += json
    for key in parameters.keys { parameters.values[key]!.withUnsafeBytes { bytes += $0 } }
    return bytes
  }
}
