import Foundation
public import Hardware
import Transport

/// Measures this host: routines by probes, the loopback by the product's transport.
public struct HostCalibration {
  private let effort: CalibrationEffort
  private let repetitions: Int

  /// - Parameter repetitions: of each probe, after one that does not count.
  public init(effort: CalibrationEffort = .full, repetitions: Int = 5) {
    (self.effort, self.repetitions) = (effort, repetitions)
  }

  /// What was found, and how well it explains each probe.
  public struct Result: Sendable {
    /// The host.
    public var host: HostModel
    /// One a probe, phase, source and party.
    public var probes: [ProbeResult]
  }

  /// A probe's measured processor time beside the sum of its routines'.
  public struct ProbeResult: Codable, Sendable {
    /// The probe.
    public var probe: String
    /// Its phase.
    public var phase: CostPhase
    /// The source.
    public var source: CostModel.Source
    /// The party.
    public var party: CostParty
    /// Median, seconds.
    public var measured: Double
    /// Sum of routines, seconds.
    public var fitted: Double
  }

  /// Calibrates.
  ///
  /// - Parameters:
  ///   - name: of the host; the file's name.
  ///   - progress: called with the share that is done.
  /// - Throws: what the parties throw.
  public func run(name: String, engine: String, progress: (Double) -> Void = { _ in }) throws -> Result {
    let probes = CalibrationProbe.all(effort)
    let all = probes.reduce(0) { $0 + $1.sources.count } + 2
    var measurements: [(ProbeMeasurement, [String: Double])] = []
    for probe in probes {
      for source in probe.sources {
        let found = try ProbeRunner(
          probe: probe, source: source, repetitions: repetitions, seconds: effort == .full ? 0.3 : 0
        ).run()
        var offline = try units(probe, .offline, source)
        let online = try units(probe, .online, source)
        if probe.holdsTransforms {
          for routine in CostModel.routinesOfTransforms { offline[.modelOwner]?[routine] = nil }
        }
        // Queries are the same whatever prepared them: once is enough.
        for measurement in found
        where (measurement.phase == .offline || source == probe.sources[0])
          && !probe.leftOut.contains(measurement.party)
        {
          let units = measurement.phase == .offline ? offline : online
          measurements.append((measurement, units[measurement.party] ?? [:]))
        }
        progress(Double(measurements.count) / Double(all * 4))
      }
    }
    let date = Date().formatted(.iso8601)
    let loopback = try loopback("polympc hw calibrate, \(date): TLS between two threads")
    let fit = RoutineFit(measurements.map { RoutineFit.Row(units: $1, seconds: max($0.median, 1e-9)) })
    let operations = try OperationProbe.all().map { probe in
      let found = try probe.measure(repetitions: max(5, repetitions), seconds: effort == .full ? 2e-3 : 0)
      return (
        probe.operation,
        Quantity(
          found.value * 1e9, "ns/op", kind: .measured,
          source:
            "polympc \(engine) hw calibrate, \(date): median of \(max(5, repetitions)) runs of the engine's own code",
          accuracy: min(10, found.accuracy))
      )
    }
    let source = "polympc \(engine) hw calibrate, \(date): least squares over \(measurements.count) probes"
    let host = HostModel(
      name: name, title: "Calibrated \(date)", processor: Self.processor, threads: 1,
      operations: Dictionary(uniqueKeysWithValues: operations), overheads: [:],
      link: HostModel.Loopback(roundTrip: loopback.roundTrip, rate: loopback.rate),
      routines: Dictionary(
        uniqueKeysWithValues: fit.seconds.filter { Descriptor.routineKinds.contains($0.key) }.map {
          (
            $0.key,
            Quantity(
              $0.value * 1e9, "ns", kind: .measured, source: source, accuracy: min(10, fit.accuracy[$0.key] ?? 0))
          )
        }), links: [HostModel.loopback: loopback])
    progress(1)
    let results = measurements.map { measurement, units in
      ProbeResult(
        probe: measurement.probe, phase: measurement.phase, source: measurement.source, party: measurement.party,
        measured: measurement.median, fitted: fit.predicted(units))
    }
    return Result(host: host, probes: results)
  }

  private func units(
    _ probe: CalibrationProbe, _ phase: CostPhase, _ source: CostModel.Source
  ) throws -> [CostParty: [String: Double]] {
    try CostModel().routineCounts(
      program: probe.program, phase: phase, batch: probe.batch, bulk: probe.batch, source: source)
  }

  /// The loopback between two threads over TLS, each on a core of its own as parties are.
  private func loopback(_ source: String) throws -> HostLink {
    let (near, far) = (Identity.generate(name: "near"), Identity.generate(name: "far"))
    let threads = ThreadGroup()
    let (port, found) = (Handover<UInt16>(), Handover<HostLink>())
    threads.start(name: "far") {
      do {
        try LinkProbe.respond(
          wire: .tls(far, pinned: [near.fingerprint]), listen: NetworkAddress("127.0.0.1:0")!, core: 1
        ) { port.set($0) }
      } catch { port.set(nil) }
    }
    defer { threads.join(seconds: 10) }
    guard let number = port.wait(), let address = NetworkAddress("127.0.0.1:\(number)") else {
      throw DaemonsError.refused(code: .failed, reason: "the loopback cannot be listened on")
    }
    let (bytes, repetitions) = effort == .full ? (32 << 20, 400) : (1 << 16, 5)
    threads.start(name: "near") {
      ProcessMemory.pin(toCore: 0)
      found.set(
        try? LinkProbe.measure(
          wire: .tls(near, pinned: [far.fingerprint]), peer: address, source: source, bytes: bytes,
          repetitions: repetitions))
    }
    guard let link = found.wait() else {
      throw DaemonsError.refused(code: .failed, reason: "the loopback broke off while it was measured")
    }
    return link
  }

  private static var processor: String {
    let text = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""
    let line = text.split(separator: "\n").first { $0.hasPrefix("model name") }
    return line?.split(separator: ":").dropFirst().first.map { $0.trimmingCharacters(in: .whitespaces) } ?? "unknown"
  }
}

/// Hands a value, or the word that there is none, from one thread to another.
private final class Handover<Value: Sendable>: @unchecked Sendable {
  // Unchecked: the state lies behind the lock.
  private let condition = NSCondition()
  private var state: Value??

  func set(_ value: Value?) {
    condition.withLock {
      if state == nil { state = .some(value) }
      condition.broadcast()
    }
  }

  func wait() -> Value? {
    condition.withLock {
      while state == nil { condition.wait() }
      return state!
    }
  }
}
