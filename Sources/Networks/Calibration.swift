import Rings

/// What one tensor of the folded network was seen to hold.
public struct TensorStatistics: Codable, Hashable, Sendable {
  /// Largest magnitude per channel.
  public var maximum: [Float]
  /// Mean magnitude per channel.
  public var mean: [Float]
  /// Root of the mean square over the whole tensor.
  public var rootMeanSquare: Float

  /// Largest magnitude over all channels.
  public var largest: Float { maximum.max() ?? 0 }
}

/// Ranges of a folded network's tensors on sample inputs. They are statistics of the weights and of the samples, and
/// stay with the model owner.
public struct Calibration: Codable, Hashable, Sendable {
  /// Factor by which planned ranges exceed the seen ones.
  public var margin: Double
  /// Samples seen.
  public var samples: Int
  /// Statistics of each node's tensor, by index in the folded graph.
  public var nodes: [TensorStatistics]

  /// The default of ``margin``. Pre-activations of trained networks are nearly normal, and the largest of some
  /// hundred samples' values lies beyond four deviations: twice that is passed practically never by inputs of the
  /// same kind, and costs one bit.
  public static let defaultMargin = 2.0

  /// Runs normalised samples through a folded network.
  ///
  /// - Throws: ``NetworksError`` where a sample or the margin is invalid, or a value overflows.
  public static func run(
    _ graph: Graph, _ parameters: Parameters, samples: some Sequence<[Float]>, margin: Double = defaultMargin
  ) throws -> Calibration {
    guard margin.isFinite, margin >= 1, margin <= 1024 else {
      throw NetworksError.invalidGraph(reason: "the calibration margin must lie between 1 and 1024")
    }
    let executor = try FloatExecutor(graph: graph, parameters: parameters)
    var accumulators = executor.shapes.map { Accumulator(channels: $0.channels) }
    var count = 0
    for sample in samples {
      for (node, values) in try executor.tensors(of: sample).enumerated() {
        guard accumulators[node].add(values) else {
          throw NetworksError.outOfRange(
            node: graph.nodes[node].name, reason: "calibration met a value that is not finite")
        }
      }
      count += 1
    }
    guard count > 0 else { throw NetworksError.invalidInput(reason: "calibration needs at least one sample") }
    return Calibration(margin: margin, samples: count, nodes: accumulators.map { $0.statistics(samples: count) })
  }

  /// Checks that the statistics belong to a folded graph.
  ///
  /// - Throws: ``NetworksError``
  public func validate(for graph: Graph) throws {
    let shapes = try graph.shapes()
    guard nodes.count == shapes.count, margin.isFinite, margin >= 1, margin <= 1024, samples > 0 else {
      throw NetworksError.invalidGraph(reason: "the calibration belongs to another network; calibrate again")
    }
    for (node, statistics) in zip(graph.nodes, nodes) {
      let channels = shapes[node.id].channels
      let values = statistics.maximum + statistics.mean + [statistics.rootMeanSquare]
      guard statistics.maximum.count == channels, statistics.mean.count == channels,
        values.allSatisfy({ $0.isFinite && $0 >= 0 })
      else {
        throw NetworksError.invalidNode(index: node.id, name: node.name, reason: "its calibrated ranges do not fit it")
      }
    }
  }

  private struct Accumulator {
    var maximum: [Float]
    var sum: [Double]
    var squares = 0.0
    var area = 1

    init(channels: Int) {
      maximum = [Float](repeating: 0, count: channels)
      sum = [Double](repeating: 0, count: channels)
    }

    mutating func add(_ values: [Float]) -> Bool {
      area = values.count / maximum.count
      values.withUnsafeBufferPointer { values in
        for channel in maximum.indices {
          var (largest, total, square) = (Float(0), Float(0), 0.0)
          for index in channel * area..<(channel + 1) * area {
            let magnitude = abs(values[index])
            largest = max(largest, magnitude)
            total += magnitude
            square += Double(magnitude) * Double(magnitude)
          }
          maximum[channel] = max(maximum[channel], largest)
          sum[channel] += Double(total)
          squares += square
        }
      }
      return squares.isFinite
    }

    func statistics(samples: Int) -> TensorStatistics {
      let perChannel = Double(samples * area)
      return TensorStatistics(
        maximum: maximum, mean: sum.map { Float($0 / perChannel) },
        rootMeanSquare: Float((squares / (perChannel * Double(maximum.count))).squareRoot()))
    }
  }
}
