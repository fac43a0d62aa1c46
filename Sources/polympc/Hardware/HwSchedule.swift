import ArgumentParser
import Daemons
import Foundation
import Hardware
import Networks
import Tracing

struct HwSchedule: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "schedule",
    abstract: "Overlap computation, loads and messages in a timetable of tiles.",
    discussion: """
      Layers are cut into tiles of rows; each tile waits for what it reads and for a
      unit that is free. "bound" is what no timetable of these tiles can beat:
      the longest path, the busiest lane, and both chained over the layers.
      "without overlap" is the sum that hw latency prints.

      --explore searches how many lanes of each kernel the boards should have, within
      the parts of the device; it prints those timetables that no other one beats in
      latency, energy and parts taken.

      --trace writes a file for Perfetto, beside which polympc hw align can lay what
      two daemons did.

      Examples:
        polympc hw schedule --network resnet50 --dataset imagenet \\
          --protocol pasnet --no-loads
        polympc hw schedule --network resnet20 --svg resnet20.svg \\
          --trace resnet20.json
        polympc hw schedule --network resnet18 --dataset imagenet --explore
        polympc hw schedule --network lenet --exact 10
      """)

  @OptionGroup var network: HwNetworkOptions
  @OptionGroup var target: HwTargetOptions
  @OptionGroup var format: HwFormatOptions

  @Option(help: "The most tiles of a layer's step.")
  var tiles = 32

  @Option(help: "Tile buffers of a lane; 2 is double buffering.")
  var buffers = 2

  @Flag(help: "Load nothing from the boards' memory, as the paper's model has it.")
  var noLoads = false

  @Option(help: ArgumentHelp("Write a Gantt chart.", valueName: "file"))
  var svg: String?

  @Option(help: ArgumentHelp("Write trace events, for Perfetto.", valueName: "file"))
  var trace: String?

  @Flag(help: "Search the number of lanes of each kernel.")
  var explore = false

  enum Objective: String, ExpressibleByArgument, CaseIterable { case latency, energy }

  @Option(help: "With --explore: latency or energy.")
  var objective = Objective.latency

  @Option(
    help: ArgumentHelp(
      "Also compare with the optimum, on pieces of so many neighbouring tasks (2 to 16).", valueName: "tasks"))
  var exact: Int?

  func validate() throws {
    guard (1...256).contains(tiles) else { throw ValidationError("--tiles is 1 to 256.") }
    guard (1...64).contains(buffers) else { throw ValidationError("--buffers is 1 to 64.") }
    if let exact, !(2...16).contains(exact) { throw ValidationError("--exact is 2 to 16.") }
  }

  private var options: NetworkSchedule.Options {
    var options = NetworkSchedule.Options()
    (options.tiles, options.buffers, options.loads) = (tiles, buffers, !noLoads)
    return options
  }

  func run() throws {
    try Failures.reporting {
      var evaluator = try target.evaluator()
      let graph = try network.graph()
      var found: LaneExplorer.Result?
      if explore {
        found = try LaneExplorer.explore(
          graph, evaluator: evaluator, options: options, objective: objective == .latency ? .latency : .energy)
        evaluator = try evaluator.with(lanes: found!.best.lanes)
      }
      let schedule = try NetworkSchedule(graph, evaluator: evaluator, options: options)
      let comparison = try exact.map { try schedule.timetable.graph.compareWithOptimum(size: $0, count: 32) }
      let report = HwScheduleReport(schedule, evaluator, found, comparison)
      if let svg { try write(svg, [UInt8](chart(schedule, evaluator, report).svg().utf8)) }
      if let trace {
        try write(trace, schedule.timetable.trace(title: report.title, facts: report.facts).json())
      }
      if format.json { return try Output.json(report) }
      report.print(format)
    }
  }

  private func chart(
    _ schedule: NetworkSchedule, _ evaluator: HardwareEvaluator, _ report: HwScheduleReport
  ) -> GanttChart {
    GanttChart(schedule.timetable, title: report.title, notes: [report.summary])
  }

  private func write(_ path: String, _ bytes: [UInt8]) throws {
    try FileBytes.replace(path, with: bytes, mode: 0o644)
  }
}

/// A schedule as it is printed.
struct HwScheduleReport: Encodable {
  struct LaneUse: Encodable {
    var board: String
    var lane: String
    var busyMs: Double
    var share: Double
  }

  struct Layer: Encodable {
    var name: String
    var startMs: Double
    var endMs: Double
  }

  struct Allocation: Encodable {
    var lanes: [String: Int]
    var latencyMs: Double
    var boundMs: Double
    var energyMj: Double?
    var shares: [String: Double]
    var onFront: Bool
  }

  var network: String
  var protocolName: String
  var device: String
  var link: String
  var batch: Int
  var tasks: Int
  var latencyMs: Double
  var boundMs: Double
  var criticalPathMs: Double
  var busiestLaneMs: Double
  var busiestLane: String
  var ratio: Double
  var withoutOverlapMs: Double
  var energyMj: Double?
  var lanes: [LaneUse]
  var layers: [Layer]
  var allocations: [Allocation]?
  var screened: Int?
  var pruned: Int?
  var optimum: TaskGraph.Comparison?

  enum CodingKeys: String, CodingKey {
    case network, device, link, batch, tasks, latencyMs, boundMs, criticalPathMs, busiestLaneMs, busiestLane, ratio
    case withoutOverlapMs, energyMj, lanes, layers, allocations, screened, pruned, optimum
    case protocolName = "protocol"
  }

