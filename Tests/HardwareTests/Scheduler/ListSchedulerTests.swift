import Hardware
import Testing

@Suite struct ListSchedulerTests {
  /// Lanes, buffers and order are kept, the bounds hold, and nothing depends on anything but the graph.
  @Test(arguments: 0..<400)
  func propertiesOfRandomGraphs(seed: Int) throws {
    var random = RandomGraphs(seed: UInt64(seed))
    let graph = random.graph(tasks: 1 + seed % 60)
    try graph.validate()
    let serial = graph.tasks.reduce(0) { $0 + $1.duration + $1.latency }
    let bounds = ScheduleBounds(graph)
    #expect(bounds.combined >= max(bounds.criticalPath, bounds.busiestLane))
    for rule in ListScheduler.Rule.allCases {
      let table = try ListScheduler.schedule(graph, rule: rule)
      #expect(ScheduleChecker.faults(table) == [])
      #expect(table.makespan >= bounds.combined && table.makespan <= serial)
      #expect(try ListScheduler.schedule(graph, rule: rule) == table)
      #expect(try ListScheduler.schedule(graph).makespan <= table.makespan)
    }
  }

  /// The checker sees every kind of fault: else the test above could not fail.
  @Test func checkerSeesFaults() throws {
    let lanes = [
      Lane(name: "a", board: .modelOwner, kind: .multiplier), Lane(name: "b", board: .modelOwner, kind: .memory),
    ]
    let pool = ResourcePool(name: "buffers", board: .modelOwner, capacity: 1)
    func task(_ lane: Int, _ after: [Int] = [], claims: [ResourceClaim] = []) -> ScheduleTask {
      ScheduleTask(
        layer: "x", step: "s", action: .compute, lane: lane, duration: 2, latency: 1, dependencies: after,
        claims: claims)
    }
    func faults(_ tasks: [ScheduleTask], _ starts: [Int], units: [Int]? = nil) -> Int {
      let graph = TaskGraph(lanes: lanes, pools: [pool], tasks: tasks)
      return ScheduleChecker.faults(
        Timetable(graph: graph, starts: starts, units: units ?? tasks.map { _ in 0 })
      ).count
    }
    #expect(faults([task(0), task(0)], [0, 1]) == 1)
    #expect(faults([task(0), task(0)], [0, 2]) == 0)
    #expect(faults([task(0), task(1, [0])], [0, 2]) == 1)
    #expect(faults([task(0), task(1, [0])], [0, 3]) == 0)
    #expect(faults([task(0)], [-1]) == 1)
    #expect(faults([task(0)], [0], units: [1]) == 1)
    let held = [
      task(0, claims: [ResourceClaim(pool: 0, releasedBy: [1])]), task(1, [0]),
      task(0, claims: [ResourceClaim(pool: 0)]),
    ]
    #expect(faults(held, [0, 3, 4]) == 1)
    #expect(faults(held, [0, 3, 5]) == 0)
  }

