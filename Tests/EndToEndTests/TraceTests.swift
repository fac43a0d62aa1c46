import Foundation
import Networks
import Programs
import TestSupport
import Testing
import Tracing

/// Traces of real daemons, and what is made of them.
@Suite("Traces of real daemons", .serialized)
struct TraceTests {
  private func load(_ site: Site, _ name: String) throws -> TraceFile {
    let text = try Array(Data(contentsOf: URL(fileURLWithPath: site.path(name))))
    #expect(TraceFormat.faults(text) == [], "\(name)")
    return try TraceFile(json: text, name: name)
  }

  @Test("Both parties' traces are laid side by side by one clock, with a prediction beside them")
  func traces() throws {
    let site = try Site()
    let dealer = try site.startDealer()
    let port = try dealer.port()
    let modelOwner = try site.startModelOwner(dealer: port, extra: ["--trace", "model-owner.json"])
    let dataOwner = try site.startDataOwner(
      dealer: port, peer: try modelOwner.port(), extra: ["--trace", "data-owner.json"])
    try site.waitForSessions(1)
    for seed in 1...3 as ClosedRange<UInt64> { #expect(try site.isAnswered(seed)) }
    for daemon in [dataOwner, modelOwner, dealer] { #expect(try daemon.terminate().code == 0) }

    let (model, data) = (try load(site, "model-owner.json"), try load(site, "data-owner.json"))
    for (file, role) in [(model, "model-owner"), (data, "data-owner")] {
      #expect(file.facts["role"] == .text(role) && file.facts["dropped_spans"] == .integer(0))
      let spans = file.events.filter { $0.phase == .complete }
      #expect(spans.filter { $0.category == "query" }.count == 3)
      // Of a span only its name, category, track and times, and of frames number, size and session.
      let names = Set(spans.flatMap { $0.arguments.map(\.name) })
      #expect(names == ["bytes", "sequence", "session"])
    }
    let steps = site.model.planned.plan.program.steps.map(\.name)
    for name in steps {
      #expect(model.events.filter { $0.name == name && $0.process == 0 }.count == 3, "step \(name)")
    }

    let outcome = try site.run(
      "hw", "align", "--model-owner", "model-owner.json", "--data-owner", "data-owner.json", "--output", "both.json",
      "--json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let both = try load(site, "both.json")
    guard case .integer(let offset)? = both.facts["clock_offset_ps"],
      case .integer(let uncertainty)? = both.facts["clock_uncertainty_ps"],
      case .integer(let first)? = model.facts["clock_start_ns"],
      case .integer(let second)? = data.facts["clock_start_ns"]
    else {
      Issue.record("a clock is missing")
      return
    }
    // Both read one machine's clock, each from its own start: the true offset is known.
    #expect(abs(offset - (second - first) * 1000) <= uncertainty)
    #expect(uncertainty < 100_000_000_000)

    let schedule = try site.run("hw", "schedule", "--network", "lenet", "--trace", "lenet.json", "--svg", "lenet.svg")
    #expect(schedule.code == 0, "\(schedule.error)")
    let predicted = try site.run(
      "hw", "align", "--model-owner", "model-owner.json", "--data-owner", "data-owner.json", "--predicted",
      "lenet.json",
      "--query", "2", "--output", "all.json")
    #expect(predicted.code == 0, "\(predicted.error)")
    #expect(Set(try load(site, "all.json").events.map(\.process)) == [0, 1, 2, 3])
    let wrong = try site.run(
      "hw", "align", "--model-owner", "data-owner.json", "--data-owner", "data-owner.json", "--output", "x.json")
    #expect(wrong.code == 65 && wrong.error.contains("model-owner"))
    #expect(!FileManager.default.fileExists(atPath: site.path("x.json")))
  }
}
