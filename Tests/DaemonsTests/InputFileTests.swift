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
}
