public import ArgumentParser
import Networks
public import Training

extension DataSource: ExpressibleByArgument {}

/// Which data set is meant.
struct DataOptions: ParsableArguments {
  @Option(help: "Data set: digits (shipped), mnist, cifar10. Without it, the one that the model was trained on.")
  var data: DataSource?

  @Option(
    help: ArgumentHelp(
      "Where it is: a CSV file (digits), the folder of the four IDX files (mnist), cifar-10-batches-bin (cifar10).",
      valueName: "path"))
  var dataPath: String?

  /// Loads the set that was named, or else the model's own.
  func load(for model: ModelFile) throws -> DataSplit {
    let source = data ?? model.provenance["data"].flatMap(DataSource.init(rawValue:)) ?? .digits
    guard source == .digits || dataPath != nil else {
      throw ValidationError("The data set \(source.rawValue) needs --data-path.")
    }
    return try DataSplit.load(source, path: dataPath)
  }
}