  @Test func invalidGraphsAreRefused() throws {
    let lanes = [Lane(name: "a", board: .modelOwner, kind: .multiplier)]
    let pools = [ResourcePool(name: "buffers", board: .modelOwner, capacity: 2)]
    func task(_ duration: Int = 1, lane: Int = 0, latency: Int = 0, after: [Int] = [], claims: [ResourceClaim] = [])
      -> ScheduleTask
    {
      ScheduleTask(
        layer: "x", step: "s", action: .compute, lane: lane, duration: duration, latency: latency, dependencies: after,
        claims: claims)
    }
    func refuses(_ tasks: [ScheduleTask]) -> Bool {
      (try? ListScheduler.schedule(TaskGraph(lanes: lanes, pools: pools, tasks: tasks))) == nil
    }
    #expect(!refuses([task(), task(after: [0])]))
    #expect(refuses([task(0)]))
    #expect(refuses([task(latency: -1)]))
    #expect(refuses([task(lane: 1)]))
    #expect(refuses([task(after: [0])]))
    #expect(refuses([task(.max), task(.max)]))
    #expect(refuses([task(claims: [ResourceClaim(pool: 0, amount: 3)])]))
    #expect(refuses([task(claims: [ResourceClaim(pool: 1)])]))
    #expect(refuses([task(claims: [ResourceClaim(pool: 0, releasedBy: [1])]), task()]))
    // Both halves of the pool wait for a reader that itself needs a third one.
    let full = ResourceClaim(pool: 0, releasedBy: [2])
    #expect(
      refuses([task(claims: [full]), task(claims: [full]), task(after: [0, 1], claims: [ResourceClaim(pool: 0)])]))
    #expect(throws: HardwareError.self) {
      try TaskGraph(lanes: [Lane(name: "a", board: .modelOwner, kind: .link, units: 0)]).validate()
    }
  }

  /// Load, compute and send of four tiles: with two buffers the multiplier never waits, with one it waits for every load.
  @Test(arguments: [(2, 16), (1, 22)])
  func doubleBuffering(buffers: Int, makespan: Int) throws {
    let graph = Golden.pipeline(tiles: 4, load: 2, compute: 3, send: 2, buffers: buffers)
    let table = try ListScheduler.schedule(graph)
    #expect(ScheduleChecker.faults(table) == [])
    #expect(table.makespan == makespan)
    #expect(try ExactScheduler.schedule(graph).timetable.makespan == makespan)
  }

  /// Job shop of 6 jobs on 6 machines by Fisher and Thompson (1963), whose optimum is 55.
  @Test func jobShop() throws {
    let graph = Golden.fisherThompson()
    let table = try ListScheduler.schedule(graph)
    let bounds = ScheduleBounds(graph)
    #expect(ScheduleChecker.faults(table) == [])
    #expect(table.makespan >= 55 && table.makespan <= 66)
    #expect(bounds.criticalPath == 47 && bounds.busiestLane == 43)
    #expect(bounds.combined <= 55 && bounds.combined >= 52)
  }

  @Test func timeIsExact() throws {
    #expect(try ScheduleTime.ticks(seconds: 0.0637) == 63_700_000_000)
    #expect(ScheduleTime.seconds(63_700_000_000) == 0.0637)
    for bad in [-1, .nan, .infinity, 1e20] {
      #expect(throws: HardwareError.self) { try ScheduleTime.ticks(seconds: bad) }
    }
    var numbers = TestNumbers(state: 5)
    for _ in 0..<200 {
      let ticks = Int.random(in: 0...ScheduleTime.maximum, using: &numbers)
      var weights = (0..<Int.random(in: 1...20, using: &numbers)).map { _ in Int.random(in: 0...1000, using: &numbers) }
      weights.append(1)
      let parts = ScheduleTime.split(ticks, weights: weights)
      #expect(parts.reduce(0, +) == ticks && parts.allSatisfy { $0 >= 0 })
      let total = Double(weights.reduce(0, +))
      for (part, weight) in zip(parts, weights) where ticks < 1 << 50 {
        #expect(abs(Double(part) - Double(ticks) * Double(weight) / total) <= 1.001)
      }
    }
  }
}

/// Graphs whose optimum is known.
enum Golden {
  /// Tiles that are loaded into a buffer, computed out of it, and sent.
  static func pipeline(tiles: Int, load: Int, compute: Int, send: Int, buffers: Int) -> TaskGraph {
    var graph = TaskGraph(
      lanes: [
        Lane(name: "memory", board: .modelOwner, kind: .memory),
        Lane(name: "array", board: .modelOwner, kind: .multiplier),
        Lane(name: "link", board: .modelOwner, kind: .link),
      ], pools: [ResourcePool(name: "buffers", board: .modelOwner, capacity: buffers)])
    for tile in 0..<tiles {
      let first = graph.tasks.count
      graph.tasks += [
        ScheduleTask(
          layer: "conv", step: "load", action: .load, tile: tile, lane: 0, duration: load,
          claims: [ResourceClaim(pool: 0, releasedBy: [first + 1])]),
        ScheduleTask(
          layer: "conv", step: "multiply", action: .compute, tile: tile, lane: 1, duration: compute,
          dependencies: [first]),
        ScheduleTask(
          layer: "conv", step: "send", action: .send, tile: tile, lane: 2, duration: send, dependencies: [first + 1]),
      ]
    }
    return graph
  }

  /// Jobs of (machine, time), one after the other.
  static func jobShop(_ jobs: [[(Int, Int)]], machines: Int) -> TaskGraph {
    var graph = TaskGraph(lanes: (0..<machines).map { Lane(name: "m\($0)", board: .modelOwner, kind: .multiplier) })
    for (number, job) in jobs.enumerated() {
      for (place, (machine, time)) in job.enumerated() {
        graph.tasks.append(
          ScheduleTask(
            layer: "job \(number)", step: "\(place)", action: .compute, lane: machine, duration: time,
            dependencies: place == 0 ? [] : [graph.tasks.count - 1]))
      }
    }
    return graph
  }

  static func fisherThompson() -> TaskGraph {
    jobShop(
      [
        [(2, 1), (0, 3), (1, 6), (3, 7), (5, 3), (4, 6)], [(1, 8), (2, 5), (4, 10), (5, 10), (0, 10), (3, 4)],
        [(2, 5), (3, 4), (5, 8), (0, 9), (1, 1), (4, 7)], [(1, 5), (0, 5), (2, 5), (3, 3), (4, 8), (5, 9)],
        [(2, 9), (1, 3), (4, 5), (5, 4), (0, 3), (3, 1)], [(1, 3), (3, 3), (5, 9), (0, 10), (4, 4), (2, 1)],
      ], machines: 6)
  }
}
