import Foundation
import Rings

/// The handwritten digits (UCI "Optical Recognition of Handwritten Digits", as scikit-learn packages them): CSV, gzip
/// or plain, 64 pixels 0...16 and the label a line, no header.
public enum DigitsLoader {
  /// Longest file that is accepted, unpacked.
  static let maximumBytes = 64 << 20
  /// Share of the lines, from the start, that are trained on: 4 of 5.
  static let trainingShare = (4, 5)

  /// Loads the digits and splits them in the order of the file: the first four fifths (1,437 of the 1,797 that ship)
  /// for training, the rest (360) held out. The source lists its pictures roughly writer by writer, so the held-out
  /// digits come mostly from hands that were not trained on, which a random split would not give.
  ///
  /// - Parameter path: a file of that form; nil is the one that ships with the module.
  /// - Throws: ``TrainingError``
  public static func load(path: String? = nil) throws -> DataSplit {
    let all = try parse(path: path ?? bundledPath())
    let boundary = all.count * trainingShare.0 / trainingShare.1
    return DataSplit(training: all.subset(0..<boundary), test: all.subset(boundary..<all.count))
  }

  /// Path of the file that ships with the module, beside the image that this code is part of or beside the program.
  /// `Bundle.module` would stop the process where it is missing.
  ///
  /// - Throws: ``TrainingError/unreadable(path:reason:)`` where the resources are not installed.
  public static func bundledPath() throws -> String {
    let file = "PolyMPCNet_Training.resources/Resources/digits.csv.gz"
    let folders = [Bundle(for: Anchor.self).bundleURL, Bundle.main.bundleURL]
    let candidates = folders.map { $0.appendingPathComponent(file).path }
    guard let found = candidates.first(where: { FileManager.default.isReadableFile(atPath: $0) }) else {
      throw TrainingError.unreadable(
        path: "digits.csv.gz", reason: "the folder PolyMPCNet_Training.resources is not installed beside the program")
    }
    return found
  }

  private final class Anchor {}

  static func parse(path: String) throws -> Dataset {
    let file = try GzipFile(path)
    let text = try file.read(atMost: maximumBytes + 1)
    guard text.count <= maximumBytes else {
      throw TrainingError.malformed(path: path, reason: "it is longer than \(maximumBytes) bytes")
    }
    var pixels: [UInt8] = []
    var labels: [UInt8] = []
    pixels.reserveCapacity(text.count / 2)
    var line = 1
    var field = 0
    var value: Int?
    func finishField() throws {
      guard let number = value else {
        throw TrainingError.malformed(path: path, reason: "line \(line), field \(field + 1) is empty")
      }
      let limit = field < 64 ? 16 : 9
      guard field <= 64, number <= limit else {
        let reason =
          field > 64 ? "more than 65 fields" : "field \(field + 1) is \(number), and at most \(limit) is allowed"
        throw TrainingError.malformed(path: path, reason: "line \(line): \(reason)")
      }
      if field < 64 { pixels.append(UInt8(number)) } else { labels.append(UInt8(number)) }
      field += 1
      value = nil
    }
    func finishLine() throws {
      try finishField()
      guard field == 65 else {
        throw TrainingError.malformed(path: path, reason: "line \(line) has \(field) fields instead of 65")
      }
      field = 0
      line += 1
    }
    for byte in text {
      switch byte {
      case UInt8(ascii: "0")...UInt8(ascii: "9"): value = min((value ?? 0) * 10 + Int(byte) - 48, 1000)
      case UInt8(ascii: ","): try finishField()
      case UInt8(ascii: "\n"): try finishLine()
      case UInt8(ascii: "\r"): continue
      default: throw TrainingError.malformed(path: path, reason: "line \(line) has a byte that is no digit or comma")
      }
    }
    if field > 0 || value != nil { try finishLine() }
    guard labels.count >= 5 else {
      throw TrainingError.malformed(path: path, reason: "it has \(labels.count) lines, and at least 5 are needed")
    }
    return Dataset(
      shape: TensorShape(channels: 1, height: 8, width: 8), classes: 10, pixelMaximum: 16, pixels: pixels,
      labels: labels)
  }
}
