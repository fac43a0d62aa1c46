import Foundation
public import Networks
public import Rings

/// One sample of an input file, as the network's normalisation takes it.
public struct InputSample: Sendable, Equatable {
  /// Raw values, CHW, row-major, within `pixelMinimum...pixelMaximum` of the network's normalisation.
  public var values: [Float]
  /// Where the sample comes from, for messages: the file's name, with the index where it holds several.
  public var source: String
  /// The label beside the sample, where the format has one (CSV).
  public var label: Int?

  /// Makes a sample; nothing is checked.
  public init(values: [Float], source: String, label: Int? = nil) {
    self.values = values
    self.source = source
    self.label = label
  }
}

/// Reads PNG, NumPy (.npy, .npz), IDX and CSV files into samples of a network's shape.
///
/// The format is found from the content, not from the name; IDX and CSV may be compressed by gzip. Integers are pixels
/// in the network's own units (a digit of 0...16 stays 0...16), except in PNG files, whose full scale becomes the
/// network's; floating-point numbers lie in 0...1 and are scaled to the network's units, unless these are the network's
/// input as it is.
public struct InputFile: Sendable {
  /// Bytes that a file may have, also after decompression.
  public static let maximumBytes = 1 << 30

  let path: String
  let bytes: [UInt8]
  let format: Format

  enum Format: String { case png, npy, npz, idx, csv }

  /// Reads the file and recognises its format.
  ///
  /// - Throws: ``DaemonsError/input(source:reason:)``
  public init(path: String) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw DaemonsError.input(source: path, reason: "there is no such file")
    }
    guard !isFolder.boolValue else { throw DaemonsError.input(source: path, reason: "it is a folder") }
    let size = (try? FileManager.default.attributesOfItem(atPath: path)[.size] as? Int) ?? 0
    guard size <= Self.maximumBytes else {
      throw DaemonsError.input(source: path, reason: "it has \(size) bytes, and at most \(Self.maximumBytes) are read")
    }
    guard let data = FileManager.default.contents(atPath: path) else {
      throw DaemonsError.input(source: path, reason: "it cannot be read; check its permissions")
    }
    try self.init(path: path, content: [UInt8](data))
  }

  /// Recognises the format of a file that is in memory already.
  ///
  /// - Throws: ``DaemonsError/input(source:reason:)``
  public init(path: String, content: [UInt8]) throws {
    self.path = path
    var content = content
    if content.starts(with: [0x1f, 0x8b]) {
      content = try Gunzip.decompress(content, limit: Self.maximumBytes, source: path)
    }
    bytes = content
    if content.starts(with: [0x89, 0x50, 0x4e, 0x47]) {
      format = .png
    } else if content.starts(with: NumPyReader.magic) {
      format = .npy
    } else if content.starts(with: ZipArchive.magic) {
      format = .npz
    } else if content.starts(with: [0, 0]) {
      format = .idx
    } else if Self.looksLikeText(content.prefix(4096)) {
      format = .csv
    } else {
      throw DaemonsError.input(
        source: path,
        reason: "it is neither PNG, NumPy (.npy, .npz), IDX nor CSV (the latter two also compressed by gzip)")
    }
  }

  private static func looksLikeText(_ start: ArraySlice<UInt8>) -> Bool {
    !start.isEmpty && start.allSatisfy { ($0 >= 0x20 && $0 < 0x7f) || $0 == 0x0a || $0 == 0x0d || $0 == 0x09 }
  }

  /// Reads samples.
  ///
  /// - Parameters:
  ///   - selection: indices of the samples, `nil` for all of them.
  ///   - shape: shape of one sample of the network.
  ///   - normalization: gives the range of raw values.
  /// - Throws: ``DaemonsError/input(source:reason:)`` when the file is damaged, a sample has another shape, an index is
  ///   past the end, or a value is not finite or outside the range.
  public func samples(
    _ selection: Range<Int>? = nil, shape: TensorShape, normalization: InputNormalization
  ) throws -> [InputSample] {
    let reader = SampleBuilder(source: path, shape: shape, normalization: normalization)
    switch format {
    case .png:
      if let selection, selection != 0..<1 {
        throw DaemonsError.input(source: path, reason: "a PNG file holds one sample, index 0")
      }
      return [try PNGReader.read(bytes, builder: reader)]
    case .npy: return try NumPyReader.read(bytes, selection: selection, builder: reader)
    case .npz: return try NPZReader.read(bytes, selection: selection, builder: reader)
    case .idx: return try IDXReader.read(bytes, selection: selection, builder: reader)
    case .csv: return try CSVReader.read(bytes, selection: selection, builder: reader)
    }
  }
}
