import CZlib
import Foundation
import Networks
import Rings
import Testing

@testable import Daemons

@Suite("Input files")
struct InputFileTests {
  private let shape = TensorShape(channels: 1, height: 2, width: 2)
  private let normalization = InputNormalization(pixelMaximum: 16, mean: [0], deviation: [1])

  private func npy(_ type: String, shape: String, fortran: String = "False", body: [UInt8]) -> [UInt8] {
    var header = "{'descr': '\(type)', 'fortran_order': \(fortran), 'shape': \(shape), }"
    while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    let count = header.utf8.count
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)] + Array(header.utf8) + body
  }

  private func read(_ bytes: [UInt8]) throws -> [InputSample] {
    try InputFile(path: "input", content: bytes).samples(shape: shape, normalization: normalization)
  }

  @Test("NumPy bytes are pixels")
  func numpy() throws {
    let samples = try read(npy("|u1", shape: "(2, 2)", body: [0, 4, 8, 16]))
    #expect(samples.count == 1)
    #expect(samples[0].values == [0, 4, 8, 16])
  }

  @Test("An IDX file of pictures")
  func idx() throws {
    let header: [UInt8] = [0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2]
    let samples = try read(header + [0, 1, 2, 3, 4, 5, 6, 7])
    #expect(samples.map(\.values) == [[0, 1, 2, 3], [4, 5, 6, 7]])
  }

  @Test("Damaged files are refused in words", arguments: 0..<7)
  func damaged(index: Int) {
    let good = npy("|u1", shape: "(2, 2)", body: [0, 4, 8, 16])
    let files: [[UInt8]] = [
      [], [1, 2, 3], Array(good.dropLast()), Array(good[..<20]),
      npy("|u1", shape: "(9223372036854775807, 2)", body: [1]),
      npy("<f4", shape: "(2, 2)", body: [0, 0, 0xc0, 0x7f] + [UInt8](repeating: 0, count: 12)),
      [0, 0, 8, 3, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2, 0, 0, 0, 2],
    ]
    let error = #expect(throws: DaemonsError.self) { try read(files[index]) }
    #expect(error?.description.contains("input") == true)
  }

  /// A ZIP archive of stored members, with sizes and places as given.
  private func archive(_ members: [(name: String, content: [UInt8])], claimed: Int? = nil) -> [UInt8] {
    func word(_ value: Int, _ count: Int) -> [UInt8] {
      (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    }
    var (body, directory) = ([UInt8](), [UInt8]())
    for (name, content) in members {
      let size = claimed ?? content.count
      let sum = Int(content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) })
      let common = word(0, 2) + word(0, 2) + word(0, 4) + word(sum, 4) + word(size, 4) + word(size, 4)
      directory += word(0x0201_4b50, 4) + word(20, 2) + word(20, 2) + common + word(name.utf8.count, 2)
      directory += word(0, 12) + word(body.count, 4) + Array(name.utf8)
      body += word(0x0403_4b50, 4) + word(20, 2) + common + word(name.utf8.count, 2) + word(0, 2) + Array(name.utf8)
      body += content
    }
    let end = word(0x0605_4b50, 4) + word(0, 4) + word(members.count, 2) + word(members.count, 2)
    return body + directory + end + word(directory.count, 4) + word(body.count, 4) + word(0, 2)
  }

  @Test("Archives of arrays: several samples with labels, and what is refused in words")
  func archives() throws {
    let two = npy("|u1", shape: "(2, 2, 2)", body: [0, 1, 2, 3, 4, 5, 6, 7])
    let labels = npy("<i4", shape: "(2,)", body: [9, 0, 0, 0, 1, 0, 0, 0])
    let good = archive([("x.npy", two), ("y.npy", labels), ("readme.txt", [65])])
    let samples = try read(good)
    #expect(samples.map(\.values) == [[0, 1, 2, 3], [4, 5, 6, 7]] && samples.map(\.label) == [9, 1])
    #expect(samples.map(\.source) == ["input[0]", "input[1]"])
    let second = try InputFile(path: "input", content: good).samples(
      1..<2, shape: shape, normalization: normalization)
    #expect(second.map(\.label) == [1] && second[0].values == [4, 5, 6, 7])
    let five = npy("<f4", shape: "(5,)", body: [UInt8](repeating: 0, count: 20))
    let one = npy("<i8", shape: "(1,)", body: [1, 0, 0, 0, 0, 0, 0, 0])
    var damaged = good
    damaged[60] ^= 1
    for (bytes, words) in [
      (archive([("a.npy", two), ("b.npy", two)]), "2 of its arrays (a (2, 2, 2), b (2, 2, 2))"),
      (archive([("a.npy", five)]), "0 of its arrays (a (5))"), (archive([]), "neither PNG"),
      (archive([("x.npy", two), ("y.npy", one)]), "1 labels for 2 samples"), (damaged, "damaged"),
      (archive([("x.npy", two)], claimed: 1 << 20), "cut short"),
      (archive([("x.npy", two)], claimed: 0xffff_ffff), "too large"),
      (Array(good.dropLast(30)), "cut short"),
    ] {
      let error = #expect(throws: DaemonsError.self) { try read(bytes) }
      #expect(error?.description.contains(words) == true, "\(error?.description ?? "")")
    }
  }

  @Test("A sequence's array may leave its one row out")
  func sequence() throws {
    let file = try InputFile(path: "input", content: npy("|u1", shape: "(2, 3)", body: [1, 2, 3, 4, 5, 6]))
    let samples = try file.samples(
      shape: TensorShape(channels: 2, height: 1, width: 3),
      normalization: InputNormalization(pixelMaximum: 16, mean: [0, 0], deviation: [1, 1]))
    #expect(samples.map(\.values) == [[1, 2, 3, 4, 5, 6]])
  }

  private struct Written: Decodable, Sendable {
    struct File: Decodable, Sendable {
      var base64: String
      var values: [Float]
      var channels: Int
    }
    var files: [String: File]
  }

  @Test("Files that Pillow, NumPy and gzip wrote are read as what they were made of (References/make.py)")
  func othersFiles() throws {
    let url = try #require(
      Bundle.module.url(forResource: "inputs", withExtension: "json", subdirectory: "References"))
    let written = try JSONDecoder().decode(Written.self, from: Data(contentsOf: url))
    #expect(written.files.count == 16)
    for (name, file) in written.files {
      let bytes = try #require(Data(base64Encoded: file.base64))
      let shape = TensorShape(channels: file.channels, height: 2, width: 2)
      let normalization = InputNormalization(
        pixelMaximum: 16, mean: [Float](repeating: 0, count: file.channels),
        deviation: [Float](repeating: 1, count: file.channels))
      let samples = try InputFile(path: name, content: [UInt8](bytes)).samples(
        shape: shape, normalization: normalization)
      #expect(samples.count == 1, "\(name)")
      #expect(
        zip(samples[0].values, file.values).allSatisfy { abs($0 - $1) < 1e-5 }
          && samples[0].values.count == 4 * file.channels,
        "\(name): \(samples[0].values)")
      // Cut short anywhere, no file is read as something else.
      for end in stride(from: 0, to: bytes.count, by: 7) {
        let cut = try? InputFile(path: name, content: [UInt8](bytes.prefix(end))).samples(
          shape: shape, normalization: normalization)
        #expect(cut == nil, "\(name), \(end) bytes")
      }
    }
  }
}
