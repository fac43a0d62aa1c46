import Foundation
import Testing

/// Simulators of the Verilog kernels, which `Scripts/test --hardware` builds with Verilator before it runs these tests.
enum Simulators {
  static let folder = ProcessInfo.processInfo.environment["POLYMPC_RTL_SIMULATORS"]
  static let areBuilt = folder.map { FileManager.default.fileExists(atPath: $0) } ?? false
  static let advice: Comment = "Scripts/test --hardware installs Verilator, builds the simulators and runs this"

  /// What the testbench reports beside the outputs.
  struct Report: Decodable {
    /// Beats that the kernel took, cycles with an output.
    var accepted, outputs: Int
    /// From the first beat taken to the last output, both counted.
    var cycles: Int
    /// From the last configuration to the first beat taken after it.
    var setup: Int
  }

  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  /// Plays a stimulus to the kernel set `name`; words of all outputs in turn, and the report.
  static func run(_ name: String, _ stimulus: Stimulus) throws -> (outputs: [UInt32], report: Report) {
    let files = FileManager.default.temporaryDirectory.appendingPathComponent("polympc-rtl-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: files, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: files) }
    let (input, output) = (files.appendingPathComponent("in"), files.appendingPathComponent("out"))
    try stimulus.words.withUnsafeBytes { Data($0) }.write(to: input)
    let (process, text) = (Process(), Pipe())
    process.executableURL = URL(fileURLWithPath: folder ?? ".").appendingPathComponent(name)
    process.arguments = [input.path, output.path]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = text
    process.standardError = text
    try process.run()
    let printed = text.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw Failure(description: String(decoding: printed, as: UTF8.self))
    }
    let report = try JSONDecoder().decode(Report.self, from: printed)
    let bytes = [UInt8](try Data(contentsOf: output))
    let words = stride(from: 0, to: bytes.count, by: 4).map { place in
      (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[place + $1]) << (8 * UInt32($1)) }
    }
    return (words, report)
  }
}

/// What a testbench plays: see HardwareModels/rtl/test/testbench.cpp.
struct Stimulus {
  private(set) var words: [UInt32] = []

  mutating func configure(after cycles: Int = 0, _ data: [UInt32]) { words += [0, UInt32(cycles)] + data }
  mutating func beat(after cycles: Int = 0, _ data: [UInt32]) { words += [1, UInt32(cycles)] + data }
}

extension Array where Element == UInt32 {
  /// Appends words of 64 bits, the low half first.
  mutating func append(words: some Sequence<UInt64>) {
    for word in words { self += [UInt32(truncatingIfNeeded: word), UInt32(word >> 32)] }
  }

  /// The word of 64 bits at `place`.
  func word(at place: Int) -> UInt64 { UInt64(self[place]) | UInt64(self[place + 1]) << 32 }
}
