import ArgumentParser
import Networks
import Programs

struct Inspect: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show what a model or plan file holds, and what a query costs.",
    discussion: """
      For a plan (the data owner's file) only what is public; for a model also where
      it comes from and the ranges that its numbers were planned for, which are
      statistics of the weights.

      Examples:
        polympc inspect digits.model
        polympc inspect digits.plan --json
      """)

  @Argument(help: "Model file or plan file.")
  var file: String

  @OptionGroup var revealing: RevealOptions

  @Flag(help: "Print JSON.")
  var json = false

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
    var report: Report
  }

  func run() throws {
    try Failures.reporting {
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
    let online = try OnlinePrediction(plan.plan.program, batch: 1)
    return Account(
      kind: provenance == nil ? "plan file" : "model file", modelDigest: "\(plan.modelDigest)",
      planDigest: "\(try plan.planDigest())", provenance: provenance, bytesToModelOwner: online.bytesSent,
      bytesToDataOwner: online.bytesReceived, roundTrips: online.rounds,
      preparation: try PreparationPrediction(plan.plan.program, bulk: 1),
      preparationOfEight: try PreparationPrediction(plan.plan.program, bulk: 8), report: report)
  }
}
