import ArgumentParser
import Foundation
import Networks
import Training

struct Search: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Find which layers keep ReLU, under the latency of the protocols that will run.",
    discussion: """
      Every activation computes ReLU and X2act, every pooling the maximum and the mean,
      weighed by trained numbers that pay for the latency of a table, which
      `polympc hw table` writes for a network, device and protocol. The larger
      number decides; --finetune-epochs trains the found network on.

      What is paid: --lambda (loss a millisecond), or a budget that must hold:
      --latency-budget or --relu-budget. --lambdas runs several in turn, with the
      networks that compare everywhere and nowhere beside them, for the page's front of
      accuracy against latency; models are then named after their lambda.

      Examples:
        polympc hw table --network resnet20 --device zcu104 --protocol pasnet \\
          --output resnet20.table.json
        polympc search cifar10 --data-path cifar-10-batches-bin \\
          --table resnet20.table.json --lambda 0.05 --output found.model \\
          --checkpoint search.checkpoint --report search.html
        polympc search digits --relu-budget 600 --epochs 10 --output found.model
        polympc search digits --table digits.table.json --lambdas 0,0.01,0.1 \\
          --finetune-epochs 10 --output front.model --report front.html
      """)

  @Argument(help: "Preset: digits, mnist, cifar10.")
  var preset: DataSource

  @Option(name: .shortAndLong, help: "Model file of the found network.")
  var output: String

  @Option(help: "Network: \(Builders.names.joined(separator: ", ")); -w0.5 halves channels, -d0.5 layers.")
  var network: String?

  @Option(help: ArgumentHelp("Latencies of the network's layers.", valueName: "file.json"))
  var table: String?

  @Option(help: "Loss that a millisecond of expected latency costs.")
  var lambda: Double?

  @Option(help: "Several lambdas, in turn: 0,0.01,0.1.")
  var lambdas: String?

  @Option(help: ArgumentHelp("Latency that the found network may have, all layers.", valueName: "ms"))
  var latencyBudget: Double?

  @Option(help: ArgumentHelp("Comparisons that the found network may take.", valueName: "count"))
  var reluBudget: Int?

  @Option(help: "Order of the architecture's gradient: 1, or 2 (by finite differences).")
  var order = 2

  @Option(help: "Learning rate of the architecture.")
  var alphaRate: Float?

  @Option(help: "Weight decay of the architecture.")
  var alphaDecay: Float?

  @Option(help: "How fast a budget's multiplier rises.")
  var dualRate: Float?

  @Option(help: "Epochs in which weights learn alone.")
  var warmUp: Int?

  @Option(help: "Share of the training samples that the architecture learns from.")
  var validationShare: Float?

  @Flag(inversion: .prefixedNo, help: "Whether poolings have a choice too.")
  var pools = true

  @Option(help: ArgumentHelp("Start from this model's weights, by the names of layers.", valueName: "model"))
  var from: String?

  @Option(help: "Epochs of fine-tuning behind the search.")
  var finetuneEpochs = 0

  @OptionGroup(title: "Learning") var options: LearningOptions

  func validate() throws {
    let ways = [lambda != nil, lambdas != nil, latencyBudget != nil, reluBudget != nil].count { $0 }
    guard ways == 1 else {
      throw ValidationError("Give one of --lambda, --lambdas, --latency-budget and --relu-budget.")
    }
    if table == nil, reluBudget == nil {
      throw ValidationError("--table is needed; `polympc hw table` writes one. A --relu-budget needs none.")
    }
    guard order == 1 || order == 2 else { throw ValidationError("--order is 1 or 2.") }
    guard finetuneEpochs >= 0 else { throw ValidationError("--finetune-epochs is not negative.") }
    if lambdas != nil { _ = try prices() }
  }

  func run() throws {
    try Failures.reporting {
      let table = try table.map {
        try LatencyTable.decode(json: [UInt8](Data(contentsOf: URL(fileURLWithPath: $0))))
      }
      try SearchSession(command: self, table: table).run()
    }
  }

  func prices() throws -> [Double] {
    guard let lambdas else { return [] }
    let parts = lambdas.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
    guard parts.count >= 1, parts.allSatisfy({ $0.map { $0.isFinite && $0 >= 0 } ?? false }) else {
      throw ValidationError("--lambdas is a list of numbers like 0,0.01,0.1.")
    }
    return parts.compactMap { $0 }
  }

  /// The configuration for an objective.
  func configuration(_ objective: SearchConfiguration.Objective) throws -> SearchConfiguration {
    let recipe = try options.configuration(for: preset)
    var result = SearchConfiguration(
      network: network ?? recipe.network, data: preset, dataPath: options.dataPath, objective: objective)
    // Of the recipe: what belongs to the data and the activation. Of PolyMPCNet: how a search learns.
    result.training.activation = recipe.activation
    result.training.normalizesSums = recipe.normalizesSums
    result.training.initialization = recipe.initialization
    result.training.loss = recipe.loss
    result.training.shift = recipe.shift
    result.training.flip = recipe.flip
    result.training.threads = recipe.threads
    options.apply(to: &result.training)
    result.order = order == 1 ? .first : .second
    result.alphaRate = alphaRate ?? result.alphaRate
    result.alphaDecay = alphaDecay ?? result.alphaDecay
    result.dualRate = dualRate ?? result.dualRate
    result.warmUpEpochs = warmUp ?? result.warmUpEpochs
    result.validationShare = validationShare ?? result.validationShare
    result.pools = pools
    try result.validate()
    return result
  }
}
