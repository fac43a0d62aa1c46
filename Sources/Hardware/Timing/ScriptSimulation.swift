import Programs

/// Plays the parties' scripts on their hosts and links.
struct ScriptSimulation {
  struct Direction: Hashable {
    let from: CostParty
    let to: CostParty
  }

  /// Bytes that a sender may be ahead of its link before it must wait: the operating system's buffer.
  static let socketBuffer = 4.0 * 1024 * 1024
  /// Bytes that the transport gathers before it lets go of them by itself.
  static let gathering = 262_144.0
  /// Seconds after which parties that share a core take turns. An operating system's are longer, but those who were woken go
  /// first: what they come to is equal parts.
  static let turn = 5e-4

  private let scripts: [PartyScript]
  /// Seconds of each routine, by party.
  private let seconds: [[String: Double]]
  private let (link, dealerLink): (LinkTimes, LinkTimes)
  /// Core of each party, and when each core is free.
  private let cores: [Int]
  private var coreFree: [Double]
  private let isShared: [Bool]
  private var clocks: [Double]
  /// What is left of the work that a party is at.
  private var unfinished: [Double?]
  private var places: [Int]
  private var parties: [TimePrediction.Party]
  /// Pieces that wait at their sender.
  private var gathered: [Direction: [Double]] = [:]
  /// When pieces arrive, in order.
  private var arrivals: [Direction: [Double]] = [:]
  private var taken: [Direction: Int] = [:]
  /// When a link's direction has passed all that was handed to it; one for all that goes to one side over it.
  private var free: [Direction: Double] = [:]
  /// Connections' directions.
  private(set) var ways: [Direction: SimulatedWay]
  /// When the last party has ended each step.
  private var ends: [Int: Double] = [:]

  /// - Parameter ways: connections that have been used before.
  /// - Throws: ``HardwareError/noRoutine(routine:host:)``
  init(_ scripts: [PartyScript], _ setting: TimingSetting, ways: [Direction: SimulatedWay] = [:]) throws {
    self.scripts = scripts
    self.ways = ways.mapValues(\.settled)
    (link, dealerLink) = (LinkTimes(setting.link), LinkTimes(setting.dealerLink))
    let cores = scripts.map { script in
      switch script.party {
      case .dataOwner: 1
      case .dealer: setting.dealerSharesCore ? 0 : 2
      default: 0
      }
    }
    self.cores = cores
    isShared = cores.map { core in cores.count { $0 == core } > 1 }
    coreFree = [0, 0, 0]
    unfinished = scripts.map { _ in nil }
    seconds = try scripts.map { script in
      let host = script.party == .dataOwner ? setting.dataOwner : setting.modelOwner
      let routines = host.routines.mapValues(\.measure.value)
      for case .work(let counts) in script.actions {
        for name in counts.keys where routines[name] == nil {
          throw HardwareError.noRoutine(routine: name, host: host.name)
        }
      }
      return routines
    }
    clocks = scripts.map { _ in 0 }
    places = scripts.map { _ in 0 }
    parties = scripts.map { TimePrediction.Party(party: $0.party) }
  }

  mutating func run() throws {
    // The party that is furthest back moves first, so that what is shared is taken in the order of time.
    while let index = next() { advance(index) }
    for index in scripts.indices {
      guard places[index] == scripts[index].actions.count else {
        throw HardwareError.invalidDescriptor(
          name: "timing", reason: "\(scripts[index].party.rawValue) waits for a message that nobody sends")
      }
      parties[index].end = clocks[index]
    }
    for direction in ways.keys { ways[direction]!.settle(link(direction).gain) }
  }

  /// The party furthest back among those that can move.
  private func next() -> Int? {
    scripts.indices.filter { canMove($0) }.min { clocks[$0] < clocks[$1] }
  }

  private func canMove(_ index: Int) -> Bool {
    guard places[index] < scripts[index].actions.count else { return false }
    guard case .receive(let from, _) = scripts[index].actions[places[index]] else { return true }
    let direction = Direction(from: from, to: scripts[index].party)
    let hasHeldBack = gathered[Direction(from: scripts[index].party, to: from)]?.isEmpty == false
    return hasHeldBack || taken[direction] ?? 0 < arrivals[direction]?.count ?? 0
  }

