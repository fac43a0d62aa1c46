/// Cuts the layers of a network into tiles, and finds out what each has to wait for.
///
/// A tile is a run of rows, or of a row's channels where there are few rows. It waits for the tiles of earlier layers, and of earlier stages of its own, that hold rows which it reads;
/// what a party computes waits for what it has computed and received, what it sends for what it has computed, and an answer also
/// for what it has received. Links of the two directions and all lanes are independent of one another.
///
/// Where boards have a memory, each computed tile is loaded first (its operands, material and results in one passage, when they are
/// there; its share of the weights in another, at any time) into one of the lane's buffers, which it gives back when it is done.
/// Weights pass once a layer. A tile that is larger than its share of the chip's blocks streams through that share.
public struct TaskGraphBuilder {
  private struct Entry {
    var rows: Range<Int>
    var task: Int
  }

  /// What a party can work on: rows, and the tasks after which they are there.
  private struct Frontier {
    var computed: [Entry] = []
    var received: [Entry] = []
    var all: [Entry] { computed + received }

    /// Each task once, with all of its rows.
    mutating func unite() {
      var place: [Int: Int] = [:]
      var united: [Entry] = []
      for entry in computed {
        if let index = place[entry.task] {
          let rows = united[index].rows
          united[index].rows =
            min(rows.lowerBound, entry.rows.lowerBound)..<max(rows.upperBound, entry.rows.upperBound)
        } else {
          place[entry.task] = united.count
          united.append(entry)
        }
      }
      computed = united
    }

    mutating func map(_ change: (Range<Int>) -> Range<Int>) {
      computed = Self.mapped(computed, change)
      received = Self.mapped(received, change)
    }

    private static func mapped(_ entries: [Entry], _ change: (Range<Int>) -> Range<Int>) -> [Entry] {
      entries.compactMap { entry in
        let rows = change(entry.rows)
        return rows.isEmpty ? nil : Entry(rows: rows, task: entry.task)
      }
    }
  }

  private struct LaneKey: Hashable {
    var party: CostParty
    var name: String
  }

  private let options: TilingOptions
  private var graph = TaskGraph(lanes: [])
  private var lanes: [LaneKey: Int] = [:]
  private var slots: [LaneKey: Int] = [:]
  private var blocks: [CostParty: Int] = [:]
  private var stage = 0
  private var results: [(rows: Int, frontiers: [CostParty: Frontier])] = []

  /// Makes the graph of a network.
  ///
  /// - Parameters:
  ///   - layers: operands precede their uses.
  ///   - options: tiles, buffers, memory.
  /// - Throws: ``HardwareError/invalidSchedule(reason:)``
  public static func graph(_ layers: [LayerFlow], options: TilingOptions) throws -> TaskGraph {
    guard options.tiles >= 1, options.buffers >= 1 else {
      throw HardwareError.invalidSchedule(reason: "\(options.tiles) tiles and \(options.buffers) buffers")
    }
    var builder = TaskGraphBuilder(options: options)
    for (index, layer) in layers.enumerated() {
      guard layer.operandRows >= 1, layer.resultRows >= 1, layer.operands.allSatisfy({ (0..<index).contains($0) })
      else {
        throw HardwareError.invalidSchedule(reason: "layer \(layer.name) has no rows, or reads a layer behind it")
      }
      try builder.add(layer)
    }
    try builder.graph.validate()
    return builder.graph
  }

  private init(options: TilingOptions) { self.options = options }

  private mutating func add(_ layer: LayerFlow) throws {
    var frontiers = operands(of: layer)
    var isResult = false
    func enterResult() {
      guard !isResult else { return }
      isResult = true
      for party in frontiers.keys {
        frontiers[party]!.map { layer.window.results(needing: $0, of: layer.resultRows) }
      }
    }
    for part in layer.stages {
      if part.space == .result { enterResult() }
      let rows = isResult ? layer.resultRows : layer.operandRows
      for work in part.work {
        let tiles = cut(rows, ticks: work.ticks)
        let from = frontiers[work.party] ?? Frontier()
        let made = try add(layer, part, work, tiles, from)
        switch part.kind {
        case .compute: frontiers[work.party] = Frontier(computed: made)
        case .send(let receiver): frontiers[receiver, default: Frontier()].received += made
        }
      }
      if !part.isAwaited { graph.streamedStages.insert(stage) }
      stage += 1
    }
    enterResult()
    results.append((layer.resultRows, frontiers))
  }

  /// What each party has of the layer's operands, in rows of the operand.
  private func operands(of layer: LayerFlow) -> [CostParty: Frontier] {
    var frontiers: [CostParty: Frontier] = [:]
    for operand in layer.operands {
      let (rows, made) = results[operand]
      for (party, frontier) in made {
        // Another number of rows: a picture that has become a vector.
        let entries = frontier.all.map {
          Entry(rows: rows == layer.operandRows ? $0.rows : 0..<layer.operandRows, task: $0.task)
        }
        frontiers[party, default: Frontier()].computed += entries
      }
    }
    // Operands that come from the same tasks bring them once.
    if layer.operands.count > 1 { for party in frontiers.keys { frontiers[party]!.unite() } }
    return frontiers
  }

