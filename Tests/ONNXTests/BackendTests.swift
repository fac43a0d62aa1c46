import Foundation
import Testing

@Suite struct BackendTests {
  @Test func report() throws {
    let cases = try BackendCases()
    var lines: [String] = []
    for name in cases.names { lines.append("\(name)\t\(cases.run(name))") }
    try lines.joined(separator: "\n").write(toFile: "/work/tmp/onnx/report.txt", atomically: true, encoding: .utf8)
  }
}
