import ArgumentParser
import Daemons
import Foundation
import Networks

struct Infer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Classify inputs privately, through the data owner's daemon.",
    discussion: """
      Reads PNG, NumPy (.npy, one sample or several), IDX (the format of MNIST, also
      .gz) and CSV files (values of a sample a row, with or without its label behind
      them, also .gz). Integers are pixels in the network's units, floating-point
      numbers lie in 0...1.

      Examples:
        polympc infer --control data-owner.sock digit.png
        polympc infer --control data-owner.sock t10k-images-idx3-ubyte.gz \\
          --index 7 --scores
        polympc infer --control data-owner.sock digits.csv.gz \\
          --index '1440..<1450' --json
      """)

  @Option(help: ArgumentHelp("The daemon's local socket.", valueName: "path"))
  var control: String

  @Argument(help: "Input files.")
  var files: [String]

  @Option(help: "Index of the sample within each file, or a range such as 3..<10. Default: all of them.")
  var index: SampleSelection?

  @Option(help: "Samples in one query.")
  var batch = 1

  @Flag(help: "Print the score of every class.")
  var scores = false

  @Flag(help: "Print a line of JSON for each sample.")
  var json = false

  func validate() throws {
    if batch < 1 { throw ValidationError("--batch is at least 1.") }
  }

  private struct Line: Encodable {
    var input: String
    var label: Int
    var name: String?
    var expected: Int?
    var scores: [Double]
    var seconds: Double
    var totalSeconds: Double
    var bytesSent: Int
    var bytesReceived: Int
    var rounds: Int
    var batch: Int
    var preparedOnDemand: Bool
  }

  func run() throws {
    try Failures.reporting {
      let client = try ControlClient(path: control)
      let network = try client.describe()
      if scores, network.reveals == .label, !json {
        Output.note("The model owner's plan reveals labels only: there are no scores.")
      }
      for file in files {
        let samples = try InputFile(path: file).samples(
          index?.range, shape: network.input, normalization: network.normalization)
        let size = min(batch, network.maximumBatch)
        for start in stride(from: 0, to: samples.count, by: size) {
          let part = Array(samples[start..<min(start + size, samples.count)])
          try show(part, try client.infer(part), network)
        }
      }
    }
  }

  private func show(_ samples: [InputSample], _ reply: InferenceReply, _ network: NetworkDescription) throws {
    if reply.preparedOnDemand, !json {
      Output.note("The store was empty: this query's inferences were prepared on demand.")
    }
    for (sample, prediction) in zip(samples, reply.predictions) {
      if json {
        try Output.json(
          Line(
            input: sample.source, label: prediction.label, name: prediction.name, expected: sample.label,
            scores: prediction.scores, seconds: reply.seconds, totalSeconds: reply.totalSeconds,
            bytesSent: reply.bytesSent, bytesReceived: reply.bytesReceived, rounds: reply.rounds,
            batch: samples.count, preparedOnDemand: reply.preparedOnDemand))
        continue
      }
      let expected = sample.label.map { "  (labelled \($0))" } ?? ""
      Output.line("\(sample.source): \(prediction.name ?? String(prediction.label))\(expected)")
      guard scores else { continue }
      for (index, score) in prediction.scores.enumerated() {
        let name = network.classes.indices.contains(index) ? network.classes[index] : String(index)
        Output.line("  \(name): \(Output.fixed(score, 4))")
      }
    }
    if !json {
      Output.note(
        "\(Output.duration(reply.seconds)) online, \(reply.rounds) round trips, "
          + "\(reply.bytesSent) bytes sent, \(reply.bytesReceived) received")
    }
  }
}
