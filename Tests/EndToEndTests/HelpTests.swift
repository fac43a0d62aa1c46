import Foundation
import Testing

/// Examples of the commands that read samples, run by a shell as they are printed.
@Suite("Examples of the help", .serialized)
struct HelpTests {
  private static let picture =
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAAAAADhZOFXAAAADElEQVR42mNgoA4AAABIAAEQRe/SAAAAAElFTkSuQmCC"
  /// numpy.savez_compressed(x=numpy.zeros((3, 1, 8, 8), numpy.float32))
  private static let archive =
    "UEsDBC0AAAAIAAAAIQA2sVuM//////////8FABQAeC5ucHkBABAAgAMAAAAAAABRAAAAAAAAAJvsF+obEMnIUMZQrZ6SWpxcpG6loG6TZqKuo6Cel"
    + "l9UUpSYF59flJIKEndLzClOBYoXZyQWpAL5GsY6CoY6ChZApKmjUKtABuBiGAWjYAQDAFBLAQItAy0AAAAIAAAAIQA2sVuMUQAAAIADAAAFAAA"
    + "AAAAAAAAAAACAAQAAAAB4Lm5weVBLBQYAAAAAAQABADMAAACIAAAAAAA="

  private func examples(_ command: String) throws -> [String] {
    let help = try Executable.run([command, "--help"], in: FileManager.default.temporaryDirectory).output
    #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 || $0.hasPrefix("USAGE") }, "\(command)")
    let parts = help.components(separatedBy: "Examples:")
    try #require(parts.count == 2)
    let lines = parts[1].replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n")
    return lines.map { $0.trimmingCharacters(in: .whitespaces) }.prefix { !$0.hasPrefix("USAGE") }
      .filter { $0.hasPrefix("polympc ") }
  }

  /// Runs a line in a folder by a shell that finds `polympc`.
  private func shell(_ line: String, in folder: URL) throws -> (code: Int32, text: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/sh")
    process.arguments = ["-c", line]
    process.currentDirectoryURL = folder
    var environment = ProcessInfo.processInfo.environment
    environment["PATH"] = Executable.url.deletingLastPathComponent().path + ":" + (environment["PATH"] ?? "")
    process.environment = environment
    let log = folder.appendingPathComponent("shell.log")
    try Data().write(to: log)
    let handle = try FileHandle(forWritingTo: log)
    (process.standardOutput, process.standardError) = (handle, handle)
    try process.run()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: try Data(contentsOf: log), as: UTF8.self))
  }

  private func tensor(zeros dims: [UInt8]) -> Data {
    let count = dims.reduce(4) { $0 * Int($1) }
    return Data(dims.flatMap { [0x08, $0] } + [0x10, 1, 0x4a, UInt8(count & 127 | 128), UInt8(count >> 7)])
      + Data(repeating: 0, count: count)
  }

  private func npy(_ shape: String, zeros count: Int) -> Data {
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': \(shape), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    return Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8)
      + Data(repeating: 0, count: 4 * count)
  }

  @Test("Those of infer, through a daemon")
  func infer() throws {
    let site = try Site()
    _ = try site.startAll()
    func put(_ name: String, _ data: Data) throws { try data.write(to: site.folder.appendingPathComponent(name)) }
    try FileManager.default.createSymbolicLink(
      atPath: site.path("data-owner.sock"), withDestinationPath: site.path("control.sock"))
    try put("digit.png", try #require(Data(base64Encoded: Self.picture)))
    try put("samples.npz", try #require(Data(base64Encoded: Self.archive)))
    try put(
      "t10k-images-idx3-ubyte", Data([0, 0, 8, 3, 0, 0, 0, 8, 0, 0, 0, 8, 0, 0, 0, 8]) + Data(repeating: 1, count: 512))
    let row = [String](repeating: "2", count: 64).joined(separator: ",") + "\n"
    try put("digits.csv", Data(String(repeating: row, count: 1450).utf8))
    #expect(try shell("gzip t10k-images-idx3-ubyte digits.csv", in: site.folder).code == 0)
    try FileManager.default.createDirectory(atPath: site.path("test_data_set_0"), withIntermediateDirectories: true)
    try put("test_data_set_0/input_0.pb", tensor(zeros: [1, 1, 8, 8]))
    let examples = try examples("infer")
    let ours = examples.filter { !$0.contains("--outsourced") }
    #expect(ours.count == 4 && examples.count == 5)
    for example in ours {
      let outcome = try shell(example, in: site.folder)
      #expect(outcome.code == 0, "\(example): \(outcome.text)")
    }
  }

  @Test("Those of check and import, on files of every kind")
  func check() throws {
    let site = try Site()
    func put(_ name: String, _ data: Data) throws { try data.write(to: site.folder.appendingPathComponent(name)) }
    try FileManager.default.copyItem(
      at: URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("ONNXTests/References/torch-digits.onnx"),
      to: site.folder.appendingPathComponent("net.onnx"))
    try FileManager.default.createDirectory(atPath: site.path("samples"), withIntermediateDirectories: true)
    try put("samples/1.npy", npy("(1, 8, 8)", zeros: 64))
    try put("a.npy", npy("(2, 1, 8, 8)", zeros: 128))
    try put("b.npz", try #require(Data(base64Encoded: Self.archive)))
    try put("c.pb", tensor(zeros: [1, 1, 8, 8]))
    let imports = try examples("import").filter { $0.contains(" net.onnx") }
    #expect(imports.count == 2)
    for example in imports {
      let outcome = try shell(example, in: site.folder)
      #expect(outcome.code == 0, "\(example): \(outcome.text)")
    }
    // The network ends with a softmax: what another program says of the sample is ten probabilities.
    let scores = try shell("polympc check net.model --samples samples --expected a.npy", in: site.folder)
    #expect(scores.code == 65 && scores.text.contains("a.npy"), "\(scores.text)")
    try put("outputs.npy", npy("(1, 10)", zeros: 10))
    for example in try examples("check") {
      let outcome = try shell(example, in: site.folder)
      // Zeros are no probabilities, and random numbers exceed the ranges of a picture of zeros.
      let isStrict = !example.contains("--expected") && !example.contains("--random")
      #expect(outcome.code == (isStrict ? 0 : 1), "\(example): \(outcome.text)")
      let words = example.contains("--expected") ? "against given outputs" : "samples "
      #expect(example.contains("--json") || outcome.text.contains(words), "\(outcome.text)")
    }
  }
}
