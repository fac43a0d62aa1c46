public import Tracing

extension Timetable {
  /// The timetable as events for Perfetto: a process a board, a thread a unit, an arrow from each part of a message to what waits for
  /// it on the other board.
  ///
  /// - Parameters:
  ///   - title: written into the file.
  ///   - firstProcess: the first board's number; 0 and 1 are those of a real run's parties.
  ///   - facts: more that is known of the whole.
  public func trace(
    title: String, firstProcess: Int = 0, prefix: String = "", facts: [String: TraceValue] = [:]
  ) -> TraceFile {
    let boards = CostParty.allCases.filter { party in graph.lanes.contains { $0.board == party } }
    let process = Dictionary(uniqueKeysWithValues: boards.enumerated().map { ($0.element, firstProcess + $0.offset) })
    var threads: [[Int]] = []
    var used: [CostParty: Int] = [:]
    var events = boards.flatMap { TraceEvent.processName(prefix + $0.title, process: process[$0]!) }
    for lane in graph.lanes {
      let first = used[lane.board, default: 0] + 1
      used[lane.board] = first + lane.units - 1
      threads.append(Array(first..<first + lane.units))
      for unit in 0..<lane.units {
        let name = lane.units == 1 ? lane.name : "\(lane.name) \(unit + 1)"
        events += TraceEvent.threadName(name, process: process[lane.board]!, thread: first + unit)
      }
    }
    for (index, task) in graph.tasks.enumerated() {
      let lane = graph.lanes[task.lane]
      events.append(
        TraceEvent(
          .complete, name: "\(task.layer) \(task.step)", category: task.action.rawValue,
          process: process[lane.board]!, thread: threads[task.lane][units[index]], time: starts[index],
          duration: task.duration, arguments: [("layer", .text(task.layer)), ("tile", .integer(task.tile))]))
    }
    var flow = 0
    for (index, task) in graph.tasks.enumerated() {
      for before in task.dependencies
      where graph.lanes[graph.tasks[before].lane].board != graph.lanes[task.lane].board {
        flow += 1
        for (phase, end) in [(TraceEvent.Phase.flowStart, before), (.flowEnd, index)] {
          let lane = graph.lanes[graph.tasks[end].lane]
          events.append(
            TraceEvent(
              phase, name: "message", category: "message", process: process[lane.board]!,
              thread: threads[graph.tasks[end].lane][units[end]], time: starts[end], flow: flow))
        }
      }
    }
    var all = facts
    all["title"] = .text(title)
    all["makespan_ps"] = .integer(makespan)
    return TraceFile(events: events, facts: all)
  }
}

extension CostParty {
  /// For people.
  public var title: String {
    switch self {
    case .modelOwner: "model owner"
    case .dataOwner: "data owner"
    case .dealer: "dealer"
    case .client: "client"
    case .sender: "sender"
    case .receiver: "receiver"
    case .both: "both"
    }
  }
}
