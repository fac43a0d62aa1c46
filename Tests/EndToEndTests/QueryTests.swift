import Daemons
import Foundation
import Networks
import Programs
import Testing

/// The daemons as users start them, asked as users ask.
@Suite("Real daemons", .serialized)
struct QueryTests {
  private struct Line: Decodable {
    var label: Int
    var scores: [Double]
    var rounds: Int
  }

  @Test("A query from the command line gets the twin's scores, and SIGTERM ends every daemon with code 0")
  func queryAndStop() throws {
    let site = try Site()
    let trio = try site.startAll()
    let pixels = site.model.pixels(1)
    try site.write(pixels.map(String.init).joined(separator: ",") + "\n", as: "sample.csv")
    let outcome = try site.run("infer", "--control", "control.sock", "sample.csv", "--json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let line = try JSONDecoder().decode(Line.self, from: Data(outcome.output.utf8))
    #expect(try site.matches(line.scores, pixels))
    #expect(line.label == line.scores.indices.max { line.scores[$0] < line.scores[$1] })
    let activations = site.model.planned.plan.program.steps.count {
      if case .activation(_) = $0.operation { true } else { false }
    }
    #expect(line.rounds == activations + 1)
    // The data owner first: the others see it leave in good order.
    for daemon in [trio.dataOwner, trio.modelOwner, trio.dealer] {
      let end = try daemon.terminate()
      #expect(end.code == 0 && !end.bySignal, "\(daemon.name): \(daemon.log)")
    }
    #expect(!FileManager.default.fileExists(atPath: site.path("control.sock")))
  }

  @Test("A network with ReLU: the twin's scores, and what inspect says of its comparisons")
  func relu() throws {
    let site = try Site(model: try TinyModel(activation: .relu))
    _ = try site.startAll()
    for seed in 1...3 as ClosedRange<UInt64> { #expect(try site.isAnswered(seed)) }
    let outcome = try site.run("inspect", "tiny.plan")
    #expect(outcome.code == 0 && outcome.output.contains("comparisons per inference"), "\(outcome.error)")
    let trained = try site.run(
      "train", "digits", "--relu", "--comparisons", "bytes", "--epochs", "1", "--output", "relu.model", "--json")
    #expect(trained.code == 0, "\(trained.error)")
    let model = try ModelFile.load(from: site.path("relu.model"))
    let planned = try model.planned()
    #expect(model.options.comparisons == .bytes && !planned.plan.program.comparisonSteps.isEmpty)
  }

  private struct Accuracy: Decodable {
    var samples: Int
    var floatAccuracy: Double
    var fixedAccuracy: Double
    var labelsThatDiffer: Int
    var maximumDifference: Double?
  }

  @Test("Options of training reach the plan, and labels are evaluated without scores")
  func options() throws {
    let site = try Site()
    let trained = try site.run(
      "train", "digits", "--relu", "--reveal", "label", "--ring-truncation", "faithful", "--comparison-bits", "40",
      "--epochs", "1", "--output", "label.model", "--json")
    #expect(trained.code == 0, "\(trained.error)")
    let program = try ModelFile.load(from: site.path("label.model")).planned().plan.program
    #expect(program.labels == 10 && program.comparisonSteps.allSatisfy { program.comparisonDrops($0) == 0 })
    let inspected = try site.run("inspect", "label.model")
    #expect(inspected.output.contains("floor") && inspected.output.contains("the label, nothing else"))
    #expect(inspected.output.contains("expected truncation failures per inference: 0\n"))
    func evaluate(_ more: String...) throws -> Accuracy {
      let outcome = try Executable.run(
        ["evaluate", "label.model", "--count", "60", "--json"] + more, in: site.folder)
      #expect(outcome.code == 0, "\(outcome.error)")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(Accuracy.self, from: Data(outcome.output.utf8))
    }
    let (label, scores) = (try evaluate(), try evaluate("--reveal", "scores"))
    #expect(label.samples == 60 && label.maximumDifference == nil && scores.maximumDifference != nil)
    #expect(label.floatAccuracy == scores.floatAccuracy && abs(label.fixedAccuracy - scores.fixedAccuracy) <= 1 / 60)
    for flags in [["--comparison-bits", "3"], ["--reveal", "logits"], ["--ring-truncation", "no"]] {
      let refused = try Executable.run(["train", "digits", "--output", "no.model"] + flags, in: site.folder)
      #expect(refused.code != 0 && !refused.error.isEmpty, "\(flags)")
    }
  }

  @Test("Where the model owner reveals labels only, no score reaches anybody, and both daemons must be told so")
  func labels() throws {
    let options = PlannerOptions(ringTruncation: .faithful, reveals: .label)
    let site = try Site(model: try TinyModel(activation: .relu, options: options))
    let trio = try site.startAll()
    let twin = try Twin(site.model.planned.plan, site.model.planned.quantized)
    let description = try site.client().describe()
    #expect(description.reveals == .label && description.outputs == 10)
    for seed in 1...4 as ClosedRange<UInt64> {
      let pixels = site.model.pixels(seed).map(Float.init)
      let reply = try site.client().infer([InputSample(values: pixels, source: "sample \(seed)")])
      let expected = try twin.result(normalized: site.model.planned.plan.input.normalize(raw: pixels))
      #expect(reply.predictions[0].label == expected.label && reply.predictions[0].scores.isEmpty)
    }
    try site.write(site.model.pixels(1).map(String.init).joined(separator: ",") + "\n", as: "sample.csv")
    let outcome = try site.run("infer", "--control", "control.sock", "sample.csv", "--scores")
    #expect(outcome.code == 0 && outcome.error.contains("labels only"), "\(outcome.error)")
    #expect(try site.run("inspect", "tiny.plan").output.contains("the label, nothing else"))
    // A plan of scores is another plan: the model owner that reveals labels refuses whoever has it.
    let exported = try site.run("export", "tiny.model", "--reveal", "scores", "--output", "tiny.plan")
    #expect(exported.code == 0, "\(exported.error)")
    #expect(try site.run("inspect", "tiny.plan").output.contains("the scores of all classes"))
    trio.dataOwner.kill()
    let other = try site.startDataOwner(dealer: trio.dealerPort, peer: trio.modelPort)
    try other.waitForLog("the session failed")
    #expect(try site.client().status().sessions == 0)
  }

  @Test("Several sessions and many clients at once")
  func atOnce() throws {
    let site = try Site()
    let trio = try site.startAll(sessions: 3)
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 9) { index in
      results.add((try? site.isAnswered(UInt64(index))) ?? false)
    }
    #expect(results.all == [Bool](repeating: true, count: 9))
    #expect(try site.client().status().sessions == 3)
    #expect(try site.serves(20, trio))
  }

  @Test("Either party may be killed and come back while the other runs on")
  func kills() throws {
    let site = try Site()
    let trio = try site.startAll()
    #expect(try site.isAnswered(1))

    trio.modelOwner.kill()
    let modelOwner = try site.startModelOwner(dealer: trio.dealerPort, port: trio.modelPort)
    #expect(try modelOwner.port() == trio.modelPort)
    try site.waitForSessions(1)
    #expect(try site.isAnswered(2))

    trio.dataOwner.kill()
    let dataOwner = try site.startDataOwner(dealer: trio.dealerPort, peer: trio.modelPort)
    try dataOwner.waitForLog("a session began")
    #expect(try site.isAnswered(3))

    trio.dealer.kill()
    let dealer = try site.startDealer(port: trio.dealerPort)
    #expect(try dealer.port() == trio.dealerPort)
    // What was prepared may still serve; beyond it the sessions find the new dealer.
    try eventually("an answer after the dealer's restart") {
      (try? site.isAnswered(4)) == true && dealer.log.contains("a party connected") ? () : nil
    }
    #expect(modelOwner.isRunning && dataOwner.isRunning)
  }
}

/// Results of several threads.
final class Results: @unchecked Sendable {
  // Unchecked: everything is touched under `lock`.
  private let lock = NSLock()
  private var values: [Bool] = []
  func add(_ value: Bool) { lock.withLock { values.append(value) } }
  var all: [Bool] { lock.withLock { values } }
}
