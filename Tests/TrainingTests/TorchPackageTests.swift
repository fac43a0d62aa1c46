import Foundation
import Testing

/// The tests of Scripts/torch, where this machine's `python3` has torch.
@Suite(.enabled(if: TorchPackageTests.hasTorch, "python3 cannot import torch: the tests of Scripts/torch are skipped"))
struct TorchPackageTests {
  static let hasTorch = ((try? python("-c", "import torch").code) ?? 1) == 0

  /// Runs `python3` in the repository's folder.
  private static func python(_ arguments: String...) throws -> (code: Int32, output: String) {
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

  @Test func packageAgreesWithTheReferences() throws {
    let result = try Self.python("-m", "unittest", "discover", "-s", "Scripts/torch/tests")
    #expect(result.code == 0, "\(result.output)")
    #expect(result.output.contains("Ran ") && !result.output.contains("Ran 0 tests"))
  }
}