  init(
    _ schedule: NetworkSchedule, _ evaluator: HardwareEvaluator, _ found: LaneExplorer.Result?,
    _ comparison: TaskGraph.Comparison?
  ) {
    let (table, bounds) = (schedule.timetable, schedule.bounds)
    network = schedule.network
    protocolName = evaluator.mode.name
    device = evaluator.target.name
    link = evaluator.link.name
    batch = evaluator.batch
    tasks = table.graph.tasks.count
    latencyMs = Self.milliseconds(table.makespan)
    boundMs = Self.milliseconds(bounds.combined)
    criticalPathMs = Self.milliseconds(bounds.criticalPath)
    busiestLaneMs = Self.milliseconds(bounds.busiestLane)
    let busiest = table.graph.lanes[bounds.busiestLaneIndex]
    busiestLane = "\(busiest.name), \(busiest.board.title)"
    ratio = schedule.ratio
    withoutOverlapMs = Self.milliseconds(schedule.analytic)
    energyMj = evaluator.target.pairPower.map { $0 * ScheduleTime.seconds(table.makespan) * 1e3 }
    lanes = zip(table.graph.lanes, table.busy).map { lane, busy in
      LaneUse(
        board: lane.board.rawValue, lane: lane.name, busyMs: Self.milliseconds(busy),
        share: Double(busy) / Double(max(1, table.makespan * lane.units)))
    }
    layers = table.layers.map {
      Layer(name: $0.name, startMs: Self.milliseconds($0.start), endMs: Self.milliseconds($0.end))
    }
    allocations = found?.allocations.map {
      Allocation(
        lanes: $0.lanes, latencyMs: Self.milliseconds($0.makespan), boundMs: Self.milliseconds($0.bound),
        energyMj: $0.energy.map { $0 * 1e3 }, shares: $0.shares, onFront: $0.isOnFront)
    }
    screened = found?.screened
    pruned = found?.pruned
    optimum = comparison
    if let best = found?.best { energyMj = best.energy.map { $0 * 1e3 } }
  }

  private static func milliseconds(_ ticks: Int) -> Double { ScheduleTime.seconds(ticks) * 1e3 }

  var title: String { "\(network), \(protocolName), batch \(batch), on a pair of \(device) over \(link)" }

  var summary: String {
    "timetable \(Output.fixed(latencyMs, 3)) ms, bound \(Output.fixed(boundMs, 3)) ms, "
      + "without overlap \(Output.fixed(withoutOverlapMs, 3)) ms"
  }

  var facts: [String: TraceValue] {
    ["bound_ms": .number(boundMs), "without_overlap_ms": .number(withoutOverlapMs), "tasks": .integer(tasks)]
  }

  func print(_ format: HwFormatOptions) {
    let rows =
      [["layer", "start ms", "end ms", "ms"]]
      + layers.map {
        [$0.name, Output.fixed($0.startMs, 3), Output.fixed($0.endMs, 3), Output.fixed($0.endMs - $0.startMs, 3)]
      }
    if format.csv { return format.rows(rows) }
    Output.line(title)
    Output.line()
    format.rows(rows)
    Output.line()
    format.rows(
      [["board", "lane", "busy ms", "share"]]
        + lanes.map { [$0.board, $0.lane, Output.fixed($0.busyMs, 3), Output.percent($0.share)] })
    Output.line()
    if let allocations { printFront(allocations, format) }
    Output.line("timetable        \(Output.fixed(latencyMs, 3)) ms, \(tasks) tasks")
    Output.line(
      "bound            \(Output.fixed(boundMs, 3)) ms; the timetable is \(Output.fixed(ratio, 3)) times that")
    Output.line("  longest path   \(Output.fixed(criticalPathMs, 3)) ms")
    Output.line("  busiest lane   \(Output.fixed(busiestLaneMs, 3)) ms (\(busiestLane))")
    Output.line("without overlap  \(Output.fixed(withoutOverlapMs, 3)) ms, nothing loaded")
    if let energyMj { Output.line("energy           \(Output.fixed(energyMj, 2)) mJ of both boards") }
    if let optimum {
      Output.line(
        "against optimum  \(optimum.proven) of \(optimum.windows) pieces solved: \(optimum.equal) equal, worst "
          + "\(Output.fixed(optimum.worst, 3)) times, mean \(Output.fixed(optimum.mean, 3)) times")
    }
  }

  private func printFront(_ allocations: [Allocation], _ format: HwFormatOptions) {
    let kernels = allocations.first?.lanes.keys.sorted() ?? []
    let parts = allocations.first?.shares.keys.sorted() ?? []
    Output.line("allocations that no other one beats (lanes; shares of the device)")
    format.rows(
      [kernels + ["latency ms", "energy mJ"] + parts]
        + allocations.filter(\.onFront).map { entry in
          kernels.map { "\(entry.lanes[$0]!)" }
            + [Output.fixed(entry.latencyMs, 3), entry.energyMj.map { Output.fixed($0, 2) } ?? ""]
            + parts.map { Output.percent(entry.shares[$0]!) }
        })
    Output.line(
      "\(allocations.count) timetables made in these tiles, \(screened ?? 0) in coarse ones alone, "
        + "\(pruned ?? 0) candidates spared by their bound")
    Output.line()
  }
}