  /// Rows of each tile: equal but for one, and none without a tick of its own. Where there are fewer rows than tiles, each row is
  /// cut into runs of channels, all of which a reader of the row needs.
  private func cut(_ rows: Int, ticks: Int) -> [Range<Int>] {
    let pieces = max(1, options.tiles / rows)
    guard ticks >= rows * pieces else { return [0..<rows] }
    let count = min(rows, options.tiles)
    return (0..<count).flatMap { tile in
      repeatElement(rows * tile / count..<rows * (tile + 1) / count, count: pieces)
    }
  }

  private mutating func add(
    _ layer: LayerFlow, _ part: FlowStage, _ work: StageWork, _ tiles: [Range<Int>], _ from: Frontier
  ) throws -> [Entry] {
    let lane = laneIndex(work.party, work.kind, work.lane)
    let weights = tiles.map(\.count)
    let ticks = ScheduleTime.split(work.ticks, weights: weights)
    let action: TileAction = part.kind == .compute ? .compute : .send
    let sources = action == .compute || part.isAnswer ? from.all : from.computed
    let data = ScheduleTime.split(work.dataBytes, weights: weights)
    let kernel = ScheduleTime.split(work.weightBytes, weights: weights)
    var made: [Entry] = []
    for (number, rows) in tiles.enumerated() {
      var needed = Set(sources.filter { $0.rows.overlaps(rows) }.map(\.task)).sorted()
      if action == .compute, let memory = options.memory[work.party] {
        var loads: [Int] = []
        for (name, bytes, after) in [("load", data[number], needed), ("weights", kernel[number], [])] where bytes > 0 {
          loads.append(graph.tasks.count)
          try addLoad(layer, name, number, bytes, after: after, memory, work)
        }
        for load in loads {
          // The computing task stands behind its loads.
          for claim in graph.tasks[load].claims.indices {
            graph.tasks[load].claims[claim].releasedBy = [loads.last! + 1]
          }
        }
        needed = Set(needed + loads).sorted()
      }
      made.append(Entry(rows: rows, task: graph.tasks.count))
      graph.tasks.append(
        ScheduleTask(
          layer: layer.name, step: part.name, action: action, tile: number, stage: stage, lane: lane,
          duration: ticks[number], latency: work.latency, dependencies: needed))
    }
    return made
  }

  private mutating func addLoad(
    _ layer: LayerFlow, _ name: String, _ tile: Int, _ bytes: Int, after: [Int], _ memory: TilingOptions.Memory,
    _ work: StageWork
  ) throws {
    let lane = laneIndex(work.party, .memory, "memory")
    let slot = slotIndex(work, name)
    let blockPool = blockIndex(work.party, memory)
    // Two passages a tile, each double buffered: none may take more than its share.
    let share = max(1, memory.blocks / (2 * options.buffers))
    let wanted = (bytes + TilingOptions.Memory.blockBytes - 1) / TilingOptions.Memory.blockBytes
    graph.tasks.append(
      ScheduleTask(
        layer: layer.name, step: name, action: .load, tile: tile, stage: stage, lane: lane,
        duration: max(1, try ScheduleTime.ticks(seconds: Double(bytes) / memory.bytesPerSecond)), dependencies: after,
        claims: [ResourceClaim(pool: slot), ResourceClaim(pool: blockPool, amount: min(wanted, share))]))
  }

  private mutating func laneIndex(_ party: CostParty, _ kind: LaneKind, _ name: String) -> Int {
    let key = LaneKey(party: party, name: name)
    if let index = lanes[key] { return index }
    graph.lanes.append(Lane(name: name, board: party, kind: kind))
    lanes[key] = graph.lanes.count - 1
    return graph.lanes.count - 1
  }

  private mutating func slotIndex(_ work: StageWork, _ name: String) -> Int {
    let key = LaneKey(party: work.party, name: "\(work.lane), \(name)")
    if let index = slots[key] { return index }
    graph.pools.append(ResourcePool(name: "buffers of \(key.name)", board: work.party, capacity: options.buffers))
    slots[key] = graph.pools.count - 1
    return graph.pools.count - 1
  }

  private mutating func blockIndex(_ party: CostParty, _ memory: TilingOptions.Memory) -> Int {
    if let index = blocks[party] { return index }
    graph.pools.append(
      ResourcePool(name: "memory blocks", board: party, capacity: max(memory.blocks, 2 * options.buffers)))
    blocks[party] = graph.pools.count - 1
    return graph.pools.count - 1
  }
}
