public import ArgumentParser
public import Training

extension DataSource: ExpressibleByArgument {}

/// Which data set is meant.
struct DataOptions: ParsableArguments {
  @Option(help: "Data set: digits (shipped), mnist, cifar10.")
  var data: DataSource = .digits

  @Option(
    help: ArgumentHelp(
      "Where it is: a CSV file (digits), the folder of the four IDX files (mnist), cifar-10-batches-bin (cifar10).",
      valueName: "path"))
  var dataPath: String?

  func validate() throws {
    if data != .digits, dataPath == nil { throw ValidationError("--data \(data.rawValue) needs --data-path.") }
  }

  func load() throws -> DataSplit { try DataSplit.load(data, path: dataPath) }
}
