public import Networks

/// One allocation of lanes, and what it gives.
public struct LaneAllocation: Hashable, Sendable {
  /// Lanes of each kernel in use, on each board.
  public var lanes: [String: Int]
  /// Share of each part of the device that they take, by its name.
  public var shares: [String: Double]
  /// Ticks of the timetable.
  public var makespan: Int
  /// Ticks that no timetable of these lanes can beat.
  public var bound: Int
  /// Joules of both boards; nil where a power or an energy is unknown.
  public var energy: Double?
  /// Whether no other allocation found is at least as good in latency, energy and greatest share, and better in one.
  public var isOnFront = false

  /// The share of the part that runs out first.
  public var greatestShare: Double { shares.values.max() ?? 0 }
}

/// What an exploration is after.
public enum ExplorationObjective: String, CaseIterable, Sendable {
  /// The shortest timetable; of equals, the smallest.
  case latency
  /// The least energy; of equals, the fastest.
  case energy
}

/// Searches how many lanes of each kernel a pair of boards should have.
///
/// Candidates come from two sides: from one lane of each kernel upwards, always adding where a fluid estimate (of each layer, the
/// busiest lane) gains most for the share it takes, until nothing fits; then from the best timetable to its neighbours. A candidate is
/// scheduled unless its bound, which costs next to nothing, already shows that one that was scheduled is at least as good in
/// everything. While candidates are many they are scheduled in coarse tiles, which order them as fine ones do; those that no other
/// one beats, and the next best, are then scheduled in the tiles that were asked for. What is reported is scheduled in these, not
/// estimated. The result depends on the inputs alone.
public struct LaneExplorer {
  /// Power that a lane takes when it waits, as a share of what it takes at work: assumed; clocks and registers go on, and no
  /// source is specific to these kernels.
  public static let idleShare = 0.1

  /// What was found.
  public struct Result: Sendable {
    /// The best allocation by the objective.
    public let best: LaneAllocation
    /// All that were scheduled in the tiles asked for, fastest first.
    public let allocations: [LaneAllocation]
    /// Candidates that were scheduled in coarse tiles alone.
    public let screened: Int
    /// Candidates that the bound spared.
    public let pruned: Int
  }

  private let evaluator: HardwareEvaluator
  private let options: NetworkSchedule.Options
  private let device: DeviceModel
  private let layers: [LayerFlow]
  private let operations: [String]
  private let base: [String: Int]
  private let limit: Int
  /// The most tiles of a stage while candidates are many.
  private static let coarseTiles = 8
  /// Candidates that are scheduled in the tiles asked for, beside the described design.
  private static let finalists = 12

  private var found: [[String: Int]: LaneAllocation] = [:]
  private var pruned: Set<[String: Int]> = []

  /// Explores.
  ///
  /// - Parameters:
  ///   - evaluator: its target is a board; lanes that it already has are where bounds are taken from, not kept.
  ///   - limit: the most timetables made.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`
  public static func explore(
    _ graph: Graph, evaluator: HardwareEvaluator, options: NetworkSchedule.Options = NetworkSchedule.Options(),
    objective: ExplorationObjective = .latency, limit: Int = 96
  ) throws -> Result {
    guard limit >= 1 else { throw HardwareError.invalidCount(what: "number of timetables", found: limit) }
    var explorer = try LaneExplorer(graph, evaluator, options, limit)
    try explorer.climb()
    try explorer.refine(objective)
    let screened = try explorer.settle(objective)
    let front = explorer.front()
    guard let best = front.min(by: { explorer.isBetter($0, $1, objective) }) else {
      throw HardwareError.invalidSchedule(reason: "no allocation of lanes fits the device \(evaluator.target.name)")
    }
    return Result(best: best, allocations: front, screened: screened, pruned: explorer.pruned.count)
  }

  private init(
    _ graph: Graph, _ evaluator: HardwareEvaluator, _ options: NetworkSchedule.Options, _ limit: Int
  ) throws {
    guard let device = evaluator.target.device else {
      throw HardwareError.invalidSchedule(
        reason: "\(evaluator.target.name) is a host, and only boards have lanes to choose")
    }
    (self.evaluator, self.options, self.device, self.limit) = (evaluator, options, device, limit)
    layers = try evaluator.layerFlows(of: graph)
    let names = Set(layers.flatMap(\.stages).flatMap(\.work).map(\.lane))
    operations = names.filter { evaluator.target.kernels[$0] != nil }.sorted()
    base = Dictionary(uniqueKeysWithValues: operations.map { ($0, evaluator.target.laneCount($0)) })
  }

