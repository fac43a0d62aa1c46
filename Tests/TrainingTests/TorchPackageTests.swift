import Foundation
import Testing

/// This machine's `python3`, in the repository's folder.
private enum Python {
  static let hasTorch = ((try? run("-c", "import torch").code) ?? 1) == 0

  static func run(_ arguments: String...) throws -> (code: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["python3"] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .deletingLastPathComponent().deletingLastPathComponent()
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, output)
  }
}

/// The tests of Scripts/torch, where there is torch.
@Suite(.enabled(if: Python.hasTorch, "python3 cannot import torch: the tests of Scripts/torch are skipped"))
struct TorchPackageTests {
  @Test func packageAgreesWithTheReferences() throws {
    let result = try Python.run("-m", "unittest", "discover", "-s", "Scripts/torch/tests")
    #expect(result.code == 0, "\(result.output)")
    #expect(result.output.contains("Ran ") && !result.output.contains("Ran 0 tests"))
  }
}
