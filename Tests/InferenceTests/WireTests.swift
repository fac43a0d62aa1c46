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
    ("square", Examples.square(8193), "1444a70bf5d3fad214c71d7762329cd82e1c81c54fe5059d23d4519687adc3df"),
  ]

  @Test("Transcript of set-up, preparation and a query", arguments: 0..<golden.count)
  func transcript(index: Int) throws {
    let (name, program, digest) = Self.golden[index]
    let example = Example(program, seed: 31)
    let outcome = try Trio(model: example.model()).run(batches: [example.inputs(2, seed: 32)], prepared: 2)
    #expect(outcome.transcript?.hex == digest, "\(name)")
  }

  static let lattice: [(name: String, program: Program, digest: String)] = [
    ("plain", Examples.plain(), "fc5224b05005a1b7a4109d4834c029ae71ccdbf2a0d38a58e1a2e9f656d0c9a2"),
    ("local", Examples.plain(.local), "27d63ae9f6b8efed5e38bbc35b3c16a90abadb4bf0f56da167dc78a996d2031a"),
    ("residual", Examples.residual(), "f115a470aa5a8e2da9538af42b79ad9031ff989a37b4c6791fb7584da2cf4573"),
    ("square", Examples.square(8193), "5b1f28d44d39547ad83fafda9393456a1877afd53296d1a1c6e586105ddeb4da"),
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
