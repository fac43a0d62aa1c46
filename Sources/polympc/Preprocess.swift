import ArgumentParser
import Daemons

struct Preprocess: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have the data owner's daemon prepare inferences ahead of queries.",
    discussion: """
      The daemon keeps its configured level prepared by itself; this adds to it, for
      instance before a burst. A query that finds the store empty prepares on demand
      and says so.

      Examples:
        polympc preprocess --control data-owner.sock --count 200
        polympc preprocess --control data-owner.sock --status
      """)

  @Option(help: ArgumentHelp("The daemon's local socket.", valueName: "path"))
  var control: String

  @Option(help: "Inferences to add.")
  var count: Int?

  @Flag(help: "Only print what is prepared and connected.")
  var status = false

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if (count == nil) == !status { throw ValidationError("Give either --count or --status.") }
    if let count, !(1...1_000_000 ~= count) { throw ValidationError("--count is 1 to 1000000.") }
  }

  /// Inferences asked for at once: a request that is short lets queries in between.
  private static let portion = 16

  private func prepare(_ count: Int, _ client: ControlClient) throws -> PrepareReply {
    let progress = ProgressLine()
    defer { progress.clear() }
    var done = try Watch.during(control: control) { try client.prepare(count: min(Self.portion, count)) }
    while done.added < count {
      let rest = done.seconds / Double(done.added) * Double(count - done.added)
      progress.show("prepared \(done.added) of \(count), \(Output.duration(rest)) left")
      let title = "prepared \(done.added) of \(count), \(Output.duration(rest)) left; "
      let reply = try Watch.during(control: control, title: title) {
        try client.prepare(count: min(Self.portion, count - done.added))
      }
      done.added += reply.added
      done.seconds += reply.seconds
      done.prepared = reply.prepared
    }
    return done
  }

  func run() throws {
    try Failures.reporting {
      let client = try ControlClient(path: control)
      if let count {
        let reply = try prepare(count, client)
        if json { return try Output.json(reply) }
        Output.line("\(reply.added) prepared in \(Output.duration(reply.seconds)); \(reply.prepared) are ready")
      } else {
        let reply = try client.status()
        if json { return try Output.json(reply) }
        Output.line(
          "sessions \(reply.sessions) of \(reply.wantedSessions), prepared \(reply.prepared), waiting \(reply.waiting)")
        for busy in reply.busy { Output.line("  \(busy.text)") }
        if reply.sessions == 0, let failure = reply.lastFailure { Output.line("last failure: \(failure)") }
      }
    }
  }
}
