import Rings

/// CIFAR-10 in its binary form (A. Krizhevsky): records of a label byte and 3 x 32 x 32 pixel bytes, planes R, G, B.
public enum CifarLoader {
  static let recordBytes = 3073
  /// Largest number of records in one file that is accepted.
  static let maximumRecords = 1_000_000

  /// Loads `data_batch_1.bin` to `data_batch_5.bin` and `test_batch.bin` of a folder.
  ///
  /// - Throws: ``TrainingError``
  public static func load(folder: String) throws -> DataSplit {
    DataSplit(
      training: try load(files: (1...5).map { "\(folder)/data_batch_\($0).bin" }),
      test: try load(files: ["\(folder)/test_batch.bin"]))
  }

  /// Loads files one after the other; each may also be gzip.
  ///
  /// - Throws: ``TrainingError``
  public static func load(files: [String]) throws -> Dataset {
    var pixels: [UInt8] = []
    var labels: [UInt8] = []
    for path in files {
      let file = try GzipFile(path)
      var records = 0
      while true {
        let record = try file.read(atMost: recordBytes)
        if record.isEmpty { break }
        guard record.count == recordBytes else {
          throw TrainingError.truncated(
            path: path, expectedBytes: (records + 1) * recordBytes, foundBytes: records * recordBytes + record.count)
        }
        guard record[0] <= 9 else {
          throw TrainingError.malformed(path: path, reason: "record \(records + 1) has the label \(record[0])")
        }
        records += 1
        guard records <= maximumRecords else {
          throw TrainingError.malformed(path: path, reason: "it has more than \(maximumRecords) records")
        }
        labels.append(record[0])
        pixels.append(contentsOf: record[1...])
      }
      if records == 0 { throw TrainingError.truncated(path: path, expectedBytes: recordBytes, foundBytes: 0) }
    }
    return Dataset(
      shape: TensorShape(channels: 3, height: 32, width: 32), classes: 10, pixelMaximum: 255, pixels: pixels,
      labels: labels)
  }
}
