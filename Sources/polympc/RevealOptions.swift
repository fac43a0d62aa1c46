public import ArgumentParser
public import Networks

extension Revelation: ExpressibleByArgument {}
extension RingTruncation: ExpressibleByArgument {}

/// What results shall tell, where it is not what the model file says.
struct RevealOptions: ParsableArguments {
  @Option(help: "What a result tells who asks, scores or label; default: what the model file says.")
  var reveal: Revelation?

  /// Loads a model file, to be planned so.
  func load(_ path: String) throws -> ModelFile {
    var file = try ModelFile.load(from: path)
    if let reveal { file.options.reveals = reveal }
    return file
  }
}