  private mutating func advance(_ index: Int) {
    let party = scripts[index].party
    switch scripts[index].actions[places[index]] {
    case .work(let counts): guard work(index, counts) else { return }
    case .send(let to, let bytes, let flushes):
      let direction = Direction(from: party, to: to)
      charge(index, bytes * link(direction).sending)
      let parts = PartyScript.parts(bytes)
      gathered[direction, default: []] += repeatElement(bytes / Double(parts), count: parts)
      if flushes || gathered[direction]!.reduce(0, +) >= Self.gathering { flush(index, direction) }
    case .flush(let to): flush(index, Direction(from: party, to: to))
    case .receive(let from, let bytes):
      // Reading lets go of what was held back.
      flush(index, Direction(from: party, to: from))
      let direction = Direction(from: from, to: party)
      guard taken[direction] ?? 0 < arrivals[direction]?.count ?? 0 else { return }
      receive(index, direction, bytes)
    case .mark(let step): ends[step] = max(ends[step] ?? 0, clocks[index])
    }
    places[index] += 1
  }

  /// - Returns: whether the work is done; where a core is shared, only a turn of it may be.
  private mutating func work(_ index: Int, _ counts: RoutineCounts) -> Bool {
    let left = unfinished[index] ?? counts.reduce(0) { $0 + $1.value * seconds[index][$1.key]! }
    let spent = isShared[index] ? min(left, Self.turn) : left
    occupy(index, spent)
    parties[index].computing += spent
    unfinished[index] = left > spent ? left - spent : nil
    return unfinished[index] == nil
  }

  /// Takes the party's core, when it is free.
  private mutating func occupy(_ index: Int, _ seconds: Double) {
    let start = max(clocks[index], coreFree[cores[index]])
    parties[index].waiting += start - clocks[index]
    clocks[index] = start + seconds
    coreFree[cores[index]] = clocks[index]
  }

  private mutating func flush(_ index: Int, _ direction: Direction) {
    guard let parts = gathered.removeValue(forKey: direction), !parts.isEmpty else { return }
    let link = link(direction)
    // What comes from the side of the model owner shares the way to the data owner.
    let shared = direction.to == .dataOwner ? Direction(from: .modelOwner, to: .dataOwner) : direction
    var way = ways[direction] ?? SimulatedWay(pace: link.firstPace)
    // Parts pass while the sender seals those behind them: it began to when its clock was that much less.
    let sealing = parts.reduce(0, +) * link.sending
    var end = max(clocks[index] - sealing, free[shared] ?? 0)
    for bytes in parts {
      end += bytes * max(link.passing, link.sending)
      let arrival = way.pass(bytes, now: clocks[index], passed: end, link)
      arrivals[direction, default: []].append(arrival)
      end = max(end, arrival - link.roundTrip / 2)
    }
    ways[direction] = way
    free[shared] = end
    let ahead = end - Self.socketBuffer * link.passing
    if ahead > clocks[index] {
      parties[index].waiting += ahead - clocks[index]
      clocks[index] = ahead
    }
  }

  private mutating func receive(_ index: Int, _ direction: Direction, _ bytes: Double) {
    let place = taken[direction] ?? 0
    taken[direction] = place + 1
    let link = link(direction)
    let wait = arrivals[direction]![place] - clocks[index]
    if wait > 0 {
      let woken = wait > link.spin ? wait + link.wakeUp : wait
      parties[index].waiting += woken
      clocks[index] += woken
    }
    charge(index, bytes * link.receiving)
  }

  private func link(_ direction: Direction) -> LinkTimes {
    direction.from == .dataOwner || direction.to == .dataOwner ? link : dealerLink
  }

  private mutating func charge(_ index: Int, _ seconds: Double) {
    occupy(index, seconds)
    parties[index].transport += seconds
  }

  func prediction(_ phase: CostPhase, _ program: Program) -> TimePrediction {
    var reached = 0.0
    let steps = program.steps.enumerated().compactMap { index, step -> TimePrediction.Step? in
      guard let end = ends[index] else { return nil }
      let seconds = max(0, end - reached)
      reached = max(reached, end)
      return TimePrediction.Step(index: index, name: step.name, seconds: seconds)
    }
    let end = parties.first { $0.party == .dataOwner }?.end ?? 0
    return TimePrediction(phase: phase, seconds: end, parties: parties, steps: steps)
  }
}
