import Hardware

/// Says what is wrong with a timetable, from the definition alone: every pair of tasks, every moment at which something starts.
enum ScheduleChecker {
  static func faults(_ table: Timetable) -> [String] {
    let tasks = table.graph.tasks
    var faults: [String] = []
    func end(_ index: Int) -> Int { table.starts[index] + tasks[index].duration }
    for (index, task) in tasks.enumerated() {
      if table.starts[index] < 0 { faults.append("\(index) starts before 0") }
      if !(0..<table.graph.lanes[task.lane].units).contains(table.units[index]) {
        faults.append("\(index) has no unit")
      }
      for before in task.dependencies where table.starts[index] < end(before) + tasks[before].latency {
        faults.append("\(index) does not wait for \(before)")
      }
      for other in 0..<index where tasks[other].lane == task.lane && table.units[other] == table.units[index] {
        if table.starts[index] < end(other) && table.starts[other] < end(index) {
          faults.append("\(other) and \(index) share a unit")
        }
      }
    }
    for (pool, description) in table.graph.pools.enumerated() {
      for moment in Set(table.starts) {
        var held = 0
        for (index, task) in tasks.enumerated() {
          for claim in task.claims where claim.pool == pool {
            let release = claim.releasedBy.map(end).max() ?? end(index)
            if table.starts[index] <= moment && moment < release { held += claim.amount }
          }
        }
        if held > description.capacity { faults.append("pool \(pool) holds \(held) at \(moment)") }
      }
    }
    return faults
  }
}

/// Numbers from a seed (SplitMix64).
struct TestNumbers: RandomNumberGenerator {
  var state: UInt64
  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var word = state
    word = (word ^ word >> 30) &* 0xbf58_476d_1ce4_e5b9
    word = (word ^ word >> 27) &* 0x94d0_49bb_1331_11eb
    return word ^ word >> 31
  }
}

/// Graphs drawn at random, whose own order works.
struct RandomGraphs {
  var numbers: TestNumbers
  var usesPools = true
  var longest = 9

  init(seed: UInt64) { numbers = TestNumbers(state: seed) }

  private mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &numbers) < percent }

  private struct Hold {
    var task: Int
    var claim: Int
    var readers: Int
  }

  mutating func graph(tasks count: Int) -> TaskGraph {
    let boards = [CostParty.modelOwner, .dataOwner]
    let lanes = (0..<Int.random(in: 1...5, using: &numbers)).map { index in
      Lane(
        name: "lane \(index)", board: boards[index % 2], kind: .multiplier,
        units: Int.random(in: 1...3, using: &numbers))
    }
    let pools = (0..<(usesPools ? Int.random(in: 0...3, using: &numbers) : 0)).map {
      ResourcePool(name: "pool \($0)", board: boards[$0 % 2], capacity: Int.random(in: 1...5, using: &numbers))
    }
    var graph = TaskGraph(lanes: lanes, pools: pools)
    var free = pools.map(\.capacity)
    var holds: [Hold] = []
    for index in 0..<count {
      var task = ScheduleTask(
        layer: "layer \(index / 5)", step: "step", action: TileAction.allCases.randomElement(using: &numbers)!,
        tile: index, lane: Int.random(in: 0..<lanes.count, using: &numbers),
        duration: Int.random(in: 1...longest, using: &numbers),
        latency: chance(30) ? Int.random(in: 0...5, using: &numbers) : 0)
      var needed: Set<Int> = []
      for _ in 0..<(index == 0 ? 0 : Int.random(in: 0...3, using: &numbers)) {
        needed.insert(Int.random(in: max(0, index - 12)..<index, using: &numbers))
      }
      var closed: [Hold] = []
      for place in holds.indices.reversed() where chance(50) {
        let hold = holds[place]
        needed.insert(hold.task)
        graph.tasks[hold.task].claims[hold.claim].releasedBy.append(index)
        holds[place].readers -= 1
        if holds[place].readers == 0 { closed.append(holds.remove(at: place)) }
      }
      for pool in pools.indices where chance(40) && free[pool] > 0 {
        let amount = Int.random(in: 1...free[pool], using: &numbers)
        free[pool] -= amount
        task.claims.append(ResourceClaim(pool: pool, amount: amount))
        holds.append(Hold(task: index, claim: task.claims.count - 1, readers: Int.random(in: 1...2, using: &numbers)))
      }
      task.dependencies = needed.sorted()
      graph.tasks.append(task)
      for hold in closed {
        free[graph.tasks[hold.task].claims[hold.claim].pool] += graph.tasks[hold.task].claims[hold.claim].amount
      }
    }
    return graph
  }
}
