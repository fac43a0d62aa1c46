import Hardware
import Networks
import Testing

@Suite struct LaneExplorerTests {
  private static func explore(
    _ mode: String, device: String = "zcu104", objective: ExplorationObjective = .latency, limit: Int = 40
  ) throws -> (LaneExplorer.Result, HardwareEvaluator) {
    var options = NetworkSchedule.Options()
    options.tiles = 4
    let evaluator = try EvaluationTests.evaluator(mode, device: device)
    let graph = try EvaluationTests.network("resnet20")
    return (
      try LaneExplorer.explore(graph, evaluator: evaluator, options: options, objective: objective, limit: limit),
      evaluator
    )
  }

  /// Whatever is found fits into the device, no point of the front is beaten by another, and the best is on it.
  @Test(arguments: ["pasnet", "rlwe"], ["zcu104", "pynq-z2"])
  func allocationsFit(mode: String, device: String) throws {
    let (found, evaluator) = try Self.explore(mode, device: device)
    let board = try #require(evaluator.target.device)
    for one in found.allocations {
      for name in ResourceCounts.names {
        let used = one.lanes.reduce(0) {
          $0 + Double($1.value) * evaluator.target.kernels[$1.key]!.resources[name]!.value
        }
        #expect(used <= board.resources[name]!.value)
      }
      #expect(one.lanes.values.allSatisfy { $0 >= 1 } && one.makespan >= one.bound)
    }
    #expect(found.allocations.count <= 40 && found.best.isOnFront)
    let front = found.allocations.filter(\.isOnFront)
    for a in front {
      for b in front where a.lanes != b.lanes {
        #expect(
          !(b.makespan <= a.makespan && b.energy! <= a.energy! && b.greatestShare <= a.greatestShare
            && (b.makespan < a.makespan || b.energy! < a.energy! || b.greatestShare < a.greatestShare)))
      }
    }
  }

  /// The best is no slower than the design that the files describe, and the objective decides.
  @Test func objectivesDecide() throws {
    let (fast, evaluator) = try Self.explore("rlwe")
    let (frugal, _) = try Self.explore("rlwe", objective: .energy)
    let described = try #require(
      fast.allocations.first { $0.lanes == $0.lanes.reduce(into: [:]) { $0[$1.key] = lanes(evaluator, $1.key) } })
    #expect(fast.best.makespan <= described.makespan)
    #expect(frugal.best.energy! <= fast.best.energy! && fast.best.makespan <= frugal.best.makespan)
    #expect(fast.best.makespan == fast.allocations.map(\.makespan).min())
    #expect(frugal.best.energy == frugal.allocations.compactMap(\.energy).min())
  }

  /// Coarse tiles choose who is scheduled in those that were asked for; all that is reported is.
  @Test func fineTilesAreReported() throws {
    let evaluator = try EvaluationTests.evaluator("rlwe")
    let graph = try EvaluationTests.network("resnet20")
    var options = NetworkSchedule.Options()
    options.tiles = 16
    let found = try LaneExplorer.explore(graph, evaluator: evaluator, options: options, limit: 60)
    #expect(found.screened > 0 && found.screened + found.allocations.count <= 60)
    for one in [found.best, try #require(found.allocations.last)] {
      // The schedule of the same tiles is improved further, and starts from the same rules.
      let schedule = try NetworkSchedule(graph, evaluator: try evaluator.with(lanes: one.lanes), options: options)
      #expect(schedule.timetable.makespan <= one.makespan)
      #expect(Double(one.makespan) <= 1.15 * Double(schedule.timetable.makespan))
    }
    let described = try #require(
      found.allocations.first { $0.lanes == $0.lanes.reduce(into: [:]) { $0[$1.key] = lanes(evaluator, $1.key) } })
    #expect(found.best.makespan <= described.makespan)
  }

  private func lanes(_ evaluator: HardwareEvaluator, _ operation: String) -> Int {
    evaluator.target.kernels[operation]!.laneCount(on: evaluator.target.device!)
  }

  @Test func dependsOnTheInputsAlone() throws {
    let (a, b) = (try Self.explore("rlwe", limit: 12).0, try Self.explore("rlwe", limit: 12).0)
    #expect(a.best == b.best && a.allocations == b.allocations && a.pruned == b.pruned)
    #expect(a.allocations.count <= 12)
  }

  @Test func hostsAreRefused() throws {
    let model = try CostModel()
    let evaluator = try HardwareEvaluator(
      model: model, mode: try ProtocolMode.named("rlwe", in: model.library),
      target: HardwareTarget(host: EvaluationTests.host(nanoseconds: 1)), link: try HardwareLibrary.load().link("wan"))
    #expect(throws: HardwareError.self) {
      try LaneExplorer.explore(try EvaluationTests.network("lenet"), evaluator: evaluator)
    }
  }
}
