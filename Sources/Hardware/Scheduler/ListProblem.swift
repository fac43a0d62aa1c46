/// What a list schedule needs to know of a graph, found once for all orders in which its tasks are tried.
///
/// Kept in lists of plain numbers: the schedules of an exploration look at a task's numbers millions of times.
struct ListProblem {
  /// By task: its lane, the ticks that it takes, what it takes of pools.
  let lanes: [Int]
  let durations: [Int]
  let claims: [[ResourceClaim]]
  /// By task: those that wait for it, and for how many it waits.
  let successors: [[Int]]
  let waits: [Int]
  /// Ticks from a task's end to its arrival, and from the last arrival that it waits for to its own readiness.
  let latencies: [Int]
  let delays: [Int]
  /// Tasks that claim of a pool, in order.
  let claimants: [[Int]]
  /// The pools before anything has started.
  let pools: PoolState
  /// How much of each pool tasks may hold that started before their turn.
  let allowance: [Int]
  /// Units of each lane.
  let units: [Int]

  /// From the start to the end, within lanes and pools.
  init(_ graph: TaskGraph) {
    self.init(
      graph, claims: graph.tasks.map(\.claims), successors: graph.successors(),
      waits: graph.tasks.map(\.dependencies.count), latencies: graph.tasks.map(\.latency),
      delays: [Int](repeating: 0, count: graph.tasks.count))
  }

  /// From the end to the start, within lanes; starts count from the end. What lies between a task's end and its readers then stands
  /// before its own start.
  init(reversing graph: TaskGraph) {
    var free = graph
    for index in free.tasks.indices { free.tasks[index].claims = [] }
    self.init(
      free, claims: graph.tasks.map { _ in [] }, successors: graph.tasks.map(\.dependencies),
      waits: graph.successors().map(\.count), latencies: [Int](repeating: 0, count: graph.tasks.count),
      delays: graph.tasks.map(\.latency))
  }

  private init(
    _ graph: TaskGraph, claims: [[ResourceClaim]], successors: [[Int]], waits: [Int], latencies: [Int], delays: [Int]
  ) {
    (self.claims, self.successors, self.waits) = (claims, successors, waits)
    (self.latencies, self.delays) = (latencies, delays)
    lanes = graph.tasks.map(\.lane)
    durations = graph.tasks.map(\.duration)
    units = graph.lanes.map(\.units)
    var claimants = [[Int]](repeating: [], count: graph.pools.count)
    for (index, own) in claims.enumerated() {
      // A task claims of a pool once: see TaskGraph.validate.
      for claim in own { claimants[claim.pool].append(index) }
    }
    self.claimants = claimants
    pools = PoolState(graph)
    allowance = zip(graph.pools, graph.serialPeaks(from: pools)).map { $0.capacity - $1 }
  }
}
