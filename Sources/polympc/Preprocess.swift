import ArgumentParser
import Daemons

struct Preprocess: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Have the data owner's daemon prepare inferences ahead of queries.",
    discussion: """
      The daemon keeps its configured level prepared by itself; this adds to it, for instance before a burst. A query that
      finds the store empty prepares on demand and says so.

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
  }

  func run() throws {
    try Failures.reporting {
      let client = try ControlClient(path: control)
      if let count {
        let reply = try client.prepare(count: count)
        if json { return try Output.json(reply) }
        Output.line("\(reply.added) prepared in \(Output.duration(reply.seconds)); \(reply.prepared) in store")
      } else {
        let reply = try client.status()
        if json { return try Output.json(reply) }
        Output.line(
          "sessions \(reply.sessions) of \(reply.wantedSessions), prepared \(reply.prepared), waiting \(reply.waiting)")
        if reply.sessions == 0, let failure = reply.lastFailure { Output.line("last failure: \(failure)") }
      }
    }
  }
}
