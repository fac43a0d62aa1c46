import Foundation
import Hardware
import Networks
import Testing

/// `polympc hw` as users run it.
@Suite struct HardwareCommandTests {
  private let folder: URL

  init() throws {
    folder = FileManager.default.temporaryDirectory.appendingPathComponent("hw-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func run(_ line: String) throws -> Executable.Outcome {
    try Executable.run(line.split(separator: " ").map(String.init), in: folder)
  }

  private func object(_ outcome: Executable.Outcome) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  /// Every example of the help does what it says, as it is printed.
  @Test(arguments: ["hw", "hw latency", "hw table", "hw compare", "hw schedule", "hw list"])
  func examplesWorkAsPrinted(command: String) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let help = try run("\(command) --help").output
    let parts = help.components(separatedBy: "Examples:")
    try #require(parts.count == 2)
    let lines = parts[1].replacingOccurrences(of: "\\\n", with: " ").split(separator: "\n")
    let examples = lines.map { $0.trimmingCharacters(in: .whitespaces) }.prefix { !$0.hasPrefix("USAGE") }
      .filter { $0.hasPrefix("polympc ") }
    #expect(!examples.isEmpty)
    for example in examples {
      let outcome = try run(String(example.dropFirst("polympc ".count)))
      #expect(
        outcome.code == 0 && (!outcome.output.isEmpty || example.contains("--output")), "\(example): \(outcome.error)")
    }
    #expect(help.split(separator: "\n").allSatisfy { $0.count <= 80 })
  }

  @Test func latencyHasThePromisedFields() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let line = "hw latency --network resnet18 --dataset imagenet --activation x2act --device zcu104 --protocol pasnet"
    let found = try object(try run(line + " --json"))
    let milliseconds = try #require(found["latency_ms"] as? Double)
    #expect(abs(milliseconds - 63.7) < 0.1)
    #expect(found["communication_bytes"] as? Int == 35_930_112)
    #expect(abs(try #require(found["energy_mj"] as? Double) - 16 * milliseconds) < 1e-6)
    let layers = try #require(found["layers"] as? [[String: Any]])
    let sum = layers.reduce(0) { $0 + (($1["latency_ms"] as? Double) ?? 0) }
    #expect(abs(sum - milliseconds) < 1e-6)
    let rows = try run(line + " --csv").output.split(separator: "\n")
    #expect(rows.count == layers.count + 2 && rows[0].hasPrefix("layer,operator,latency ms"))
  }

  @Test func tablesAreWhatTheTrainerReads() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try run("hw table --network resnet20 --protocol pasnet --output t.json").code == 0)
    let data = try Data(contentsOf: folder.appendingPathComponent("t.json"))
    let table = try LatencyTable.decode(json: [UInt8](data))
    #expect(table.rows.count == 19 && table.device == "zcu104" && table.protocolName == "pasnet")
    #expect(try run("hw table --network resnet20 --protocol pasnet --output no/such/folder/t").code == 73)
  }

  @Test(arguments: [
    ("hw latency --network resnet19", Int32(64), "resnet18"),
    ("hw latency --network resnet18 --device zcu105", 64, "alveo-u250"),
    ("hw latency --network resnet18 --link moon", 64, "ethernet-1g"),
    ("hw latency --network resnet18 --protocol gmw", 64, "pasnet-equations"),
    ("hw latency --network resnet18 --dataset mnist", 64, "imagenet"),
    ("hw latency --network resnet18 --activation gelu", 64, "x2act or relu"),
    ("hw latency --network resnet18 --relu-layer nothing", 64, "stem.act"),
    ("hw latency --network resnet20 --phase offline", 65, "--host"),
    ("hw latency --network resnet20 --device bad.json", 65, "bad.json, key clock.unit"),
    ("hw latency --network resnet20 --device none.json", 65, "none.json"),
    ("hw latency --model bad.json", 65, "bad.json"),
    ("hw latency", 64, "--network"),
    ("hw latency --network resnet20 --batch 0", 64, "--batch"),
    ("hw latency --network resnet20 --json --csv", 64, "--csv"),
    ("hw compare --network resnet20 --protocol rlwe,gmw", 64, "gmw"),
    ("hw list boards", 64, "devices"),
  ])
  func mistakesHaveTheirCodeAndSayWhatIsPossible(line: String, code: Int32, words: String) throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let device = try run("hw list devices --json")
    #expect(device.code == 0)
    let bad =
      #"{"format": 1, "kind": "device", "name": "bad", "title": "b", "part": "p", "clock": {"value": 1, "unit": "W"}}"#
    try Data(bad.utf8).write(to: folder.appendingPathComponent("bad.json"))
    let outcome = try run(line)
    #expect(outcome.code == code, "\(line): \(outcome.error)")
    #expect(words.isEmpty || outcome.error.contains(words), "\(line): \(outcome.error)")
  }

  /// Models and plans are evaluated by their own program, to the byte that inspection foretells.
  @Test func modelsAndPlansGoByTheirPlan() throws {
    let site = try Site()
    func evaluate(_ file: String, _ more: String = "") throws -> [String: Any] {
      let line = "hw latency --model \(site.path(file)) --protocol rlwe --json" + more
      return try object(try run(line))
    }
    defer { try? FileManager.default.removeItem(at: folder) }
    let inspected = try object(try run("inspect \(site.path("tiny.plan")) --json"))
    let bytes = ["bytes_to_model_owner", "bytes_to_data_owner"].reduce(0) { $0 + ((inspected[$1] as? Int) ?? 0) }
    for file in ["tiny.model", "tiny.plan"] {
      let found = try evaluate(file)
      #expect(
        found["communication_bytes"] as? Int == bytes && found["rounds"] as? Int == inspected["round_trips"] as? Int)
    }
    let changed = try evaluate("tiny.model", " --activation relu")
    #expect((changed["communication_bytes"] as? Int ?? 0) > bytes)
    #expect(try run("hw latency --model \(site.path("tiny.model")) --protocol pasnet").code == 0)
    #expect(try run("hw latency --model \(site.path("tiny.plan")) --protocol pasnet").code == 65)
  }

  @Test func hostFilesAreDevices() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    func measured(_ value: Double, _ unit: String) -> Quantity {
      Quantity(value, unit, kind: .measured, source: "a test", accuracy: 0.1)
    }
    let host = HostModel(
      name: "lab", title: "a test", processor: "none", threads: 1,
      operations: Dictionary(uniqueKeysWithValues: Descriptor.operationKinds.map { ($0, measured(2, "ns/op")) }),
      overheads: [:], link: HostModel.Loopback(roundTrip: measured(20, "us"), rate: measured(1, "GB/s")))
    try host.fileText().write(to: folder.appendingPathComponent("lab.json"))
    let offline = try object(
      try run("hw latency --network digits --device lab.json --protocol rlwe --phase offline --batch 4 --json"))
    #expect(offline["device"] as? String == "lab" && offline["link"] as? String == "loopback")
    #expect(offline["energy_mj"] == nil)
    let helped = try run("hw latency --network digits --device zcu104 --host lab.json --protocol rlwe --phase offline")
    #expect(helped.code == 0 && helped.output.contains("ntt.8192"))
    let link = #"{"format": 1, "kind": "link", "name": "wire", "title": "w", "rate": R, "latency": L}"#
      .replacingOccurrences(
        of: "R", with: #"{"value": 1, "unit": "Gbit/s", "kind": "assumed", "source": "s", "accuracy": 0}"#
      ).replacingOccurrences(
        of: "L", with: #"{"value": 1, "unit": "ms", "kind": "assumed", "source": "s", "accuracy": 0}"#)
    try Data(link.utf8).write(to: folder.appendingPathComponent("wire.json"))
    let wired = try object(try run("hw latency --network digits --protocol pasnet --link wire.json --json"))
    #expect(wired["link"] as? String == "wire")
  }

  @Test func comparisonsHaveARowForEachCombination() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let line = "hw compare --network resnet20 --device zcu104,alveo-u250 --link ethernet-1g,wan --protocol rlwe,pasnet"
    let rows = try run(line + " --activation x2act,relu --csv").output.split(separator: "\n")
    #expect(rows.count == 1 + 16)
    let figures = try run("hw compare --published").output
    #expect(figures.contains("PASNet-C, ImageNet") && figures.contains("deviates"))
  }
}
