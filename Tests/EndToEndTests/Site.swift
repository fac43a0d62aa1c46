import Daemons
import Foundation
import Networks
import Rings
import Transport

/// A small network with random coefficients, and what its fixed-point twin says of samples.
struct TinyModel {
  let file: ModelFile
  let planned: PlannedModel

  init(
    seed: UInt64 = 1, activation: ActivationChoice = .x2act(X2actSpec()), options: PlannerOptions = PlannerOptions()
  ) throws {
    let graph = Builders.digits(activation: activation)
    var file = ModelFile(
      graph: graph, parameters: try Parameters.benchmarkPolynomial(graph, seed: seed), options: options,
      provenance: ["data": "none"])
    try file.calibrate(samples: (0..<4).map { Benchmarks.randomSample(graph, seed: 70 + $0) })
    try self.init(file: file)
  }

  /// A model that was made elsewhere, of the digits network's input.
  init(file: ModelFile) throws {
    self.file = file
    planned = try file.planned()
  }

  /// Pixels of a sample, 0...16.
  func pixels(_ seed: UInt64) -> [UInt8] {
    var state = seed
    return (0..<planned.plan.input.shape.count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8((state >> 33) % 17)
    }
  }

  /// Scores of the plaintext twin.
  func scores(_ pixels: [UInt8]) throws -> [Double] {
    let twin = try Twin(planned.plan, planned.quantized)
    return try twin.logits(normalized: try planned.plan.input.normalize(raw: pixels.map(Float.init))).values
  }
}

/// A folder with three identities, a model and its plan, and the daemons over them.
final class Site: @unchecked Sendable {
  // Unchecked: daemons are started by the test's own thread; others only ask.
  static let model = Result { try TinyModel() }

  let folder: URL
  let model: TinyModel
  private(set) var daemons: [DaemonProcess] = []

  init(model given: TinyModel? = nil) throws {
    model = try given ?? Self.model.get()
    // Short, because the path of a socket has at most 107 bytes.
    folder = URL(fileURLWithPath: "/tmp/polympc-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    for name in ["dealer", "model-owner", "data-owner", "stranger"] {
      try Identity.generate(name: name).save(directory: path(name), overwrite: false)
    }
    try model.file.write(to: path("tiny.model"))
    try PlanFile(plan: model.planned.plan, modelDigest: model.file.modelDigest()).write(to: path("tiny.plan"))
  }

  deinit {
    for daemon in daemons { daemon.kill() }
    try? FileManager.default.removeItem(at: folder)
  }

  func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

  func fingerprint(_ name: String) throws -> String {
    try Identity.load(directory: path(name)).fingerprint.fingerprintText
  }

  @discardableResult
  func write(_ text: String, as name: String) throws -> String {
    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
    return path(name)
  }

  func start(_ name: String, _ arguments: [String]) throws -> DaemonProcess {
    let daemon = try DaemonProcess(name, arguments, in: folder)
    daemons.append(daemon)
    return daemon
  }

  func run(_ arguments: String...) throws -> Executable.Outcome { try Executable.run(arguments, in: folder) }

  // MARK: Daemons

  func startDealer(port: UInt16 = 0, extra: [String] = []) throws -> DaemonProcess {
    try start(
      "dealer",
      [
        "dealer", "--identity", "dealer", "--listen", "127.0.0.1:\(port)", "--admin", "off",
        "--allow", try fingerprint("model-owner"), "--allow", try fingerprint("data-owner"),
      ] + extra)
  }

  func startModelOwner(
    dealer: UInt16, port: UInt16 = 0, model: String = "tiny.model", handshake: Double = 30, extra: [String] = []
  ) throws -> DaemonProcess {
    try write(
      """
      role: model-owner
      identity: model-owner
      model: \(model)
      listen: 127.0.0.1:\(port)
      peers: ["\(try fingerprint("data-owner"))"]
      dealer: {address: "127.0.0.1:\(dealer)", fingerprint: "\(try fingerprint("dealer"))"}
      timeouts: {handshake: \(handshake), message: 30}
      admin: off

      """, as: "model-owner.yaml")
    return try start("model-owner", ["party", "--config", "model-owner.yaml"] + extra)
  }

  func startDataOwner(
    dealer: UInt16, peer: UInt16, identity: String = "data-owner", pinned: String = "model-owner", sessions: Int = 1,
    extra: [String] = []
  ) throws -> DaemonProcess {
    try write(
      """
      role: data-owner
      identity: \(identity)
      plan: tiny.plan
      peer: {address: "127.0.0.1:\(peer)", fingerprint: "\(try fingerprint(pinned))"}
      dealer: {address: "127.0.0.1:\(dealer)", fingerprint: "\(try fingerprint("dealer"))"}
      control: control.sock
      sessions: \(sessions)
      prepare: {level: 2, chunk: 2}
      timeouts: {handshake: 30, message: 30}
      admin: off

      """, as: "data-owner.yaml")
    return try start("data-owner", ["party", "--config", "data-owner.yaml"] + extra)
  }

  /// All three, ready to answer.
  func startAll(sessions: Int = 1, handshake: Double = 30) throws -> Trio {
    let dealer = try startDealer()
    let dealerPort = try dealer.port()
    let modelOwner = try startModelOwner(dealer: dealerPort, handshake: handshake)
    let modelPort = try modelOwner.port()
    let dataOwner = try startDataOwner(dealer: dealerPort, peer: modelPort, sessions: sessions)
    try waitForSessions(sessions)
    return Trio(
      dealer: dealer, modelOwner: modelOwner, dataOwner: dataOwner, dealerPort: dealerPort, modelPort: modelPort)
  }

  // MARK: Queries

  func client() throws -> ControlClient { try ControlClient(path: path("control.sock"), timeout: 120) }

  func waitForSessions(_ count: Int) throws {
    do {
      try eventually("\(count) sessions") { (try? client().status())?.sessions == count ? () : nil }
    } catch { throw Overdue(what: "\(count) sessions; logs:\n\(daemons.map(\.log).joined(separator: "\n"))") }
  }

  /// Asks for a sample over the control socket, and compares with the plaintext twin.
  func isAnswered(_ seed: UInt64) throws -> Bool {
    let pixels = model.pixels(seed)
    let reply = try client().infer([InputSample(values: pixels.map(Float.init), source: "sample \(seed)")])
    return try matches(reply.predictions[0].scores, pixels)
  }

  /// Whether private scores are the twin's, up to what single units of truncation come to. Labels are equal, unless the
  /// twin's best two scores lie within 0.5 % of the scale.
  func matches(_ scores: [Double], _ pixels: [UInt8]) throws -> Bool {
    let wanted = try model.scores(pixels)
    let scale = wanted.map(abs).max() ?? 1
    guard scores.count == wanted.count, zip(scores, wanted).allSatisfy({ abs($0 - $1) < 0.02 * scale }) else {
      return false
    }
    let label = scores.indices.max { scores[$0] < scores[$1] }!
    return wanted[label] >= wanted.max()! - 0.005 * scale
  }

  /// Whether the daemons still serve: the same one as before, by process.
  func serves(_ seed: UInt64, _ trio: Trio) throws -> Bool {
    try trio.dealer.isRunning && trio.modelOwner.isRunning && trio.dataOwner.isRunning && isAnswered(seed)
  }
}

/// The three daemons of a site.
struct Trio {
  var dealer: DaemonProcess
  var modelOwner: DaemonProcess
  var dataOwner: DaemonProcess
  var dealerPort: UInt16
  var modelPort: UInt16
}
