import Foundation
import Programs
import Rings
import Testing

@testable import Hardware

/// The simulation on hosts whose numbers are round, against results computed by hand.
@Suite("Time of phases on calibrated hosts")
struct TimingTests {
  /// Every routine takes `each` nanoseconds; the link as told, in microseconds and MB/s.
  static func host(
    each: Double = 0, _ routines: [String: Double] = [:], roundTrip: Double = 100, wakeUp: Double = 0,
    rate: Double = 1e9, send: Double = 0, receive: Double = 0, spin: Double = 50, control: String = "cubic"
  ) -> HostModel {
    func measured(_ value: Double, _ unit: String) -> Quantity {
      Quantity(value, unit, kind: .measured, source: "made up", accuracy: 0.1)
    }
    var all = Dictionary(uniqueKeysWithValues: Descriptor.routineKinds.map { ($0, measured(each, "ns")) })
    for (name, value) in routines { all[name] = measured(value, "ns") }
    let link = HostLink(
      roundTrip: measured(roundTrip, "us"), wakeUp: measured(wakeUp, "us"), rate: measured(rate, "MB/s"),
      send: measured(send, "ns/byte"), receive: measured(receive, "ns/byte"), spin: measured(spin, "us"),
      control: control)
    return HostModel(
      name: "round", title: "Round", processor: "none", threads: 1, operations: [:], overheads: [:],
      link: HostModel.Loopback(roundTrip: measured(roundTrip, "us"), rate: measured(1, "GB/s")), routines: all,
      links: [HostModel.loopback: link])
  }

  static func square(_ count: Int, layers: Int = 1) -> Program {
    func tensor(_ modulus: ModulusKind) -> TensorInfo {
      TensorInfo(shape: TensorShape(vector: count), modulus: modulus, fractionBits: 8)
    }
    var steps = [Step(name: "input", operation: .input, inputs: [], tensor: tensor(.field))]
    for layer in 1...layers {
      steps.append(
        Step(
          name: "act \(layer)", operation: .activation(ActivationSpec(droppedBits: 8, truncation: .local)),
          inputs: [layer - 1], tensor: tensor(layer == layers ? .word : .field)))
    }
    steps.append(
      Step(name: "output", operation: .output(droppedBits: 0), inputs: [layers], tensor: tensor(.word)))
    return Program(name: "square", steps: steps)
  }

  private func seconds(
    _ program: Program, _ host: HostModel, phase: CostPhase = .online, source: CostModel.Source = .dealer, bulk: Int = 1
  ) throws -> TimePrediction {
    try TimingModel(try CostModel()).predict(
      program: program, phase: phase, bulk: bulk, source: source, setting: try TimingSetting(host: host))
  }

  private func expectNear(_ a: Double, _ b: Double, _ tolerance: Double = 1e-6) {
    #expect(abs(a - b) <= tolerance * max(abs(a), abs(b)), "\(a) and \(b)")
  }

  @Test("Without work a query takes its messages' ways: two and a half round trips and one half for L = 2")
  func turns() throws {
    // Input there, then there and back an activation, then the output: 2 + 2 L halves, the bytes free.
    let found = try seconds(Self.square(16, layers: 2), Self.host(rate: 1e12))
    expectNear(found.seconds, 6 * 50e-6)
    let waking = try seconds(Self.square(16, layers: 2), Self.host(wakeUp: 7, rate: 1e12, spin: 10))
    // Every way is longer than the spin, and each end is woken for each of the five messages that it waits for but the first:
    // three at the model owner (input, two answers), three at the data owner (two openings, the output).
    expectNear(waking.seconds, 6 * 57e-6)
  }

  @Test("Work of the two parties adds up where one waits for the other")
  func chain() throws {
    // Pieces are whole: 16 elements. Model owner: two passes of 16 x 1000 ns an activation; data owner one of 16 x 3000 ns.
    let host = Self.host(["x2act.leadLocal": 1000, "x2act.answerLocal": 3000, "x2act.call": 500_000], rate: 1e12)
    let found = try seconds(Self.square(16), host)
    expectNear(found.seconds, 4 * 50e-6 + 2 * 16e-6 + 48e-6 + 2 * 500e-6)
    let model = try #require(found.parties.first { $0.party == .modelOwner })
    expectNear(model.computing, 32e-6 + 500e-6)
    #expect(found.steps.map(\.name) == ["input", "act 1", "output"])
    expectNear(found.steps.reduce(0) { $0 + $1.seconds }, found.seconds)
  }

  @Test("Large messages are made, sent and answered piece by piece")
  func pieces() throws {
    let count = 1 << 16
    let host = Self.host(["x2act.leadLocal": 100, "x2act.answerLocal": 100], roundTrip: 0.001, rate: 1e12)
    let found = try seconds(Self.square(count), host)
    let pass = Double(count) * 100e-9
    // Opening and answering overlap but for a tile of eight; closing follows the answers as they come, after all openings.
    #expect(found.seconds > 2 * pass && found.seconds < 2.3 * pass, "\(found.seconds) for passes of \(pass)")
  }

