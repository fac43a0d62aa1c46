import Networks
public import Rings

/// Labelled pictures as bytes.
public struct Dataset: Sendable {
  /// Shape of one picture.
  public let shape: TensorShape
  /// Number of classes.
  public let classes: Int
  /// Largest value that a pixel may have; pixels start at 0.
  public let pixelMaximum: Int
  /// All pictures, each CHW.
  public let pixels: [UInt8]
  /// One label a picture, below `classes`.
  public let labels: [UInt8]

  /// Puts pictures and labels together.
  public init(shape: TensorShape, classes: Int, pixelMaximum: Int, pixels: [UInt8], labels: [UInt8]) {
    precondition(pixels.count == labels.count * shape.count, "pictures and labels do not match")
    precondition(labels.allSatisfy { $0 < classes }, "a label is out of range")
    self.shape = shape
    self.classes = classes
    self.pixelMaximum = pixelMaximum
    self.pixels = pixels
    self.labels = labels
  }

  /// Number of pictures.
  public var count: Int { labels.count }

  /// The pictures of a range.
  public func subset(_ range: Range<Int>) -> Dataset {
    Dataset(
      shape: shape, classes: classes, pixelMaximum: pixelMaximum,
      pixels: Array(pixels[range.lowerBound * shape.count..<range.upperBound * shape.count]),
      labels: Array(labels[range]))
  }

  /// Raw pixel values of one picture, CHW, as the inference engine takes them.
  public func rawSample(_ index: Int) -> [Float] {
    pixels[index * shape.count..<(index + 1) * shape.count].map(Float.init)
  }
}

/// What a net learns from and what it is judged by.
public struct DataSplit: Sendable {
  /// Training samples.
  public let training: Dataset
  /// Held-out samples: judged by, never learned from.
  public let test: Dataset

  /// A split.
  public init(training: Dataset, test: Dataset) {
    self.training = training
    self.test = test
  }

  /// Loads what a configuration names.
  ///
  /// - Throws: ``TrainingError`` on any fault of a file, or where no path is given for MNIST or CIFAR-10.
  public static func load(_ source: DataSource, path: String?) throws -> DataSplit {
    switch (source, path) {
    case (.digits, let path): try DigitsLoader.load(path: path)
    case (.mnist, let path?): try MnistLoader.load(folder: path)
    case (.cifar10, let path?): try CifarLoader.load(folder: path)
    case (_, nil):
      throw TrainingError.badConfiguration(
        field: "dataPath", reason: "\(source.rawValue) needs the folder of its files")
    }
  }
}

/// Turns pictures into normalised batches, with random shifts and mirroring for training.
struct Batcher {
  private let dataset: Dataset
  /// Which pictures of the data set take part, in what order.
  private let chosen: [Int]
  /// Normalised value of every byte, by channel.
  private let table: [[Float]]
  private let shape: TensorShape

  /// Batches of the pictures `chosen`, or all. Shares the data set's memory.
  ///
  /// - Throws: ``TrainingError/dataDoesNotFit(reason:)``
  init(dataset: Dataset, graph: Graph, chosen: [Int]? = nil) throws {
    let shape = dataset.shape
    guard shape == graph.input else {
      throw TrainingError.dataDoesNotFit(
        reason: "pictures are \(shape.channels)x\(shape.height)x\(shape.width), the net takes "
          + "\(graph.input.channels)x\(graph.input.height)x\(graph.input.width)")
    }
    let outputs = try graph.shapes().last?.count ?? 0
    guard dataset.classes == outputs else {
      throw TrainingError.dataDoesNotFit(reason: "\(dataset.classes) classes, and the net has \(outputs) outputs")
    }
    guard Float(dataset.pixelMaximum) == graph.inputNormalization.pixelMaximum else {
      throw TrainingError.dataDoesNotFit(
        reason: "pixels go up to \(dataset.pixelMaximum), the net expects \(graph.inputNormalization.pixelMaximum)")
    }
    self.dataset = dataset
    self.chosen = chosen ?? Array(0..<dataset.count)
    self.shape = shape
    table = (0..<shape.channels).map { channel in
      (0..<256).map { graph.inputNormalization.apply(Float($0), channel: channel) }
    }
  }

  /// Number of pictures.
  var count: Int { chosen.count }

  /// Number of classes.
  var classes: Int { dataset.classes }

  func labels(_ indices: ArraySlice<Int>) -> [Int] { indices.map { Int(dataset.labels[chosen[$0]]) } }

  /// Writes the pictures `indices` to `batch`, each moved and mirrored by what the generator draws (two or three draws
  /// a picture where `shift > 0` or `flip`).
  func fill(
    _ batch: FloatTensor, _ indices: ArraySlice<Int>, shift: Int = 0, flip: Bool = false,
    generator: inout SeededGenerator
  ) {
    precondition(batch.shape.samples == indices.count)
    for (position, index) in indices.enumerated() {
      let down = shift > 0 ? Int.random(in: -shift...shift, using: &generator) : 0
      let right = shift > 0 ? Int.random(in: -shift...shift, using: &generator) : 0
      let mirrored = flip && Bool.random(using: &generator)
      copy(picture: chosen[index], to: batch, position: position, down: down, right: right, mirrored: mirrored)
    }
  }

  private func copy(picture: Int, to batch: FloatTensor, position: Int, down: Int, right: Int, mirrored: Bool) {
    let (height, width) = (shape.height, shape.width)
    dataset.pixels.withUnsafeBufferPointer { pixels in
      for channel in 0..<shape.channels {
        let source = pixels.baseAddress! + picture * shape.count + channel * shape.height * shape.width
        let target = batch.pointer + channel * batch.shape.channelStride + position * shape.height * shape.width
        table[channel].withUnsafeBufferPointer { table in
          for row in 0..<height {
            for column in 0..<width {
              let fromRow = row - down
              let fromColumn = (mirrored ? width - 1 - column : column) - right
              let inside = fromRow >= 0 && fromRow < height && fromColumn >= 0 && fromColumn < width
              target[row * width + column] = table[inside ? Int(source[fromRow * width + fromColumn]) : 0]
            }
          }
        }
      }
    }
  }
}
