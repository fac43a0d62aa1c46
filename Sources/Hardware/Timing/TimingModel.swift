public import Programs

/// Between whom and on what a phase runs.
public struct TimingSetting: Sendable {
  /// The model owner's and the data owner's hosts.
  public var modelOwner, dataOwner: HostModel
  /// Between the parties; also from the dealer to the data owner.
  public var link: HostLink
  /// Between the dealer, on the model owner's host, and the model owner.
  public var dealerLink: HostLink
  /// Whether the dealer has no core of its own, and takes turns with the model owner.
  public var dealerSharesCore = false
  /// Polynomials of weights whose transforms the model owner holds in memory.
  public var heldTransforms = 0

  /// Both parties and the dealer on hosts like one, over one of its links.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public init(host: HostModel, link: String = HostModel.loopback) throws {
    (modelOwner, dataOwner) = (host, host)
    self.link = try host.link(link)
    dealerLink = try host.link(HostModel.loopback)
  }
}

/// What a phase is predicted to take.
public struct TimePrediction: Codable, Hashable, Sendable {
  /// One party's time.
  public struct Party: Codable, Hashable, Sendable {
    /// Who.
    public let party: CostParty
    /// Routines.
    public internal(set) var computing = 0.0
    /// Processor time of sending and receiving.
    public internal(set) var transport = 0.0
    /// Waiting for the others.
    public internal(set) var waiting = 0.0
    /// When it is done.
    public internal(set) var end = 0.0
  }

  /// A step's part of the whole: online by how much it moves the end on; offline, where steps overlap one another, by its part of
  /// the work of the party that works longest.
  public struct Step: Codable, Hashable, Sendable {
    /// Index in the program.
    public let index: Int
    /// Its name.
    public let name: String
    /// Seconds.
    public let seconds: Double
  }

  /// What was predicted.
  public let phase: CostPhase
  /// Seconds until the data owner is done: a query answered, a bulk prepared.
  public let seconds: Double
  /// The parties.
  public let parties: [Party]
  /// The program's steps.
  public internal(set) var steps: [Step]
}

/// Predicts what a phase takes on calibrated hosts: a discrete simulation of the parties' scripts, in which each party computes,
/// sends pieces of frames as they are made, and waits for what it needs.
public struct TimingModel: Sendable {
  private let costs: CostModel

  /// - Parameter costs: descriptors.
  public init(_ costs: CostModel) { self.costs = costs }

  /// Predicts a query (online) or the preparation of a bulk (offline), a warm session.
  ///
  /// - Parameters:
  ///   - program: validated.
  ///   - batch: B.
  ///   - bulk: S.
  /// - Throws: ``HardwareError``, `ProgramError`
  public func predict(
    program: Program, phase: CostPhase, batch: Int = 1, bulk: Int = 1, source: CostModel.Source = .lattice,
    setting: TimingSetting
  ) throws -> TimePrediction {
    guard phase == .online || phase == .offline else {
      throw HardwareError.invalidCount(what: "phase, of those that are timed (online, offline),", found: 0)
    }
    func scripts(_ phase: CostPhase) throws -> PhaseScripts {
      try PhaseScripts(
        costs, program: program, phase: phase, batch: batch, bulk: bulk, source: source,
        heldTransforms: setting.heldTransforms)
    }
    func play(_ scripts: PhaseScripts, _ ways: Ways) throws -> ScriptSimulation {
      var simulation = try ScriptSimulation(scripts.parties, setting, ways: ways)
      try simulation.run()
      return simulation
    }
    var ways: Ways = [:]
    if setting.link.control == HostLink.delivering {
      ways = try opened(program, source, setting)
      for _ in 0..<Self.warmUps {
        for phase in [CostPhase.offline, .online] { ways = try play(scripts(phase), ways).ways }
      }
    }
    let scripts = try scripts(phase)
    var prediction = try play(scripts, ways).prediction(phase, program)
    if phase == .offline { share(&prediction, scripts, setting, program) }
    return prediction
  }

  private func share(
    _ prediction: inout TimePrediction, _ scripts: PhaseScripts, _ setting: TimingSetting, _ program: Program
  ) {
    guard let busiest = prediction.parties.max(by: { $0.computing < $1.computing })?.party else { return }
    let routines = (busiest == .dataOwner ? setting.dataOwner : setting.modelOwner).routines
    let work = scripts.steps.map { step in
      step.total(busiest).reduce(0) { $0 + $1.value * routines[$1.key]!.measure.value }
    }
    let all = work.reduce(0, +)
    guard all > 0 else { return }
    var parts: [Int: Double] = [:]
    for (step, own) in zip(scripts.steps, work) { if let index = step.index { parts[index, default: 0] += own / all } }
    prediction.steps = parts.sorted { $0.key < $1.key }.map { index, part in
      TimePrediction.Step(index: index, name: program.steps[index].name, seconds: part * prediction.seconds)
    }
  }

  private typealias Ways = [ScriptSimulation.Direction: SimulatedWay]

  /// Bulks and queries after which connections have the pace that they keep.
  private static let warmUps = 2

  /// The connections after what opens a session has passed: keys, and differences of weights.
  private func opened(
    _ program: Program, _ source: CostModel.Source, _ setting: TimingSetting
  ) throws -> Ways {
    var scripts = [CostParty.modelOwner, .dataOwner, .dealer].map { PartyScript($0) }
    for phase in [CostPhase.session, .setup] {
      for message in try costs.predict(program: program, phase: phase, source: source).messages {
        let bytes = Double(message.payloadBytes + Traffic.headerBytes)
        for index in scripts.indices {
          if scripts[index].party == message.from { scripts[index].send(to: message.to, bytes, flushes: true) }
          if scripts[index].party == message.to { scripts[index].receive(from: message.from, bytes) }
        }
      }
    }
    var simulation = try ScriptSimulation(scripts, setting)
    try simulation.run()
    return simulation.ways
  }
}
