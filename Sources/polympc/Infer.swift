import ArgumentParser
import Daemons
import Foundation
import Networks
import Randomness
import Transport

struct Infer: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Classify inputs privately, through the data owner's daemon or two servers.",
    discussion: """
      Reads PNG, NumPy (.npy and .npz, one sample or several), IDX (the format of
      MNIST, also .gz) and CSV files (values of a sample a row, with or without its
      label behind them, also .gz). Integers are pixels in the network's units,
      floating-point numbers lie in 0...1, or are the network's input where it has no
      pixels. A file of one ONNX TensorProto (.pb) holds the network's input as it is.
      A softmax at the network's end is computed here, on the scores.

      Examples:
        polympc infer --control data-owner.sock digit.png
        polympc infer --control data-owner.sock t10k-images-idx3-ubyte.gz \\
          --index 7 --scores
        polympc infer --control data-owner.sock digits.csv.gz \\
          --index '1440..<1450' --json
        polympc infer --control data-owner.sock test_data_set_0/input_0.pb \\
          samples.npz --batch 4
        polympc infer --outsourced --plan digits.shared.plan --identity client \\
          --servers zero.example:7700 one.example:7701 \\
          --pin FINGERPRINT0 FINGERPRINT1 --input digit.png

      With --outsourced the input is shared between two servers (polympc share), and
      their answers are added here: neither of them learns input or result.
      """)

  @Option(help: ArgumentHelp("The daemon's local socket.", valueName: "path"))
  var control: String?

  @Flag(help: "Ask two servers that hold shares of the model.")
  var outsourced = false

  @Option(help: ArgumentHelp("Outsourced: the plan file of polympc share.", valueName: "file"))
  var plan: String?

  @Option(help: ArgumentHelp("Outsourced: folder of the client's identity.", valueName: "folder"))
  var identity: String?

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Outsourced: addresses of server 0 and server 1.", valueName: "host:port"))
  var servers: [String] = []

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Outsourced: their fingerprints, in this order.", valueName: "fingerprint"))
  var pin: [String] = []

  @Option(
    parsing: .upToNextOption, help: ArgumentHelp("Input files, like those without a flag.", valueName: "file"))
  var input: [String] = []

  @Argument(help: "Input files.")
  var files: [String] = []

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
    if files.isEmpty, input.isEmpty { throw ValidationError("Give an input file.") }
    guard outsourced else {
      if control == nil { throw ValidationError("Give --control, or --outsourced and servers.") }
      if plan != nil || identity != nil || !servers.isEmpty || !pin.isEmpty {
        throw ValidationError("--plan, --identity, --servers and --pin belong to --outsourced.")
      }
      return
    }
    if control != nil { throw ValidationError("--control is the data owner's daemon; --outsourced asks servers.") }
    if plan == nil || identity == nil || servers.count != 2 || pin.count != 2 {
      throw ValidationError("--outsourced needs --plan, --identity, two --servers and two --pin.")
    }
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
      let (network, infer, close) = try open()
      defer { close() }
      if scores, network.reveals == .label, !json {
        Output.note("The plan reveals labels only: there are no scores.")
      }
      for file in files + input {
        let samples = try samples(file, network)
        let size = min(batch, network.maximumBatch)
        for start in stride(from: 0, to: samples.count, by: size) {
          let part = Array(samples[start..<min(start + size, samples.count)])
          try show(part, try infer(part), network)
        }
      }
    }
  }

  private func samples(_ file: String, _ network: NetworkDescription) throws -> [InputSample] {
    guard file.hasSuffix(".pb") else {
      return try InputFile(path: file).samples(
        index?.range, shape: network.input, normalization: network.normalization)
    }
    return try TensorSamples(path: file, shape: network.input).raw(
      index?.range, shape: network.input, normalization: network.normalization)
  }

  private func open() throws -> (
    network: NetworkDescription, infer: ([InputSample]) throws -> InferenceReply, close: () -> Void
  ) {
    if let control {
      let client = try ControlClient(path: control)
      return (
        try client.describe(), { samples in try Watch.during(control: control) { try client.infer(samples) } }, {}
      )
    }
    let addresses = try zip(servers, pin).map { text, pin in
      guard let address = NetworkAddress(text) else { throw ValidationError("\(text) is not host:port.") }
      return PinnedAddress(address: address, fingerprint: try Digest32(fingerprint: pin))
    }
    let client = try OutsourcedClient(
      plan: try PlanFile.load(from: plan ?? ""), identity: try Identity.load(directory: identity ?? ""),
      servers: addresses)
    return (client.network, { try client.infer($0) }, { client.close() })
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
