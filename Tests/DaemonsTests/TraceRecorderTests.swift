import Foundation
import Inference
import Programs
import Rings
import Testing
import Tracing
import Transport

@testable import Daemons

@Suite("Traces of a daemon")
struct TraceRecorderTests {
  private static let program: Program = {
    func tensor(_ modulus: ModulusKind) -> TensorInfo {
      TensorInfo(shape: TensorShape(vector: 3), modulus: modulus, fractionBits: 8)
    }
    return Program(
      name: "three",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(.field)),
        Step(
          name: "act", operation: .activation(ActivationSpec(droppedBits: 8, truncation: .exact)), inputs: [0],
          tensor: tensor(.word)),
        Step(name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(.word)),
      ])
  }()

  private static func recorder(_ role: PartyRole = .modelOwner, capacity: Int = 1000) -> TraceRecorder {
    TraceRecorder(path: "/nonexistent/trace.json", role: role, program: program, capacity: capacity)
  }

  private static func spans(_ file: TraceFile) -> [TraceEvent] { file.events.filter { $0.phase == .complete } }

  @Test("Activities nest, and steps have the program's names")
  func nesting() throws {
    let recorder = Self.recorder()
    let session = recorder.session(number: 77)
    session.begin(.query(samples: 2))
    for index in 0..<3 {
      session.begin(.step(index))
      session.end()
    }
    session.end()
    let spans = Self.spans(recorder.file())
    #expect(spans.map(\.name) == ["query of 2", "input", "act", "output"])
    #expect(spans.map(\.category) == ["query", "input", "x2act", "output"])
    #expect(spans.dropFirst().allSatisfy { $0.time >= spans[0].time })
    #expect(spans.allSatisfy { $0.time + $0.duration <= spans[0].time + spans[0].duration && $0.duration >= 0 })
    #expect(spans.allSatisfy { $0.process == 0 && $0.thread == 1 })
  }

  @Test("At the data owner, steps that are the model owner's alone have no span")
  func dataOwnersSteps() throws {
    var program = Self.program
    program.steps.insert(
      Step(name: "flat", operation: .reshape, inputs: [1], tensor: program.steps[1].tensor), at: 2)
    let recorder = TraceRecorder(path: "/nonexistent/trace.json", role: .dataOwner, program: program)
    let session = recorder.session(number: 1)
    for index in program.steps.indices {
      session.begin(.step(index))
      session.end()
    }
    #expect(Self.spans(recorder.file()).map(\.name) == ["input", "act", "output"])
  }

  @Test("Both ends see each frame, and nothing of its content", arguments: [0, 1, 5000])
  func frames(bytes: Int) throws {
    let (first, second) = MemoryStream.pair()
    let channels = (FramedChannel(first), FramedChannel(second))
    let recorders = (Self.recorder(), Self.recorder(.dataOwner))
    channels.0.observer = recorders.0.session(number: 9)
    channels.1.observer = recorders.1.session(number: 9)
    let payload = [UInt8](repeating: 0x5a, count: bytes)
    try channels.0.send(FrameKind(rawValue: 0x32), payload)
    #expect(try channels.1.receive(FrameKind(rawValue: 0x32), byteCount: bytes) == payload)
    let (sent, seen) = (Self.spans(recorders.0.file()), Self.spans(recorders.1.file()))
    #expect(sent.map(\.name) == ["send opening"] && sent[0].thread == 2)
    #expect(seen.map(\.category) == (bytes > 0 ? ["wait", "receive"] : ["wait"]))
    for event in sent + seen {
      #expect(event.argument("bytes") == .integer(bytes) && event.argument("sequence") == .integer(0))
      #expect(event.argument("session") == .text("9"))
      #expect(Set(event.arguments.map(\.name)) == ["bytes", "sequence", "session"])
    }
  }

  @Test("Of more spans than fit the latest are kept, and the file says so")
  func memoryIsBounded() throws {
    let recorder = Self.recorder(capacity: 8)
    let session = recorder.session(number: 1)
    for count in 1...20 {
      session.begin(.preparation(inferences: count))
      session.end()
    }
    let file = recorder.file()
    #expect(Self.spans(file).map(\.name) == (13...20).map { "prepare \($0)" })
    #expect(file.facts["dropped_spans"] == .integer(12))
  }

  @Test("The file is replaced whole, and is a trace that can be read; a failure says why")
  func file() throws {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let path = folder.appendingPathComponent("trace.json").path
    let recorder = TraceRecorder(path: path, role: .modelOwner, program: Self.program)
    let session = recorder.session(number: 1)
    for count in 1...2 {
      session.begin(.lease)
      session.end()
      try recorder.write()
      let file = try TraceFile(json: Array(Data(contentsOf: URL(fileURLWithPath: path))), name: path)
      #expect(Self.spans(file).count == count)
      #expect(file.facts["role"] == .text("model-owner") && file.facts["program"] == .text("three"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["trace.json"])
    #expect(throws: (any Error).self) { try Self.recorder().write() }
  }

  @Test("Both roles take the key; a flag wins, and the dealer has none")
  func configuration() throws {
    let yaml = """
      role: model-owner
      identity: model-owner
      model: digits.model
      listen: 127.0.0.1:7001
      peers: ["\(String(repeating: "a", count: 64))"]

      """
    func trace(_ more: String, _ overrides: [ConfigurationOverride] = []) throws -> String? {
      try PartyConfiguration.parse(yaml: yaml + more, file: "/site/party.yaml", overrides: overrides).common.trace
    }
    #expect(try trace("") == nil)
    #expect(try trace("trace: t.json\n") == "/site/t.json")
    let flag = ConfigurationOverride(key: "trace", values: ["f.json"], flag: "--trace")
    #expect(try trace("trace: t.json\n", [flag]) == "f.json")
    #expect(throws: DaemonsError.self) { try trace("trace: \"\"\n") }
    let dealer = "identity: d\nlisten: 127.0.0.1:1\npeers: [\"\(String(repeating: "a", count: 64))\"]\ntrace: t\n"
    #expect(throws: DaemonsError.self) { try DealerConfiguration.parse(yaml: dealer, file: "d.yaml") }
  }
}
