import CZlib
import Foundation
public import Networks

/// The state of a training run after an epoch.
///
/// File: the eight bytes `PMPCCKP2`; the length of the JSON header as 8 bytes, little-endian; the header
/// (configuration, graph, history, state of a search, and for each section the keys and sizes of its tensors); the
/// tensors of all sections as float32, little-endian; the CRC-32 of everything before.
public struct Checkpoint: Sendable {
  struct Tensor: Codable, Sendable {
    var key: ParameterKey
    var count: Int
  }

  /// Everything but the numbers.
  struct Header: Codable, Sendable {
    var configuration: TrainingConfiguration
    var graph: Graph
    var history: TrainingHistory
    var search: SearchState?
    var sections: [Section]
  }

  /// Tensors of one purpose.
  struct Section: Codable, Sendable {
    var name: SectionName
    var tensors: [Tensor]
  }

  /// Purposes of tensors, in the order of the file.
  enum SectionName: String, Codable, Sendable, CaseIterable { case parameters, momenta }

  var header: Header
  /// The parameters, running statistics included.
  public var parameters: Parameters
  var momenta: Parameters

  /// The configuration of the run.
  public var configuration: TrainingConfiguration { header.configuration }
  /// The network.
  public var graph: Graph { header.graph }
  /// The course up to the checkpoint.
  public var history: TrainingHistory { header.history }

  private static let magic = [UInt8]("PMPCCKP2".utf8)
  /// Largest file that is accepted.
  private static let maximumBytes = 4 << 30

  init(
    configuration: TrainingConfiguration, graph: Graph, history: TrainingHistory, parameters: Parameters,
    momenta: Parameters, search: SearchState? = nil
  ) {
    func tensors(_ values: Parameters) -> [Tensor] {
      values.keys.map { Tensor(key: $0, count: values[$0.node, $0.name].count) }
    }
    header = Header(
      configuration: configuration, graph: graph, history: history, search: search,
      sections: [
        Section(name: .parameters, tensors: tensors(parameters)), Section(name: .momenta, tensors: tensors(momenta)),
      ])
    self.parameters = parameters
    self.momenta = momenta
  }

  /// Writes the file at once or not at all.
  ///
  /// - Throws: ``TrainingError/checkpointNotWritten(path:reason:)``; the file at `path` is then as it was.
  public func write(to path: String) throws(TrainingError) {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let json: Data
    do { json = try encoder.encode(header) } catch {
      throw TrainingError.checkpointNotWritten(path: path, reason: "a number in it is not finite")
    }
    var bytes = Checkpoint.magic
    withUnsafeBytes(of: UInt64(json.count).littleEndian) { bytes.append(contentsOf: $0) }
    bytes.append(contentsOf: json)
    for section in header.sections {
      let values = section.name == .parameters ? parameters : momenta
      for tensor in section.tensors {
        values[tensor.key.node, tensor.key.name].withUnsafeBytes { bytes.append(contentsOf: $0) }
      }
    }
    withUnsafeBytes(of: Checkpoint.checksum(bytes[...]).littleEndian) { bytes.append(contentsOf: $0) }
    try AtomicFile.write(bytes, to: path)
  }

  /// Reads and checks a file.
  ///
  /// - Throws: ``TrainingError``
  public static func read(_ path: String) throws -> Checkpoint {
    let bytes = try AtomicFile.read(path, maximumBytes: maximumBytes)
    guard bytes.count >= 20, Array(bytes[0..<8]) == magic else {
      throw TrainingError.malformed(
        path: path, reason: "it does not start with PMPCCKP2; it is no checkpoint of this version")
    }
    let body = bytes[..<(bytes.count - 4)]
    guard littleEndian(bytes[(bytes.count - 4)...]) == UInt64(checksum(body)) else {
      throw TrainingError.malformed(path: path, reason: "its checksum is wrong; the file is cut short or damaged")
    }
    let announced = littleEndian(bytes[8..<16])
    guard announced <= UInt64(body.count - 16) else {
      throw TrainingError.malformed(
        path: path, reason: "its header announces \(announced) bytes, more than the file has")
    }
    var offset = 16 + Int(announced)
    let header: Header
    do { header = try JSONDecoder().decode(Header.self, from: Data(bytes[16..<offset])) } catch {
      throw TrainingError.malformed(path: path, reason: "its header cannot be decoded")
    }
    func take(_ tensors: [Tensor]) throws -> Parameters {
      var result = Parameters()
      for tensor in tensors {
        guard tensor.count > 0, tensor.count <= (body.count - offset) / 4 else {
          throw TrainingError.truncated(path: path, expectedBytes: offset + 4, foundBytes: body.count)
        }
        result[tensor.key.node, tensor.key.name] = bytes.withUnsafeBytes { raw in
          (0..<tensor.count).map { raw.loadUnaligned(fromByteOffset: offset + 4 * $0, as: Float.self) }
        }
        offset += 4 * tensor.count
      }
      return result
    }
    guard header.sections.map(\.name) == SectionName.allCases else {
      throw TrainingError.malformed(path: path, reason: "its sections are not those of this version")
    }
    let parameters = try take(header.sections[0].tensors)
    let momenta = try take(header.sections[1].tensors)
    guard offset == body.count else { throw TrainingError.trailingBytes(path: path, expectedBytes: offset + 4) }
    try header.graph.validate()
    try parameters.validate(for: header.graph)
    var checkpoint = Checkpoint(
      configuration: header.configuration, graph: header.graph, history: header.history, parameters: parameters,
      momenta: momenta)
    checkpoint.header = header
    return checkpoint
  }

  private static func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt32 {
    bytes.withUnsafeBufferPointer { UInt32(truncatingIfNeeded: crc32_z(0, $0.baseAddress, $0.count)) }
  }
}
