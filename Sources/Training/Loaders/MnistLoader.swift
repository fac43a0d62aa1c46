import Glibc
import Rings

/// MNIST and whatever has its form: IDX files of unsigned bytes, gzip or plain (Y. LeCun, C. Cortes, C. Burges).
public enum MnistLoader {
  /// Largest number of bytes in one file's data that is accepted.
  static let maximumBytes = 1 << 31

  /// Loads the four files `{train,t10k}-{images-idx3,labels-idx1}-ubyte[.gz]` of a folder; 60,000 and 10,000 pictures
  /// in the original.
  ///
  /// - Throws: ``TrainingError``
  public static func load(folder: String) throws -> DataSplit {
    DataSplit(
      training: try load(
        images: file(folder, "train-images-idx3-ubyte"), labels: file(folder, "train-labels-idx1-ubyte")),
      test: try load(
        images: file(folder, "t10k-images-idx3-ubyte"), labels: file(folder, "t10k-labels-idx1-ubyte")))
  }

  private static func file(_ folder: String, _ name: String) -> String {
    let plain = folder + "/" + name
    return access(plain, F_OK) == 0 ? plain : plain + ".gz"
  }

  /// Loads one pair of files.
  ///
  /// - Throws: ``TrainingError``
  public static func load(images: String, labels: String) throws -> Dataset {
    let (sizes, pixels) = try readIdx(images, dimensions: 3)
    let (labelSizes, classes) = try readIdx(labels, dimensions: 1)
    guard sizes[0] == labelSizes[0] else {
      throw TrainingError.countMismatch(images: sizes[0], labels: labelSizes[0])
    }
    if let wrong = classes.firstIndex(where: { $0 > 9 }) {
      throw TrainingError.malformed(
        path: labels, reason: "label \(wrong) is \(classes[wrong]), and at most 9 is allowed")
    }
    return Dataset(
      shape: TensorShape(channels: 1, height: sizes[1], width: sizes[2]), classes: 10, pixelMaximum: 255,
      pixels: pixels, labels: classes)
  }

  /// Reads an IDX file of unsigned bytes. Nothing is allocated for the data before the header has been checked.
  ///
  /// - Returns: the sizes of the dimensions, and the data, last dimension fastest.
  /// - Throws: ``TrainingError``
  public static func readIdx(_ path: String, dimensions: Int) throws -> (sizes: [Int], data: [UInt8]) {
    let file = try GzipFile(path)
    let headerBytes = 4 + 4 * dimensions
    let header = try file.read(exactly: headerBytes, before: 0, total: headerBytes)
    guard header[0] == 0, header[1] == 0, header[2] == 8, Int(header[3]) == dimensions else {
      throw TrainingError.malformed(
        path: path,
        reason: "its first bytes are \(Array(header[0..<4])), and an IDX file of unsigned bytes with \(dimensions) "
          + "dimensions starts with [0, 0, 8, \(dimensions)]")
    }
    var sizes: [Int] = []
    var count = 1
    for dimension in 0..<dimensions {
      let size = header[(4 + 4 * dimension)..<(8 + 4 * dimension)].reduce(0) { $0 << 8 | Int($1) }
      let (product, overflow) = count.multipliedReportingOverflow(by: size)
      guard size >= 1, !overflow, product <= maximumBytes, dimension == 0 || size <= 4096 else {
        throw TrainingError.malformed(path: path, reason: "dimension \(dimension + 1) has the size \(size)")
      }
      sizes.append(size)
      count = product
    }
    // A header can announce more than the file holds, so the memory grows with what has been read.
    var data: [UInt8] = []
    while data.count < count {
      let piece = try file.read(
        exactly: min(count - data.count, 16 << 20), before: headerBytes + data.count, total: headerBytes + count)
      data.append(contentsOf: piece)
    }
    try file.expectEnd(total: headerBytes + count)
    return (sizes, data)
  }
}