  // MARK: Candidates

  /// From one lane of each up to what fits.
  private mutating func climb() throws {
    var lanes = Dictionary(uniqueKeysWithValues: operations.map { ($0, 1) })
    guard fits(lanes) else { return }
    var path = [lanes]
    while let next = bestStep(from: lanes) {
      lanes = next
      path.append(lanes)
    }
    // The described design, too, and the path from its fast end.
    for candidate in [base] + path.reversed() { try consider(candidate) }
  }

  private func bestStep(from lanes: [String: Int]) -> [String: Int]? {
    let (before, share) = (estimate(lanes), greatestShare(lanes))
    var best: (gain: Double, lanes: [String: Int])?
    for operation in operations {
      var next = lanes
      next[operation] = raised(lanes[operation]!)
      guard fits(next) else { continue }
      let saved = Double(before - estimate(next))
      let gain = saved / max(greatestShare(next) - share, 1e-6)
      if saved > 0, best.map({ gain > $0.gain }) ?? true { best = (gain, next) }
    }
    return best?.lanes
  }

  /// Half as many again, and at least one more.
  private func raised(_ count: Int) -> Int { max(count + 1, count * 3 / 2) }
  private func lowered(_ count: Int) -> Int { max(1, count * 2 / 3) }

  /// From the best to its neighbours, until none is better.
  private mutating func refine(_ objective: ExplorationObjective) throws {
    while let best = found.values.min(by: { isBetter($0, $1, objective) }) {
      for operation in operations {
        for other in [nil] + operations.filter({ $0 != operation }).map(Optional.some) {
          for change in [raised, lowered] {
            var next = best.lanes
            next[operation] = change(next[operation]!)
            if let other { next[other] = change(1) == 1 ? raised(next[other]!) : lowered(next[other]!) }
            try consider(next)
          }
        }
      }
      let now = found.values.min { isBetter($0, $1, objective) }!
      if now.lanes == best.lanes { return }
    }
  }

  private mutating func consider(_ lanes: [String: Int]) throws {
    guard found[lanes] == nil, !pruned.contains(lanes), found.count < limit, fits(lanes) else { return }
    let (least, share) = (busiest(lanes), greatestShare(lanes))
    let energy = energy(lanes, makespan: least)
    if found.values.contains(where: { isAtLeastAsGood($0, least, energy, share) }) {
      pruned.insert(lanes)
      return
    }
    try schedule(lanes, tiles: min(options.tiles, Self.coarseTiles))
  }

  private mutating func schedule(_ lanes: [String: Int], tiles: Int) throws {
    var (target, options) = (evaluator.target, options)
    target.lanes = lanes
    options.tiles = tiles
    let tasks = try TaskGraphBuilder.graph(scaled(lanes), options: target.tiling(options, layers))
    let makespan = ListScheduler.rules(tasks).map(\.makespan).min()!
    found[lanes] = LaneAllocation(
      lanes: lanes, shares: shares(lanes), makespan: makespan, bound: busiest(lanes),
      energy: energy(lanes, makespan: makespan))
  }

  /// Schedules the best in the tiles asked for, and forgets the others.
  /// - Returns: how many were forgotten.
  private mutating func settle(_ objective: ExplorationObjective) throws -> Int {
    guard options.tiles > Self.coarseTiles else { return 0 }
    let all = front().sorted { isBetter($0, $1, objective) }
    // Those that nothing beats, evenly from the best to the smallest, then the best of the others.
    let (front, others) = (all.filter(\.isOnFront), all.filter { !$0.isOnFront })
    let most = min(front.count, Self.finalists)
    let chosen = (0..<most).map { front[$0 * (front.count - 1) / max(1, most - 1)] }
    let finalists = Set((chosen + others.prefix(Self.finalists - most)).map(\.lanes) + [base]).intersection(found.keys)
    found = found.filter { finalists.contains($0.key) }
    for lanes in finalists { try schedule(lanes, tiles: options.tiles) }
    return all.count - finalists.count
  }

  // MARK: Judgement

  private func isAtLeastAsGood(_ one: LaneAllocation, _ makespan: Int, _ energy: Double?, _ share: Double) -> Bool {
    one.makespan <= makespan && (one.energy ?? 0) <= (energy ?? 0) && one.greatestShare <= share
  }

