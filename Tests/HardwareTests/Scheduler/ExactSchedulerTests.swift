import Hardware
import Testing

@Suite struct ExactSchedulerTests {
  /// The shortest makespan, by trying all starts of all tasks up to a horizon: units are told apart only by their number.
  private func shortest(_ graph: TaskGraph, horizon: Int) -> Int {
    var best = horizon + 1
    var starts = [Int](repeating: 0, count: graph.tasks.count)
    func place(_ index: Int) {
      guard index < graph.tasks.count else {
        let ends = graph.tasks.indices.map { starts[$0] + graph.tasks[$0].duration + graph.tasks[$0].latency }
        let makespan = ends.max() ?? 0
        guard makespan < best else { return }
        // On a lane of several units, tasks that never exceed their number can be given units in the order of their starts.
        for (lane, description) in graph.lanes.enumerated() {
          for moment in Set(starts) {
            let running = graph.tasks.indices.filter {
              graph.tasks[$0].lane == lane && starts[$0] <= moment && moment < starts[$0] + graph.tasks[$0].duration
            }
            if running.count > description.units { return }
          }
        }
        var free = graph.lanes.map { [Int](repeating: 0, count: $0.units) }
        var units = starts
        for task in graph.tasks.indices.sorted(by: { (starts[$0], $0) < (starts[$1], $1) }) {
          let lane = graph.tasks[task].lane
          units[task] = free[lane].firstIndex { $0 <= starts[task] }!
          free[lane][units[task]] = starts[task] + graph.tasks[task].duration
        }
        if ScheduleChecker.faults(Timetable(graph: graph, starts: starts, units: units)).isEmpty { best = makespan }
        return
      }
      let task = graph.tasks[index]
      let first = task.dependencies.map { starts[$0] + graph.tasks[$0].duration + graph.tasks[$0].latency }.max() ?? 0
      for start in stride(from: first, through: best - 1 - task.duration - task.latency, by: 1) {
        starts[index] = start
        place(index + 1)
      }
    }
    place(0)
    return best
  }

  @Test(arguments: 0..<120)
  func isOptimal(seed: Int) throws {
    var random = RandomGraphs(seed: UInt64(1000 + seed))
    random.longest = 3
    let graph = random.graph(tasks: 2 + seed % 4)
    let found = try ExactScheduler.schedule(graph)
    let list = try ListScheduler.schedule(graph)
    #expect(found.isOptimal)
    #expect(ScheduleChecker.faults(found.timetable) == [])
    #expect(found.timetable.makespan == shortest(graph, horizon: list.makespan))
  }

  /// Larger graphs: valid, between bound and heuristic.
  @Test(arguments: 0..<60)
  func isBetweenBoundAndHeuristic(seed: Int) throws {
    var random = RandomGraphs(seed: UInt64(5000 + seed))
    let graph = random.graph(tasks: 9)
    let found = try ExactScheduler.schedule(graph, nodeLimit: 200_000)
    #expect(ScheduleChecker.faults(found.timetable) == [])
    #expect(found.timetable.makespan <= (try ListScheduler.schedule(graph).makespan))
    #expect(found.timetable.makespan >= ScheduleBounds(graph).combined)
  }

  /// Five jobs on two machines in the same order: Johnson's rule (1954) gives 24.
  @Test func flowShop() throws {
    let jobs = [(3, 6), (5, 2), (1, 2), (6, 6), (7, 5)].map { [(0, $0.0), (1, $0.1)] }
    let found = try ExactScheduler.schedule(Golden.jobShop(jobs, machines: 2))
    #expect(found.isOptimal && found.timetable.makespan == 24)
  }

  /// Two tasks want the only unit at once, and the one that the longest path prefers comes later: waiting for it is better than to
  /// work at once, and no list schedule waits.
  @Test func waitingCanBeBetter() throws {
    let lanes = (0..<2).map { Lane(name: "m\($0)", board: .modelOwner, kind: .multiplier) }
    func task(_ lane: Int, _ time: Int, _ after: [Int] = []) -> ScheduleTask {
      ScheduleTask(layer: "x", step: "s", action: .compute, lane: lane, duration: time, dependencies: after)
    }
    // Lane 0: a short task at 1, with ten behind it on lane 1; a task of nine is free at 0.
    let graph = TaskGraph(lanes: lanes, tasks: [task(1, 1), task(0, 1, [0]), task(1, 10, [1]), task(0, 9)])
    let found = try ExactScheduler.schedule(graph)
    #expect(found.isOptimal && found.timetable.makespan == 12)
    #expect(try ListScheduler.schedule(graph).makespan == 20)
  }

  @Test func tooManyTasksAreRefused() throws {
    let graph = Golden.pipeline(tiles: 22, load: 1, compute: 1, send: 1, buffers: 2)
    #expect(throws: HardwareError.self) { try ExactScheduler.schedule(graph) }
  }

  /// A search that is cut short says so.
  @Test func anUnfinishedSearchSaysSo() throws {
    let found = try ExactScheduler.schedule(Golden.fisherThompson(), nodeLimit: 100)
    #expect(!found.isOptimal)
  }
}
