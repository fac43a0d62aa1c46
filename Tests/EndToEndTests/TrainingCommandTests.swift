import Daemons
import Foundation
import Networks
import Testing
import Training

/// The commands that train, as users run them.
@Suite("Training commands", .serialized)
struct TrainingCommandTests {
  /// Latencies that keep ReLU in the second layer of the digits network and nowhere else.
  private func table() throws -> String {
    let rows: [(String, [LatencyTable.Choice: Double])] = [
      ("conv1.act", [.relu: 8, .x2act: 0.1]), ("conv2.act", [.relu: 0.1, .x2act: 8]),
    ]
    let table = LatencyTable(
      network: "digits", device: "made up", link: "none", protocolName: "none", batch: 1, fixedMilliseconds: 1,
      rows: rows.map { LatencyTable.Row(layer: $0.0, shape: [16, 8, 8], milliseconds: $0.1) })
    return String(decoding: try JSONEncoder().encode(table), as: UTF8.self)
  }

  @Test("Search, fine-tune, export: the parties give the labels of the mixed network's twin")
  func searchToPrivateInference() throws {
    let site = try Site()
    try site.write(try table(), as: "table.json")
    let searched = try site.run(
      "search", "digits", "--table", "table.json", "--lambda", "0.5", "--alpha-rate", "0.05", "--epochs", "2",
      "--limit", "400", "--batch", "32", "--output", "found.model", "--log", "search.jsonl", "--report", "search.html",
      "--json")
    #expect(searched.code == 0, "\(searched.error)")
    #expect(searched.output.contains("\"kept\":[\"conv2.act\"]"), "\(searched.output)")
    let page = try String(contentsOfFile: site.path("search.html"), encoding: .utf8)
    #expect(page.contains("softmax(alpha)") && page.contains("made up") && !page.contains("<script"))
    let tuned = try site.run(
      "finetune", "found.model", "--epochs", "3", "--output", "final.model", "--log", "tune.jsonl", "--json")
    #expect(tuned.code == 0, "\(tuned.error)")
    let merged = try site.run("report", "search.jsonl", "tune.jsonl", "--output", "both.html")
    #expect(merged.code == 0, "\(merged.error)")
    let exported = try site.run("export", "final.model", "--output", "final.plan")
    #expect(exported.code == 0, "\(exported.error)")

    let file = try ModelFile.load(from: site.path("final.model"))
    #expect(file.graph.nodes.filter { $0.operation.isActivation }.map(\.operation.label) == ["x2act", "relu"])
    let accuracy = try #require(file.provenance["accuracy"].flatMap { Double($0) })
    #expect(accuracy > 0.8)
    let plan = try PlanFile.load(from: site.path("final.plan"))
    #expect(plan.modelDigest == (try file.modelDigest()))
    let parties = try Site(model: try TinyModel(file: file))
    _ = try parties.startAll()
    let data = try DataSplit.load(.digits, path: nil).test
    for index in 0..<6 {
      let pixels = data.rawSample(index).map { UInt8($0) }
      let reply = try parties.client().infer([InputSample(values: data.rawSample(index), source: "digit \(index)")])
      #expect(try parties.matches(reply.predictions[0].scores, pixels))
    }
    let judged = try parties.run(
      "evaluate", "tiny.model", "--data", "digits", "--private", "control.sock", "--count", "20", "--json")
    #expect(judged.code == 0, "\(judged.error)")
    #expect(judged.output.contains("\"labels_unlike_fixed\":0"), "\(judged.output)")
  }

  @Test(
    "Killed by force in the middle, a run goes on and ends with the same weights",
    arguments: ["train", "search", "finetune"])
  func killAndResume(command: String) throws {
    let site = try Site()
    try site.write(try table(), as: "table.json")
    let how: [String]
    switch command {
    case "train": how = ["train", "digits", "--gradual-epochs", "3"]
    case "search": how = ["search", "digits", "--table", "table.json", "--lambda", "0.01", "--finetune-epochs", "2"]
    default:
      let start = try site.run(
        "train", "digits", "--relu", "--epochs", "1", "--limit", "320", "--output", "start.model")
      #expect(start.code == 0, "\(start.error)")
      how = ["finetune", "start.model", "--teacher", "start.model"]
    }
    let flags = ["--epochs", "12", "--limit", "480", "--batch", "32", "--threads", "1"]
    let whole = try Executable.run(how + flags + ["--output", "whole.model"], in: site.folder)
    #expect(whole.code == 0, "\(whole.error)")
    let checkpointed =
      how + flags + ["--output", "again.model", "--checkpoint", "run.checkpoint", "--log", "run.jsonl"]
    let process = try site.start("trainer", checkpointed)
    try eventually("three epochs") {
      ((try? RunLog.read(site.path("run.jsonl")))?.count ?? 0) >= 4 ? () : nil
    }
    process.kill()
    #expect(!FileManager.default.fileExists(atPath: site.path("again.model")))
    let resumed = try Executable.run(checkpointed + ["--resume"], in: site.folder)
    #expect(resumed.code == 0, "\(resumed.error)")
    let (a, b) = (
      try ModelFile.load(from: site.path("whole.model")), try ModelFile.load(from: site.path("again.model"))
    )
    let isSame = a.parameters == b.parameters && a.graph == b.graph
    #expect(isSame)
  }

  @Test("What cannot be trained is refused in a sentence")
  func refusals() throws {
    let site = try Site()
    let cases: [([String], Int32, String)] = [
      (["search", "digits", "--lambda", "1", "--output", "x.model"], 64, "hw table"),
      (["search", "digits", "--relu-budget", "5", "--lambda", "1", "--output", "x.model"], 64, "one of"),
      (["train", "digits", "--network", "alexnet", "--output", "x.model"], 64, "alexnet"),
      (["train", "cifar10", "--output", "x.model"], 64, "--data-path"),
      (["finetune", "missing.model", "--output", "x.model"], 65, "missing.model"),
    ]
    for (arguments, code, word) in cases {
      let outcome = try Executable.run(arguments, in: site.folder)
      #expect(outcome.code == code && outcome.error.contains(word), "\(arguments): \(outcome.error)")
    }
    try site.write(try table().replacingOccurrences(of: "conv2.act", with: "other"), as: "table.json")
    let outcome = try site.run(
      "search", "digits", "--table", "table.json", "--lambda", "1", "--epochs", "1", "--output", "x.model")
    #expect(outcome.code == 65 && outcome.error.contains("conv2.act"), "\(outcome.error)")
  }
}
