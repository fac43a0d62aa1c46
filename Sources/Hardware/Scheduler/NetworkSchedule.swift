public import Networks

/// A network's timetable under a protocol, on a pair of boards or hosts, with what it is measured by.
public struct NetworkSchedule: Sendable {
  /// How it is cut and what limits it.
  public struct Options: Hashable, Sendable {
    /// The most tiles of a stage.
    public var tiles = 32
    /// Buffers of a lane: 2 is double buffering.
    public var buffers = 2
    /// Whether tiles of boards are loaded from their memory first. The analytic sum knows no loads.
    public var loads = true

    /// The defaults.
    public init() {}
  }

  /// The network's name.
  public let network: String
  /// When everything is done.
  public let timetable: Timetable
  /// What no timetable of these tiles can beat.
  public let bounds: ScheduleBounds
  /// Ticks of the analytic sum: nothing overlaps, nothing is loaded.
  public let analytic: Int

  /// Schedules a network.
  ///
  /// - Parameters:
  ///   - graph: the network.
  ///   - evaluator: protocol, device, link; of the online phase.
  ///   - options: tiles, buffers, loads.
  /// - Throws: ``HardwareError``, `NetworksError`, `ProgramError`
  public init(_ graph: Graph, evaluator: HardwareEvaluator, options: Options = Options()) throws {
    let layers = try evaluator.layerFlows(of: graph)
    let tasks = try TaskGraphBuilder.graph(layers, options: evaluator.target.tiling(options, layers))
    network = graph.name
    timetable = try ListScheduler.scheduleReordering(tasks)
    bounds = ScheduleBounds(tasks)
    analytic = layers.reduce(0) { $0 + $1.ticks }
  }

  /// Ticks of the timetable over those of the bound.
  public var ratio: Double { Double(timetable.makespan) / Double(max(bounds.combined, 1)) }
}

extension HardwareTarget {
  /// How layers are cut for this target: with its memory, less what the lanes in use take of the chip's.
  func tiling(_ options: NetworkSchedule.Options, _ layers: [LayerFlow]) -> TilingOptions {
    var tiling = TilingOptions()
    (tiling.tiles, tiling.buffers) = (options.tiles, options.buffers)
    guard options.loads, let device else { return tiling }
    let used = usage(of: Set(layers.flatMap(\.stages).flatMap(\.work).map(\.lane)))
    // A block of 288 kbit is eight of 36.
    let blocks = device.resources.bram36.value + 8 * device.resources.uram.value
    let taken = (used["bram36"] ?? 0) + 8 * (used["uram"] ?? 0)
    let memory = TilingOptions.Memory(
      bytesPerSecond: device.memory.bandwidth.measure.value / 8, blocks: max(0, Int(blocks - taken)))
    tiling.memory = [.modelOwner: memory, .dataOwner: memory]
    return tiling
  }

  /// Lanes of a kernel, as asked for or as its file says.
  func laneCount(_ operation: String) -> Int {
    guard let device, let kernel = kernels[operation] else { return 0 }
    return lanes[operation] ?? kernel.laneCount(on: device)
  }

  /// What the lanes of some kernels take of a board, by the name of the part.
  func usage(of operations: Set<String>) -> [String: Double] {
    Dictionary(
      uniqueKeysWithValues: ResourceCounts.names.map { name in
        (
          name,
          operations.reduce(0) { $0 + Double(laneCount($1)) * (kernels[$1]?.resources[name]?.value ?? 0) }
        )
      })
  }
}

extension HardwareEvaluator {
  /// The same with other lanes.
  ///
  /// - Parameter lanes: of each kernel named; others keep theirs.
  /// - Throws: ``HardwareError``
  public func with(lanes: [String: Int]) throws -> HardwareEvaluator {
    var target = target
    target.lanes.merge(lanes) { _, new in new }
    return try HardwareEvaluator(
      model: model, mode: mode, target: target, link: link, phase: phase, batch: batch, outline: outline)
  }
}
