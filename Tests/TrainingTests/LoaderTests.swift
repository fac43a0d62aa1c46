import Foundation
import Rings
import Testing

@testable import Training

/// A folder of its own for every test, removed at the end.
final class ScratchFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("training-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try Data(bytes).write(to: URL(fileURLWithPath: file))
    return file
  }
}

/// Data sets that are not part of the repository: POLYMPC_DATA, or ../shared/data beside it.
enum SharedData {
  static let folder: String =
    ProcessInfo.processInfo.environment["POLYMPC_DATA"]
    ?? URL(fileURLWithPath: #filePath).resolvingSymlinksInPath().deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("shared/data").path
  static var hasMnist: Bool { FileManager.default.fileExists(atPath: folder + "/mnist/train-images-idx3-ubyte.gz") }
}

@Suite struct LoaderTests {
  @Test func bundledDigits() throws {
    let split = try DigitsLoader.load()
    #expect(split.training.count == 1437)
    #expect(split.test.count == 360)
    #expect(split.training.labels.prefix(5) == [0, 1, 2, 3, 4])
    #expect(Array(split.training.pixels[2..<6]) == [5, 13, 9, 1])
  }

  @Test(arguments: [
    ("1,2,3\n", "line 1 has 3 fields"), ("", "0 lines"), ("x", "no digit or comma"), (",\n", "field 1 is empty"),
    (String(repeating: "0,", count: 64) + "10\n", "field 65 is 10"), ("17,0\n", "field 1 is 17"),
    (String(repeating: "0,", count: 65) + "1\n", "more than 65 fields"),
    ("99999999999999999999999999,1\n", "field 1 is 1000"),
  ]) func badDigits(text: String, words: String) throws {
    let scratch = try ScratchFolder()
    let path = try scratch.write("digits.csv", [UInt8](text.utf8))
    let error = #expect(throws: TrainingError.self) { try DigitsLoader.load(path: path) }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "none")")
  }

  @Test func gzipCutShortOrDamaged() throws {
    let scratch = try ScratchFolder()
    let whole = [UInt8](try Data(contentsOf: URL(fileURLWithPath: try DigitsLoader.bundledPath())))
    let cut = try scratch.write("cut.gz", Array(whole.prefix(whole.count / 2)))
    #expect(throws: TrainingError.self) { try DigitsLoader.load(path: cut) }
    var flipped = whole
    flipped[whole.count / 2] ^= 4
    let damaged = try scratch.write("damaged.gz", flipped)
    #expect(throws: TrainingError.self) { try DigitsLoader.load(path: damaged) }
    let error = #expect(throws: TrainingError.self) { try DigitsLoader.load(path: scratch.path + "/none.csv") }
    #expect(error?.description.contains("No such file") == true)
  }

  private func idx(_ sizes: [UInt32], data: [UInt8], type: UInt8 = 8) -> [UInt8] {
    var bytes: [UInt8] = [0, 0, type, UInt8(sizes.count)]
    for size in sizes { withUnsafeBytes(of: size.bigEndian) { bytes.append(contentsOf: $0) } }
    return bytes + data
  }

  @Test func idxFiles() throws {
    let scratch = try ScratchFolder()
    let images = try scratch.write("i", idx([2, 2, 3], data: Array(0..<12)))
    let labels = try scratch.write("l", idx([2], data: [7, 1]))
    let set = try MnistLoader.load(images: images, labels: labels)
    #expect(set.count == 2 && set.shape.height == 2 && set.shape.width == 3)
    #expect(set.rawSample(1) == [6, 7, 8, 9, 10, 11])

    let cut = try scratch.write("cut", idx([2, 2, 3], data: Array(0..<11)))
    #expect(throws: TrainingError.truncated(path: cut, expectedBytes: 28, foundBytes: 27)) {
      try MnistLoader.load(images: cut, labels: labels)
    }
    let long = try scratch.write("long", idx([2, 2, 3], data: Array(0..<13)))
    #expect(throws: TrainingError.trailingBytes(path: long, expectedBytes: 28)) {
      try MnistLoader.load(images: long, labels: labels)
    }
    let three = try scratch.write("three", idx([3], data: [1, 2, 3]))
    #expect(throws: TrainingError.countMismatch(images: 2, labels: 3)) {
      try MnistLoader.load(images: images, labels: three)
    }
    for (name, bytes) in [
      ("type", idx([2, 2, 3], data: Array(0..<12), type: 9)), ("rank", idx([12], data: Array(0..<12))),
      ("huge", idx([0xFFFF_FFFF, 4096, 4096], data: [])), ("zero", idx([0, 2, 3], data: [])),
      ("wide", idx([1, 2, 0x7FFF_FFFF], data: [])),
    ] {
      let path = try scratch.write(name, bytes)
      let error = #expect(throws: TrainingError.self) { try MnistLoader.load(images: path, labels: labels) }
      #expect(error?.description.contains("not in the expected format") == true)
    }
    // The header announces 2 GB and the file has none of it: refused without the memory.
    let hollow = try scratch.write("hollow", idx([2048, 1024, 1024], data: []))
    #expect(throws: TrainingError.truncated(path: hollow, expectedBytes: 16 + (1 << 31), foundBytes: 16)) {
      try MnistLoader.load(images: hollow, labels: labels)
    }
    let eleven = try scratch.write("eleven", idx([2], data: [7, 11]))
    #expect(throws: TrainingError.self) { try MnistLoader.load(images: images, labels: eleven) }
    let header = try scratch.write("header", [0, 0, 8])
    #expect(throws: TrainingError.truncated(path: header, expectedBytes: 16, foundBytes: 3)) {
      try MnistLoader.load(images: header, labels: labels)
    }
  }

  @Test func cifarFiles() throws {
    let scratch = try ScratchFolder()
    let record = [UInt8](repeating: 5, count: 3073)
    let good = try scratch.write("good", record + record)
    let set = try CifarLoader.load(files: [good, good])
    #expect(set.count == 4 && set.shape.channels == 3 && set.labels == [5, 5, 5, 5])
    let cut = try scratch.write("cut", record + record.dropLast())
    #expect(throws: TrainingError.truncated(path: cut, expectedBytes: 6146, foundBytes: 6145)) {
      try CifarLoader.load(files: [cut])
    }
    let label = try scratch.write("label", [10] + record.dropFirst())
    #expect(throws: TrainingError.self) { try CifarLoader.load(files: [label]) }
    let empty = try scratch.write("empty", [])
    #expect(throws: TrainingError.self) { try CifarLoader.load(files: [empty]) }
  }

  @Test(.enabled(if: SharedData.hasMnist, "MNIST is not at POLYMPC_DATA/mnist or ../shared/data/mnist"))
  func mnist() throws {
    let split = try MnistLoader.load(folder: SharedData.folder + "/mnist")
    #expect(split.training.count == 60_000 && split.test.count == 10_000)
    #expect(Array(split.test.labels.prefix(5)) == [7, 2, 1, 0, 4])
  }
}