  private func isBetter(_ a: LaneAllocation, _ b: LaneAllocation, _ objective: ExplorationObjective) -> Bool {
    let (latency, energy) = (Double(a.makespan) - Double(b.makespan), (a.energy ?? 0) - (b.energy ?? 0))
    let keys = objective == .latency ? [latency, energy] : [energy, latency]
    let size = a.greatestShare - b.greatestShare
    for key in keys + [size] where key != 0 { return key < 0 }
    return Self.text(a.lanes) < Self.text(b.lanes)
  }

  private static func text(_ lanes: [String: Int]) -> String {
    lanes.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  private func front() -> [LaneAllocation] {
    let all = found.values.sorted { isBetter($0, $1, .latency) }
    return all.map { one in
      var one = one
      one.isOnFront = !all.contains {
        $0.lanes != one.lanes && isAtLeastAsGood($0, one.makespan, one.energy, one.greatestShare)
          && ($0.makespan < one.makespan || ($0.energy ?? 0) < (one.energy ?? 0)
            || $0.greatestShare < one.greatestShare)
      }
      return one
    }
  }

  // MARK: Figures

  private func shares(_ lanes: [String: Int]) -> [String: Double] {
    Dictionary(
      uniqueKeysWithValues: ResourceCounts.names.compactMap { name in
        let all = device.resources[name]!.value
        let used = operations.reduce(0) {
          $0 + Double(lanes[$1]!) * evaluator.target.kernels[$1]!.resources[name]!.value
        }
        return all > 0 || used > 0 ? (name, used / max(all, 1e-9)) : nil
      })
  }

  private func greatestShare(_ lanes: [String: Int]) -> Double { shares(lanes).values.max() ?? 0 }
  private func fits(_ lanes: [String: Int]) -> Bool { greatestShare(lanes) <= 1 }

  /// Ticks on so many lanes instead of those of the target.
  private func ticks(_ work: StageWork, _ lanes: [String: Int]) -> Int {
    guard let count = lanes[work.lane], let own = base[work.lane] else { return work.ticks }
    let product = work.ticks.multipliedFullWidth(by: own)
    return max(1, count.dividingFullWidth((high: product.high, low: product.low)).quotient)
  }

  private func scaled(_ lanes: [String: Int]) -> [LayerFlow] {
    layers.map { layer in
      var layer = layer
      for stage in layer.stages.indices {
        for work in layer.stages[stage].work.indices {
          layer.stages[stage].work[work].ticks = ticks(layer.stages[stage].work[work], lanes)
        }
      }
      return layer
    }
  }

  private struct LaneKey: Hashable {
    var party: CostParty
    var name: String
  }

  private func loads(_ layer: LayerFlow, _ lanes: [String: Int], into work: inout [LaneKey: Int]) {
    for part in layer.stages.flatMap(\.work) {
      work[LaneKey(party: part.party, name: part.lane), default: 0] += ticks(part, lanes)
    }
  }

  /// Layer by layer, the busiest lane: what a timetable comes near to whose layers overlap within, not with one another.
  private func estimate(_ lanes: [String: Int]) -> Int {
    layers.reduce(0) { sum, layer in
      var work: [LaneKey: Int] = [:]
      loads(layer, lanes, into: &work)
      return sum + (work.values.max() ?? 0)
    }
  }

  /// The busiest lane over all layers: a bound, whatever the tiles.
  private func busiest(_ lanes: [String: Int]) -> Int {
    var work: [LaneKey: Int] = [:]
    for layer in layers { loads(layer, lanes, into: &work) }
    return work.values.max() ?? 0
  }

  /// Power of both boards for so long. Lanes more or fewer than the described design has add or save what they take waiting.
  private func energy(_ lanes: [String: Int], makespan: Int) -> Double? {
    guard let pair = evaluator.target.pairPower else { return nil }
    let waiting = operations.reduce(0.0) { sum, operation in
      let kernel = evaluator.target.kernels[operation]!
      let each = kernel.rate(lanes: 1, clock: device.clock).value * kernel.energy.measure.value
      return sum + Double(lanes[operation]! - base[operation]!) * each * Self.idleShare
    }
    return max(0, pair + 2 * waiting) * ScheduleTime.seconds(makespan)
  }
}
