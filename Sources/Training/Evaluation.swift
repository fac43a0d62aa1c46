public import Networks
import Rings

/// How well a net does on labelled samples, in float32 and in the clear.
public struct Evaluation: Codable, Hashable, Sendable {
  /// Samples judged.
  public var samples: Int
  /// Samples classified correctly.
  public var correct: Int
  /// Mean cross-entropy.
  public var loss: Double
  /// Rows are true classes, columns answers.
  public var confusion: [[Int]]
  /// Largest magnitude of every node's tensor over the samples; fixed point has to hold it.
  public var magnitudes: [Float]

  /// Share of the samples classified correctly.
  public var accuracy: Double { Double(correct) / Double(max(samples, 1)) }

  /// Judges parameters on a data set, without magnitudes.
  ///
  /// - Throws: `NetworksError` or ``TrainingError`` where graph, parameters and data do not fit.
  public static func judge(
    graph: Graph, parameters: Parameters, dataset: Dataset, threads: Int = 1
  ) throws -> Evaluation {
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: threads))
    return run(executor, try Batcher(dataset: dataset, graph: graph))
  }

  /// Judges parameters on a data set. Magnitudes are measured too.
  ///
  /// - Throws: `NetworksError` or ``TrainingError`` where graph, parameters and data do not fit.
  public static func run(
    graph: Graph, parameters: Parameters, dataset: Dataset, threads: Int = 1
  ) throws -> Evaluation {
    let executor = try GraphExecutor(graph: graph, parameters: parameters, workers: Workers(threads: threads))
    return run(executor, try Batcher(dataset: dataset, graph: graph), measuresMagnitudes: true)
  }

  static func run(_ executor: GraphExecutor, _ batcher: Batcher, measuresMagnitudes: Bool = false) -> Evaluation {
    let shape = executor.graph.input
    let indices = Array(0..<batcher.count)
    let classes = batcher.classes
    var result = Evaluation(
      samples: indices.count, correct: 0, loss: 0,
      confusion: [[Int]](repeating: [Int](repeating: 0, count: classes), count: classes), magnitudes: [])
    var generator = SeededGenerator(seed: 0)
    var start = 0
    while start < indices.count {
      let part = indices[start..<min(start + 200, indices.count)]
      let batch = FloatTensor(
        shape: BatchShape(channels: shape.channels, samples: part.count, height: shape.height, width: shape.width))
      batcher.fill(batch, part, generator: &generator)
      let labels = batcher.labels(part)
      let judged = executor.evaluate(batch: batch, labels: labels)
      result.loss += judged.loss
      for (label, answer) in zip(labels, judged.predictions) {
        result.confusion[label][answer] += 1
        if label == answer { result.correct += 1 }
      }
      if measuresMagnitudes {
        let found = executor.magnitudes(batch: batch)
        result.magnitudes = result.magnitudes.isEmpty ? found : zip(result.magnitudes, found).map { max($0, $1) }
      }
      start += part.count
    }
    result.loss /= Double(max(indices.count, 1))
    return result
  }
}
