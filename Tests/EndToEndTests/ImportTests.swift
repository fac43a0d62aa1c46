import Foundation
import Networks
import ONNX
import Testing

/// ONNX files as users bring them.
@Suite("Import, check, inspect and export", .serialized)
struct ImportTests {
  private static let references = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("ONNXTests/References")

  private static func tensor(_ name: String) throws -> DenseTensor {
    try DenseTensor.load(path: references.appendingPathComponent(name).path)
  }

  private struct Accepted: Decodable {
    var samples: Int
    var labelChanges: Int
    var outOfRange: Int
    var relativeError: Double
    var accepted: Bool
  }

  private struct Line: Decodable {
    var label: Int
    var scores: [Double]
  }

  private func decode<Value: Decodable>(_ type: Value.Type, _ text: some StringProtocol) throws -> Value {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(type, from: Data(text.utf8))
  }

  /// PyTorch's file and samples in a site's folder: as NumPy writes them, and as ONNX does.
  private func bring(to site: Site) throws -> DenseTensor {
    for (name, copy) in [("torch-digits.onnx", "net.onnx"), ("torch-digits-input.pb", "samples.pb")] {
      try FileManager.default.copyItem(
        at: Self.references.appendingPathComponent(name), to: site.folder.appendingPathComponent(copy))
    }
    let samples = try Self.tensor("torch-digits-input.pb")
    var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(samples.dims[0]), 1, 8, 8), }"
    header += String(repeating: " ", count: 117 - header.utf8.count) + "\n"
    let bytes = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8)
    try FileManager.default.createDirectory(atPath: site.path("samples"), withIntermediateDirectories: true)
    try (bytes + samples.floats.withUnsafeBytes { Data($0) }).write(
      to: site.folder.appendingPathComponent("samples/digits.npy"))
    return samples
  }

  @Test("A file from PyTorch, imported and asked through two parties, gives the labels of the float network")
  func privately() throws {
    let site = try Site()
    let samples = try bring(to: site)
    let imported = try site.run("import", "net.onnx", "--calibrate", "samples", "--output", "net.model")
    #expect(imported.code == 0 && imported.output.contains("calibrated on 40 samples"), "\(imported.error)")
    let checked = try site.run("check", "net.model", "--samples", "samples.pb", "--json")
    #expect(checked.code == 0, "\(checked.error)")
    let account = try decode(Accepted.self, checked.output)
    #expect(account.samples == 40 && account.labelChanges == 0 && account.outOfRange == 0 && account.accepted)
    #expect(account.relativeError < 0.005 && account.relativeError > 0)

    let parties = try Site(model: try TinyModel(file: try ModelFile.load(from: site.path("net.model"))))
    _ = try parties.startAll()
    let outcome = try parties.run(
      "infer", "--control", "control.sock", site.path("samples/digits.npy"), "--index", "0..<12", "--json")
    #expect(outcome.code == 0, "\(outcome.error)")
    let lines = try outcome.output.split(separator: "\n").map { try decode(Line.self, $0) }
    let wanted = try Self.tensor("torch-digits-output.pb").floats.map(Double.init)
    #expect(lines.count == 12 && samples.dims[0] == 40)
    for (index, line) in lines.enumerated() {
      let probabilities = Array(wanted[index * 10..<index * 10 + 10])
      #expect(line.label == probabilities.indices.max { probabilities[$0] < probabilities[$1] })
      // The data owner made a softmax of the scores.
      #expect(zip(line.scores, probabilities).allSatisfy { abs($0 - $1) < 0.01 })
    }
    // The same samples in ONNX's own form, some of them and as one batch.
    let tensors = try parties.run(
      "infer", "--control", "control.sock", site.path("samples.pb"), "--index", "2..<6", "--batch", "4", "--json")
    #expect(tensors.code == 0, "\(tensors.error)")
    let others = try tensors.output.split(separator: "\n").map { try decode(Line.self, $0) }
    #expect(others.map(\.label) == lines[2..<6].map(\.label))
    let beyond = try parties.run("infer", "--control", "control.sock", site.path("samples.pb"), "--index", "40")
    #expect(beyond.code == 65 && beyond.error.contains("it has 40 samples"), "\(beyond.error)")
  }

  @Test("Checks fail where they must, and say so by their exit code")
  func check() throws {
    let site = try Site()
    _ = try bring(to: site)
    let imported = try site.run("import", "net.onnx", "--calibrate", "samples.pb", "--output", "net.model", "--json")
    #expect(imported.code == 0 && imported.output.contains("\"finish\":\"softmax\""), "\(imported.error)")
    let strict = try site.run("check", "net.model", "--samples", "samples", "--threshold", "0.000001")
    #expect(strict.code == 1 && strict.error.contains("not as close"), "\(strict.output)")
    // Ranges of samples that are far too small do not hold others.
    let small = [Float](repeating: 0.001, count: 64).map { "\($0)" }.joined(separator: ",") + "\n"
    try site.write(small, as: "small.csv")
    let narrow = try site.run(
      "import", "net.onnx", "--calibrate", "small.csv", "--margin", "1", "--output", "narrow.model")
    #expect(narrow.code == 0, "\(narrow.error)")
    let beyond = try site.run("check", "narrow.model", "--samples", "samples", "--json")
    #expect(beyond.code == 1, "\(beyond.output)")
    #expect(try decode(Accepted.self, beyond.output).outOfRange > 0)
    let random = try site.run("import", "net.onnx", "--calibrate-random", "8", "--output", "random.model")
    #expect(random.code == 0 && random.output.contains("random numbers"), "\(random.error)")
    #expect(try ModelFile.load(from: site.path("random.model")).provenance["calibration"] == "random numbers")
    for wrong in [
      ["import", "net.onnx", "--output", "no.model"], ["import", "net.onnx", "--calibrate", "samples"],
      ["check", "net.model"], ["import", "net.onnx", "--mean", "0.5"],
    ] { #expect(try Executable.run(wrong, in: site.folder).code == 64, "\(wrong)") }
    for (wrong, reason) in [
      (["import", "absent.onnx"], "could not be read"),
      (["import", "samples.pb"], "is this a model?"),
      (["import", "net.onnx", "--calibrate", "absent", "--output", "no.model"], "no such file"),
      (["import", "net.onnx", "--sample-shape", "3,8,8"], "axis 0"),
    ] {
      let outcome = try Executable.run(wrong, in: site.folder)
      #expect(outcome.code == 65 && outcome.error.contains(reason), "\(wrong): \(outcome.error)")
    }
    #expect(!FileManager.default.fileExists(atPath: site.path("no.model")))
  }

  @Test(
    "inspect shows layers, comparisons, material, bytes and predicted latency; an ONNX file's layers before planning")
  func inspect() throws {
    let site = try Site()
    _ = try bring(to: site)
    let before = try site.run("inspect", "net.onnx")
    #expect(before.code == 0 && before.output.contains("subsample") && before.output.contains("maxpool"), "\(before)")
    let listed = try site.run("import", "net.onnx")
    #expect(listed.code == 0 && listed.output.contains("by the data owner: softmax"), "\(listed)")
    #expect(try site.run("import", "net.onnx", "--calibrate", "samples", "--output", "net.model").code == 0)
    let after = try site.run("inspect", "net.model", "--device", "epyc-zen5")
    for part in [
      "comparisons per inference", "its material: ", "range bits", "by the data owner: softmax",
      "predicted on a pair of epyc-zen5", "round trips",
    ] { #expect(after.output.contains(part), "\(part): \(after.output) \(after.error)") }
    let json = try site.run("inspect", "net.model", "--device", "epyc-zen5", "--json")
    let object = try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [String: Any]
    let latency = object?["latency"] as? [String: Any]
    #expect((latency?["query_seconds"] as? Double ?? 0) > 0 && (latency?["preparation_seconds"] as? Double ?? 0) > 0)
    #expect((object?["material"] as? [String: Int])?.isEmpty == false)
    #expect(try site.run("inspect", "net.model", "--device", "none-such").code == 64)
    let hardware = try site.run("hw", "latency", "--model", "net.onnx", "--protocol", "rlwe", "--json")
    #expect(hardware.code == 0, "\(hardware.error)")
  }

  @Test("A trained network leaves as ONNX and safetensors, and both come back")
  func export() throws {
    let site = try Site()
    let exported = try site.run(
      "export", "tiny.model", "--onnx", "tiny.onnx", "--safetensors", "tiny.safetensors", "--json")
    #expect(exported.code == 0 && !exported.output.contains("plan_digest"), "\(exported.error)")
    let model = try ONNXImporter.load(path: site.path("tiny.onnx"))
    let executors = [
      try FloatExecutor(graph: site.model.file.graph, parameters: site.model.file.parameters),
      try FloatExecutor(graph: model.graph, parameters: model.parameters),
    ]
    let sample = Benchmarks.randomSample(model.graph, seed: 3)
    let outputs = try executors.map { try $0.output(of: sample) }
    #expect(zip(outputs[0], outputs[1]).allSatisfy { abs($0 - $1) <= 1e-5 * max(1, abs($0)) })
    let tensors = try Safetensors.load(path: site.path("tiny.safetensors"))
    #expect(try Safetensors.parameters(for: site.model.file.graph, from: tensors) == site.model.file.parameters)
    // Training starts where the weights are.
    let trained = try site.run(
      "train", "digits", "--from", "tiny.safetensors", "--epochs", "1", "--limit", "100", "--output", "more.model")
    #expect(trained.code == 0, "\(trained.error)")
    #expect(try site.run("export", "tiny.model").code == 64)
    let missing = try site.run(
      "train", "cifar10", "--data-path", ".", "--network", "mobilenetv2", "--from", "tiny.safetensors", "--output",
      "n.model")
    #expect(missing.code == 65, "\(missing.error)")
  }
}
