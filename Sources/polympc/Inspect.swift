import ArgumentParser
import Correlations
import Networks
import Programs

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model or plan file holds, and what a query costs.",
    discussion: """
      For a plan (the data owner's file) only what is public; for a model also where
      it comes from and the ranges that its numbers were planned for, which are
      statistics of the weights. Latencies are predicted for --device, which is a
      calibrated host or a board (see polympc hw list). Of a model without
      calibration, and of an ONNX file, the layers alone are shown.

      Examples:
        polympc inspect digits.model
        polympc inspect digits.plan --json
        polympc inspect net.onnx
        polympc inspect net.model --device epyc-zen5
      """)

  @Argument(help: "Model file, plan file or ONNX file.")
  var file: String

  @OptionGroup var revealing: RevealOptions

  @Option(help: ArgumentHelp("Device or calibrated host for which latency is predicted.", valueName: "device"))
  var device: String?

  @Option(help: ArgumentHelp("Link between two such; the device's first where none is given.", valueName: "link"))
  var link: String?

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if link != nil, device == nil { throw ValidationError("--link needs --device.") }
  }

  private struct Account: Encodable {
    var kind: String
    var modelDigest: String
    var planDigest: String
    var provenance: [String: String]?
    var bytesToModelOwner: Int
    var bytesToDataOwner: Int
    var roundTrips: Int
    /// Of one inference prepared by lattices: alone, and with 7 others.
    var preparation: PreparationPrediction
    var preparationOfEight: PreparationPrediction
    /// What one inference consumes, by kind of material.
    var material: [String: Int]
    /// Bytes of that, which a store holds for each inference.
    var materialBytesOfModelOwner: Int
    var materialBytesOfDataOwner: Int
    var finish: OutputFinish?
    var latency: LatencyPrediction?
    var report: Report
  }

  func run() throws {
    try Failures.reporting {
      if let unplanned = try unplannedGraph() {
        let report = try Report(unplanned)
        return try json ? Output.json(report) : Output.line(report.table())
      }
      let account = try makeAccount()
      if json { return try Output.json(account) }
      Output.line("\(account.kind), model digest \(account.modelDigest)")
      Output.line("plan digest \(account.planDigest)")
      for (key, value) in (account.provenance ?? [:]).sorted(by: { $0.key < $1.key }) {
        Output.line("\(key): \(value)")
      }
      Output.line()
      Output.line(account.report.table())
      Output.line(
        "a query of one sample: \(account.bytesToModelOwner) bytes to the model owner, \(account.bytesToDataOwner) to the "
          + "data owner, \(account.roundTrips) round trips (from the descriptors, framing included)")
      for (what, cost) in [("alone", account.preparation), ("of 8 together", account.preparationOfEight)] {
        Output.line(
          "its preparation by lattices, \(what): \(cost.bytesToModelOwner) bytes to the model owner, "
            + "\(cost.bytesToDataOwner) to the data owner")
      }
      let material = account.material.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }
      Output.line("its material: \(material.joined(separator: ", "))")
      Output.line(
        "a store holds for each inference: \(account.materialBytesOfModelOwner) bytes at the model owner, "
          + "\(account.materialBytesOfDataOwner) at the data owner")
      if let finish = account.finish { Output.line("at the end, by the data owner: \(finish.rawValue)") }
      if let latency = account.latency {
        Output.line(
          "predicted on a pair of \(latency.device) over \(latency.link): a query "
            + "\(Output.duration(latency.querySeconds)), its preparation alone "
            + "\(Output.duration(latency.preparationSeconds))")
      }
    }
  }

  private func makeAccount() throws -> Account {
    let plan: PlanFile
    var report: Report
    var provenance: [String: String]?
    do {
      let model = try revealing.load(file)
      let planned = try model.planned()
      plan = PlanFile(plan: planned.plan, modelDigest: try model.modelDigest())
      report = Report(planned)
      provenance = model.provenance
    } catch NetworksError.notAModelFile {
      guard revealing.reveal == nil else {
        throw NetworksError.notAModelFile(path: file, kind: "model")
      }
      plan = try PlanFile.load(from: file)
      report = Report(plan.plan)
    }
    let latency = try device.map { try LatencyPrediction(plan.plan.program, device: $0, link: link) }
    let online = try OnlinePrediction(plan.plan.program, batch: 1)
    return Account(
      kind: provenance == nil ? "plan file" : "model file", modelDigest: "\(plan.modelDigest)",
      planDigest: "\(try plan.planDigest())", provenance: provenance, bytesToModelOwner: online.bytesSent,
      bytesToDataOwner: online.bytesReceived, roundTrips: online.rounds,
      preparation: try PreparationPrediction(plan.plan.program, bulk: 1),
      preparationOfEight: try PreparationPrediction(plan.plan.program, bulk: 8), material: online.material,
      materialBytesOfModelOwner: ModelOwnerMaterial.byteCount(plan.plan.program),
      materialBytesOfDataOwner: DataOwnerMaterial.byteCount(plan.plan.program), finish: plan.plan.input.finish,
      latency: latency, report: report)
  }

  /// The network of a file that has no plan; nil where there is one.
  private func unplannedGraph() throws -> Graph? {
    if file.hasSuffix(".onnx") { return try HwGraphSource.graph(file) }
    do {
      let model = try ModelFile.load(from: file)
      return model.calibration == nil ? model.graph : nil
    } catch NetworksError.notAModelFile { return nil }
  }
}