  @Test("What is made as a whole is worked on before it leaves, and after all of it has come")
  func wholes() throws {
    let count = 1 << 16
    // The output: ends that neither overlap with each other nor with the way between them.
    let host = Self.host(["output.give": 100, "output.take": 100], roundTrip: 0.001, rate: 1000)
    let found = try seconds(Self.square(count), host)
    let (pass, way) = (Double(count) * 100e-9, Double(8 * count) * 1e-9)
    // Input and output pass whole, the activation's messages side by side.
    #expect(found.seconds > 2 * pass + 3 * way && found.seconds < 2 * pass + 4.2 * way, "\(found.seconds)")
  }

  @Test("A dealer without a core of its own takes turns with the model owner")
  func sharedCore() throws {
    let program = Self.square(4096, layers: 3)
    var setting = try TimingSetting(host: Self.host(["mask.call": 3_000_000], roundTrip: 0.001, rate: 1e9))
    func prediction(_ shared: Bool) throws -> TimePrediction {
      setting.dealerSharesCore = shared
      return try TimingModel(try CostModel()).predict(
        program: program, phase: .offline, source: .dealer, setting: setting)
    }
    let (apart, together) = (try prediction(false), try prediction(true))
    let core = together.parties.filter { $0.party != .dataOwner }.reduce(0) { $0 + $1.computing }
    for (one, other) in zip(together.parties, apart.parties) { expectNear(one.computing, other.computing) }
    #expect(together.seconds >= core && together.seconds < 1.5 * core)
    #expect(apart.seconds < 0.9 * together.seconds)
  }

  @Test("Where deliveries set the pace, a message leaves as fast as the largest before it allowed")
  func pace() throws {
    let program = Self.square(10_000)
    let free = try seconds(program, Self.host(roundTrip: 40_000, rate: 1000))
    let paced = try seconds(program, Self.host(roundTrip: 40_000, rate: 1000, control: "bbr"))
    expectNear(free.seconds, 4 * 20e-3, 0.01)
    // In balance a message of M bytes takes T at 2.885 times M / (round trip + T): 0.53 round trips, four times.
    let slower = 4 * 40e-3 / 1.885
    #expect(paced.seconds > free.seconds + 0.8 * slower && paced.seconds < free.seconds + 1.3 * slower)
    // On a link that holds less than a message it makes no difference in the end.
    let (short, same) = try (
      seconds(Self.square(1 << 18), Self.host(roundTrip: 100, rate: 10)).seconds,
      seconds(Self.square(1 << 18), Self.host(roundTrip: 100, rate: 10, control: "bbr")).seconds
    )
    expectNear(short, same, 0.03)
  }

