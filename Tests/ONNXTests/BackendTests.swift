import Foundation
import Testing

@Suite("The ONNX package's backend cases")
struct BackendTests {
  @Test("Every case comes as far as the documentation says, and no result is wrong")
  func cases() throws {
    let cases = try BackendCases()
    #expect(cases.pack.cases.count > 1500)
    let outcomes = cases.pack.cases.map { (name: $0, outcome: cases.run($0)) }
    for (name, outcome) in outcomes { if case .wrong(let reason) = outcome { Issue.record("\(name): \(reason)") } }
    let text = BackendTable(outcomes: outcomes).text()
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let page = root.appendingPathComponent("Sources/ONNX/ONNX.docc/BackendCases.md")
    let stored = (try? String(contentsOf: page, encoding: .utf8)) ?? ""
    if text != stored {
      let new = root.appendingPathComponent(".build/BackendCases.md")
      try text.write(to: new, atomically: true, encoding: .utf8)
      Issue.record(
        "BackendCases.md is not what happens: compare it with .build/BackendCases.md, and replace it if right")
    }
  }
}
