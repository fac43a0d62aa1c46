public import Programs

/// Between whom and on what a phase runs.
public struct TimingSetting: Sendable {
  /// The model owner's and the data owner's hosts.
  public var modelOwner, dataOwner: HostModel
  /// Between the parties; also from the dealer to the data owner.
  public var link: HostLink
  /// Between the dealer, on the model owner's host, and the model owner.
  public var dealerLink: HostLink
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

  /// A step's part of the whole: by how much it moves the end on.
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
  public let steps: [Step]
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
    let scripts = try PhaseScripts(
      costs, program: program, phase: phase, batch: batch, bulk: bulk, source: source,
      heldTransforms: setting.heldTransforms)
    var simulation = try ScriptSimulation(scripts.parties, setting)
    try simulation.run()
    return simulation.prediction(phase, program)
  }
}
