import Rings

/// NumPy's `.npz` archives (`savez`, `savez_compressed`): one array of samples, and an array of their labels where there is one
/// named `y`, `label` or `labels`.
enum NPZReader {
  private static let labelNames: Set = ["y", "label", "labels"]

  static func read(_ bytes: [UInt8], selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    let archive = try ZipArchive(bytes, source: builder.source)
    var samples: [(name: String, array: NumPyArray)] = []
    var others: [(name: String, array: NumPyArray)] = []
    var total = 0
    for member in archive.members where member.name.hasSuffix(".npy") {
      total += member.size
      guard total <= InputFile.maximumBytes else { throw builder.refuse("its arrays have more than \(total) bytes") }
      let array = try NumPyArray(archive.contents(of: member), builder: builder)
      let name = String(member.name.dropLast(4))
      if array.sampleCount(of: builder.shape) != nil {
        samples.append((name, array))
      } else {
        others.append((name, array))
      }
    }
    // Vectors of one number a sample look like labels do.
    if samples.count > 1 { samples.removeAll { labelNames.contains($0.name) } }
    guard let (name, array) = samples.first, samples.count == 1 else {
      let held = (samples + others).prefix(8).map { "\(shown($0.name)) \($0.array.shapeText)" }.joined(separator: ", ")
      throw builder.refuse(
        "\(samples.count) of its arrays (\(held)) hold samples of "
          + "\(builder.shape.channels) x \(builder.shape.height) x \(builder.shape.width), and one is read")
    }
    let found = try NumPyReader.read(array, selection: selection, builder: builder)
    guard let labels = others.first(where: { labelNames.contains($0.name) && $0.name != name })?.array.labels else {
      return found
    }
    guard labels.count == array.sampleCount(of: builder.shape) else {
      throw builder.refuse("it has \(labels.count) labels for \(array.sampleCount(of: builder.shape) ?? 0) samples")
    }
    let places = try builder.indices(selection, available: labels.count)
    return zip(found, places).map { sample, place in
      InputSample(values: sample.values, source: sample.source, label: labels[place])
    }
  }

  private static func shown(_ name: String) -> String {
    String(String.UnicodeScalarView(name.unicodeScalars.prefix(32).filter { $0.value >= 32 && $0.value != 127 }))
  }
}
