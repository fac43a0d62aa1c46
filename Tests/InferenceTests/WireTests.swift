import Correlations
import Foundation
import Programs
import Randomness
import TestSupport
import Testing
import Transport

@testable import Inference

/// The bytes between the parties, for seeded randomness. A changed byte is a changed line here.
@Suite("Golden wire")
struct WireTests {
  static let golden: [(name: String, program: Program, digest: String)] = [
    ("plain", Examples.plain(), "5fa890a09251cca369f977597832bf8e1126f72c5be5cf1b706a5c10640c7a9f"),
    ("local", Examples.plain(.local), "eabb11a350927d559bc34dd87f406831279905807d6b12e624d88a77ca229fdf"),
    ("residual", Examples.residual(), "7bf103712b89e0ef041ae7fc2f9b29a740009ec8adda13463c1e3db25afdaa6a"),
    ("joined", Examples.joined(), "ec018e01f930522c57ad1ad2f1b5dbac96e52f9e5e0001689d9396d923adacee"),
    ("square", Examples.square(8193), "1444a70bf5d3fad214c71d7762329cd82e1c81c54fe5059d23d4519687adc3df"),
    ("relu", Examples.relu(2051), "8c3781d31e9dda0bc80832debcc5acc3f0f87ec03c4f7ec6bd591b905c68a13b"),
    (
      "clip", Examples.function(.clip(lower: 0, upper: 300), bits: 24, .bytes),
      "3dda5e17118ce8b6ae1b0d02f860b14162ba2fcc1d9fa266a38cb7327a6b2e8a"
    ),
    (
      "max and label", Examples.pooled(WindowGeometry(kernel: 3, stride: 2, padding: 1), isLabel: true),
      "ce33714cb639bb17f1687ce849cad6f7654b4389e1cfdedce67d149791efa374"
    ),
    ("floor", Examples.floored(), "cd13936e44903b1e5c10456c633fa396b91e78ea7f776a332ac7b1ed05f53314"),
    (
      "two bounds", Examples.function(.clip(lower: -200, upper: 300), bits: 24),
      "3131d0a94ac971bc69eb5afc0e894ae1c43acfc649a21afc8a6f6c0345b3050a"
    ),
    (
      "tracked", Examples.function(.relu, bits: 24, tracks: true),
      "62c609e57a2755a649cb5d286fac4a0370b92e9edb45e8dfb8582dd05316c53d"
    ),
    (
      "tracked clip", Examples.function(.clip(lower: -200, upper: 300), bits: 24, .bytes, tracks: true),
      "7fd8e14aeb668a741a8a33a1c6e35eaea9181f5d93e20a256e0c7328b5b3c840"
    ),
    ("mixed", Examples.mixed(), "084f081bd19a7ffe9046b3decb059cbca528bd2b701c5bca8f0869b11faa083f"),
  ]

  @Test("Transcript of set-up, preparation and a query", arguments: 0..<golden.count)
  func transcript(index: Int) throws {
    let (name, program, digest) = Self.golden[index]
    let example = Example(program, seed: 31)
    let outcome = try Trio(model: example.model()).run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    #expect(outcome.transcript?.hex == digest, "\(name)")
  }

  static let lattice: [(name: String, program: Program, digest: String)] = [
    ("plain", Examples.plain(), "8f54301e79d23a90f6a5379f14a1e88db9b09868a0b29aee4ce8e90ee01c4d85"),
    ("local", Examples.plain(.local), "396df84b98307e99f558fa24bb37842cd9a974dc80ff2aab7ff0045a17cd30a4"),
    ("residual", Examples.residual(), "606e304b4c9e4e639e8b66dc0860eba4a392bb2c1b381992ba5c776f1bfe819c"),
    ("joined", Examples.joined(), "211c77ccd63b28cd3d7acc98ddfd66e449b8da2ea885075050074e5daea44cb9"),
    ("square", Examples.square(8193), "ca514de93106cb69b439a81e45c012256a834d1058fee302529ecf8156492a2f"),
    ("relu", Examples.relu(2051), "871f5d1a9ac3d5001f105b2435eab40a2de3709cd2d752945451818ec5e52498"),
    (
      "max and label", Examples.pooled(WindowGeometry(kernel: 3, stride: 2, padding: 1), isLabel: true),
      "42f24d7c880e14499a8ff4c7969001de634950cf527fc253c2dc8e4c0bfad275"
    ),
    ("floor", Examples.floored(), "99d7c1945e009a36397e35d1afd5fe80a9bd9e50476036281b8b31b7afad725d"),
    (
      "tracked", Examples.function(.relu, bits: 24, tracks: true),
      "ba6938fca56910c10f6aa709f01d45fcd1ea2056c8c4a574a08f7613c7e0be54"
    ),
    ("mixed", Examples.mixed(), "9c09a9100bd506a01c9398f683cf90f7a2fb37b8c770ab559030d093070bb635"),
  ]

  @Test("Transcript of keys, lattice preparation and a query", arguments: 0..<lattice.count)
  func latticeTranscript(index: Int) throws {
    let (name, program, digest) = Self.lattice[index]
    let example = Example(program, seed: 31)
    let outcome = try Duo(model: example.model()).run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    #expect(outcome.transcript?.hex == digest, "\(name)")
  }
}

@Suite("Announced ranges")
struct SerialRangeTests {
  @Test("Counts and serials that do not fit are refused")
  func refused() {
    let zero = [UInt8](repeating: 0, count: 12)
    let huge = [UInt8](repeating: 0, count: 8) + [255, 255, 255, 255]
    let overflow = [UInt8](repeating: 255, count: 8) + [1, 0, 0, 0]
    for bytes in [zero, huge, overflow, Array(zero.dropLast())] {
      #expect(throws: CorrelationError.self) { try SerialRange(bytes) }
    }
  }

  @Test("Bytes and back")
  func roundTrip() throws {
    let range = SerialRange(1_000_000_000_000..<1_000_000_000_007)
    #expect(try SerialRange(range.bytes) == range)
  }
}

@Suite("Material is used once")
struct MaterialTests {
  @Test("A serial number is taken once and in order")
  func once() throws {
    let example = Example(Examples.square(4), seed: 1)
    let outcome = try Trio(model: example.model()).run(batches: [], prepared: 3)
    #expect(outcome.results.isEmpty)
    var pool = MaterialPool<DataOwnerMaterial>()
    #expect(throws: CorrelationError.materialSpent(step: 0, serial: 0)) { _ = try pool.take(serial: 0) }
    #expect(throws: CorrelationError.serialOutOfOrder(found: 5, expected: 0)) { _ = try pool.take(serial: 5) }
  }
}

@Suite("A damaged session")
struct FaultTests {
  @Test(
    "ends with an error wherever the data owner vanishes or stalls",
    arguments: [0, 1, 16, 17, 30, 45, 200, 1000, 2000, 3000, 5000])
  func bytes(count: Int) throws {
    try expectFailure(.cut(afterBytes: count))
    try expectFailure(.stall(afterBytes: count))
  }

  private func expectFailure(_ fault: Fault) throws {
    let example = Example(Examples.plain(), seed: 41)
    let trio = Trio(model: try example.model())
    let inputs = example.inputs(1, seed: 42)
    #expect(throws: (any Error).self) { try trio.run(batches: [inputs], prepared: 1, fault: fault) }
  }
}