  @Test("Comparisons are prepared digit by digit: the ends work at the same time")
  func digits() throws {
    func tensor(_ modulus: ModulusKind) -> TensorInfo {
      TensorInfo(shape: TensorShape(vector: 8192), modulus: modulus, fractionBits: 8)
    }
    let spec = ComparisonSpec(droppedBits: 8, digits: ComparisonDigits(widths: [4, 4, 4, 4]))
    let program = Program(
      name: "relu",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(.word)),
        Step(name: "relu", operation: .comparison(spec), inputs: [0], tensor: tensor(.word)),
        Step(name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(.word)),
      ])
    let host = Self.host(["silent.give": 100, "silent.take": 100], roundTrip: 0.001, rate: 1e9)
    let found = try seconds(program, host, phase: .offline, source: .lattice)
    let busy = found.parties.map(\.computing)
    // A fifth of what one end draws passes before the other begins, and what follows the digits is one after the other.
    #expect(found.seconds > busy.max()! && found.seconds < 1.45 * busy.max()!, "\(found.seconds) of \(busy)")
  }

  @Test("Bytes take their time on the link, and of both processors")
  func bytes() throws {
    let count = 1000
    let host = Self.host(roundTrip: 0.001, rate: 1, send: 10, receive: 20)
    let found = try seconds(Self.square(count), host)
    let payload = Double(28 + 8 * count + 16 + 8 * count + 16 + 8 * count + 16 + 8 * count + 16)
    // Each byte: 1 us on the way, from when it is sealed on, and 20 ns at the receiver, one message after the other. Sealing
    // (10 ns) falls into the time on the way.
    expectNear(found.seconds, payload * 1.02e-6, 1e-4)
    let data = try #require(found.parties.first { $0.party == .dataOwner })
    expectNear(data.transport, Double(28 + 2 * (8 * count + 16)) * 10e-9 + Double(2 * (8 * count + 16)) * 20e-9)
  }

  @Test("The data owner's requests of a bulk do not wait for answers")
  func waves() throws {
    // Four layers a bulk: two waves, so that the link's delay is paid for them together and not four times.
    var steps = Self.square(64, layers: 4)
    steps.name = "waves"
    let found = try seconds(steps, Self.host(roundTrip: 10000, rate: 1e9), phase: .offline, source: .lattice)
    // prepare there; all shares follow without waiting; products back; prepared after them.
    #expect(found.seconds > 0.0099 && found.seconds < 0.021, "\(found.seconds)")
  }

  @Test("Offline, where steps overlap, each has its part of the work of who works longest")
  func shares() throws {
    let program = Self.square(64, layers: 3)
    let found = try seconds(program, Self.host(["ole.cipher": 1e6]), phase: .offline, source: .lattice)
    let steps = found.steps.filter { $0.name.hasPrefix("act") }
    #expect(steps.count == 3)
    for step in steps { expectNear(step.seconds, found.seconds / 3, 1e-3) }
  }

  @Test("Held transforms of weights spare their routines alone")
  func held() throws {
    let geometry = LinearGeometry(
      inChannels: 64, outChannels: 64, inHeight: 16, inWidth: 16, kernel: 3, padding: 1)
    func tensor(_ shape: TensorShape) -> TensorInfo { TensorInfo(shape: shape, modulus: .word, fractionBits: 8) }
    let program = Program(
      name: "layer",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(geometry.inputShape)),
        Step(name: "layer", operation: .linear(geometry), inputs: [0], tensor: tensor(geometry.outputShape)),
        Step(name: "output", operation: .output(droppedBits: 0), inputs: [1], tensor: tensor(geometry.outputShape)),
      ])
    let host = Self.host(["lattice.weight": 1e6], roundTrip: 0.001, rate: 1e12)
    var setting = try TimingSetting(host: host)
    func time(_ held: Int) throws -> Double {
      setting.heldTransforms = held
      return try TimingModel(try CostModel()).predict(program: program, phase: .offline, setting: setting).seconds
    }
    let units = try #require(
      try CostModel().routineCounts(program: program, phase: .offline)[.modelOwner]?["lattice.weight"])
    #expect(units > 1)
    expectNear(try time(0), units * 1e-3, 1e-2)
    expectNear(try time(1), (units - 1) * 1e-3, 1e-2)
    #expect(try time(Int(units)) < 1e-4)
  }

  @Test("A host without a routine is named with it, and sessions are not timed")
  func missing() throws {
    var host = Self.host()
    host.routines["x2act.call"] = nil
    #expect(throws: HardwareError.noRoutine(routine: "x2act.call", host: "round")) {
      try seconds(Self.square(4), host)
    }
    #expect(throws: HardwareError.self) { try seconds(Self.square(4), Self.host(), phase: .session) }
    #expect(throws: HardwareError.self) { try TimingSetting(host: Self.host(), link: "nowhere") }
  }

  @Test("Every routine that a descriptor names is known, explained, and used")
  func routines() throws {
    let library = try DescriptorLibrary.load()
    let used = Set(library.descriptors.values.flatMap { ($0.routines ?? []).map(\.routine) })
    #expect(used == Descriptor.routineKinds)
    #expect(Descriptor.routines.values.allSatisfy { !$0.isEmpty })
  }

  @Test("Routines and links survive a host's file, and a mistake is named")
  func file() throws {
    let host = Self.host(each: 3, roundTrip: 14)
    let text = try host.fileText()
    #expect(try HostModel(text, file: "round.json", named: "round") == host)
    for (old, new) in [
      ("\"linear.mac\"", "\"linear.mark\""), ("\"ns/byte\"", "\"ns\""), ("\"wakeUp\"", "\"wake\""),
      ("\"us\"", "\"byte\""), ("\"control\"", "\"controls\""),
    ] {
      let bad = String(decoding: text, as: UTF8.self).replacingOccurrences(of: old, with: new)
      #expect(throws: HardwareError.self) { try HostModel(Data(bad.utf8), file: "round.json") }
    }
  }

  @Test("A message answers only the peer's message before it")
  func during() throws {
    let good = try #require(try DescriptorLibrary.load().descriptors["x2act"])
    let text = String(decoding: try JSONEncoder().encode(good), as: UTF8.self)
    for (old, new) in [
      ("\"during\":\"activationOpen\"", "\"during\":\"activationAnswer\""),
      ("\"with\":\"activationOpen\"", "\"with\":\"nothing\""), ("\"x2act.lead\"", "\"x2act.leap\""),
    ] {
      #expect(text.contains(old))
      #expect(throws: HardwareError.self) {
        try Descriptor.decode(Data(text.replacingOccurrences(of: old, with: new).utf8), name: "x2act")
      }
    }
  }
}
