import Foundation
import Hardware
import Programs
import Testing
import Transport

@testable import Daemons

@Suite("Calibration of hosts")
struct CalibrationTests {
  @Test("Every class of operations of this project's protocols has a microbenchmark, and gives a positive time")
  func operations() throws {
    let own = try DescriptorLibrary.load().descriptors.values.filter { $0.role != .flow }
    let used = Set(own.flatMap { $0.operations.map(\.operation) })
    let probes = try OperationProbe.all()
    #expect(Set(probes.map(\.operation)).isSuperset(of: used))
    #expect(Set(probes.map(\.operation)).count == probes.count)
    for probe in probes {
      #expect(Descriptor.operationKinds.contains(probe.operation))
      let found = try probe.measure(repetitions: 3, seconds: 0)
      #expect(found.value > 0 && found.value < 1, "\(probe.operation): \(found.value) s")
    }
  }

  @Test("Probes call every routine of the descriptors")
  func probes() throws {
    let model = try CostModel()
    for effort in [CalibrationEffort.smoke, .full] {
      var called: Set<String> = []
      for probe in CalibrationProbe.all(effort) {
        for source in probe.sources {
          for phase in [CostPhase.offline, .online] {
            let counts = try model.routineCounts(
              program: probe.program, phase: phase, batch: probe.batch, bulk: probe.batch, source: source)
            for units in counts.values { called.formUnion(units.keys) }
          }
        }
      }
      #expect(Descriptor.routineKinds.subtracting(called).isEmpty)
    }
  }

  @Test("A calibration with tiny sizes gives a host that predicts")
  func smoke() throws {
    let result = try HostCalibration(effort: .smoke, repetitions: 1).run(name: "smoke", engine: "test")
    let host = try HostModel(try result.host.fileText(), file: "smoke.json", named: "smoke")
    #expect(Set(host.routines.keys) == Descriptor.routineKinds)
    for (name, number) in host.routines {
      #expect(number.measure.value.isFinite && number.measure.value >= 0 && number.measure.value < 1, "\(name)")
    }
    #expect(host.routines.values.count { $0.value > 0 } > 10)
    for (name, number) in host.operations { #expect(number.value > 0 && number.value.isFinite, "\(name)") }
    let link = try host.link(HostModel.loopback)
    #expect(link.roundTrip.value > 0 && link.rate.value > 0 && link.send.value > 0 && link.receive.value > 0)
    #expect(link.spin.value == 50)
    for probe in result.probes { #expect(probe.measured > 0 && probe.fitted >= 0, "\(probe.probe)") }

    let line = BenchmarkResult(
      case: "square:500", phase: "preprocessing", source: "lattice", net: "local", seconds: 0.5, allS: [0.5],
      bytesTotal: 1, rounds: 1, peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: 1), maxAbsErr: 0,
      threads: 1, inferences: 2)
    var programs: [String: Program] = [:]
    let prediction = try BenchmarkPrediction(
      line, model: TimingModel(try CostModel()), setting: try TimingSetting(host: host), programs: &programs)
    #expect(prediction.predicted > 0 && prediction.predicted.isFinite)
    #expect(programs["square:500"] != nil)
    let report = PredictionReport([prediction])
    #expect(report.worstError == abs(prediction.error))
    #expect(report.svg(title: "a < b").contains("a &lt; b"))
  }

  @Test("Lines that this model says nothing about are refused")
  func refused() throws {
    var line = BenchmarkResult(
      case: "square:500", phase: "total", source: "lattice", net: "local", seconds: 0.5, allS: [0.5], bytesTotal: 1,
      rounds: 1, peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: 1), maxAbsErr: 0, threads: 1,
      inferences: 1)
    var programs: [String: Program] = [:]
    func predict(_ line: BenchmarkResult) throws {
      _ = try BenchmarkPrediction(
        line, model: TimingModel(try CostModel()), setting: try TimingSetting(host: Self.anyHost), programs: &programs)
    }
    #expect(throws: DaemonsError.self) { try predict(line) }
    line.phase = "online"
    line.threads = 2
    #expect(throws: DaemonsError.self) { try predict(line) }
    line.threads = 1
    line.case = "square:nothing"
    #expect(throws: DaemonsError.self) { try predict(line) }
    line.case = "square:500"
    line.seconds = .nan
    #expect(throws: DaemonsError.self) { try predict(line) }
  }

  private static var anyHost: HostModel {
    func number(_ value: Double, _ unit: String) -> Quantity {
      Quantity(value, unit, kind: .assumed, source: "made up", accuracy: 0)
    }
    return HostModel(
      name: "any", title: "Any", processor: "none", threads: 1, operations: [:], overheads: [:],
      link: HostModel.Loopback(roundTrip: number(1, "us"), rate: number(1, "GB/s")), routines: [:],
      links: [
        HostModel.loopback: HostLink(
          roundTrip: number(1, "us"), wakeUp: number(0, "us"), rate: number(1, "GB/s"), send: number(0, "ns/byte"),
          receive: number(0, "ns/byte"), spin: number(50, "us"))
      ])
  }

  @Test("Bulks of a benchmark are those of its session")
  func bulks() throws {
    let benchmark = try BenchmarkCase("square:500")
    let program = try benchmark.program()
    #expect(BenchmarkPrediction.bulks(program, benchmark, inferences: 3) == [3])
    let large = try BenchmarkCase("square:1000000")
    let bulks = BenchmarkPrediction.bulks(try large.program(), large, inferences: 8)
    #expect(bulks.reduce(0, +) == 8 && bulks.count > 1)
  }

  @Test("Sums of known parts give the parts back, and nothing below zero")
  func fit() {
    let parts = ["a": 2e-9, "b": 5e-6, "c": 0.0]
    let counts: [[String: Double]] = [
      ["a": 1000, "b": 1], ["a": 5000, "b": 1, "c": 3], ["a": 100, "b": 20], ["b": 7, "c": 1], ["a": 40000],
    ]
    let rows = counts.map { units in
      RoutineFit.Row(units: units, seconds: units.reduce(0) { $0 + $1.value * parts[$1.key]! })
    }
    let fit = RoutineFit(rows)
    for (name, value) in parts { #expect(abs(fit.seconds[name]! - value) <= 1e-6 * max(value, 1e-9), "\(name)") }
    #expect(fit.accuracy["a"]! < 1e-6)
    // Noise that only a negative part could explain.
    let noisy = RoutineFit([
      RoutineFit.Row(units: ["a": 10], seconds: 10), RoutineFit.Row(units: ["a": 10, "b": 5], seconds: 8),
    ])
    #expect(noisy.seconds["b"] == 0 && noisy.seconds["a"]! > 0)
  }

  @Test("Orders of the link's measurement survive the wire, and others are refused")
  func orders() throws {
    let order = LinkProbe.Order(.take, microseconds: 400, bytes: 1 << 20)
    let again = try LinkProbe.Order(order.encoded)
    #expect(again.work == .take && again.microseconds == 400 && again.bytes == 1 << 20)
    for bad in [
      [], [9] + order.encoded.dropFirst(), LinkProbe.Order(.give, bytes: 1 << 31).encoded,
      LinkProbe.Order(.echo, microseconds: 2_000_000).encoded,
    ] as [[UInt8]] { #expect(throws: (any Error).self) { try LinkProbe.Order(bad) } }
  }
}
