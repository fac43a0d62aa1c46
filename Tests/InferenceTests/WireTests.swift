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
    ("plain", Examples.plain(), "8f488a39b812116c65432757038e75f3656e1cd6160f3a034eaeef30593675d7"),
    ("local", Examples.plain(.local), "e808f63cf1394f0b958a8fab1112b5bc0a7908f6d5c3cbc5280b217420ba0cde"),
    ("residual", Examples.residual(), "679e0ecf798de40d866bd883703464a37d0e091d713f3cb21b028dcc9c7b8be1"),
    ("square", Examples.square(8193), "5a1d99199089c9b3518c34e1ebf213d7055cf350e2ff705fe0a6667cbe190e4f"),
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
