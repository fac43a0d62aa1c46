import Networks
import Programs
import Rings
import Testing

@Suite("Poolings over any windows")
struct PoolingTests {
  static let windows: [PoolingWindow] = [
    PoolingWindow(rows: PoolingAxis(kernel: 2, stride: 1), columns: PoolingAxis(kernel: 3, stride: 2, before: 1)),
    PoolingWindow(
      rows: PoolingAxis(kernel: 3, stride: 2, before: 1, behind: 1, overhang: 1),
      columns: PoolingAxis(kernel: 2, stride: 2, overhang: 1)),
    PoolingWindow(
      rows: PoolingAxis(kernel: 2, dilation: 3), columns: PoolingAxis(kernel: 3, stride: 2, dilation: 2, behind: 2)),
    PoolingWindow(rows: PoolingAxis(kernel: 1, stride: 2), columns: PoolingAxis(kernel: 4, before: 3, behind: 3)),
    PoolingWindow(kernel: 3, stride: 1, padding: 1),
  ]

  private static func network(_ pool: Operation, _ activation: Operation) -> Graph {
    var graph = Graph(
      name: "pools", input: TensorShape(channels: 2, height: 8, width: 9), inputNormalization: .none(channels: 2))
    graph.append(.convolution(ConvolutionSpec(outChannels: 4, kernel: 3, padding: 1)), name: "conv")
    graph.append(activation, name: "act")
    graph.append(pool, name: "pool")
    graph.append(.convolution(ConvolutionSpec(outChannels: 3, kernel: 2)), name: "conv2")
    graph.append(pool, name: "pool2")
    graph.append(activation, name: "act2")
    graph.append(.flatten, name: "flatten")
    graph.append(.linear(outFeatures: 5, bias: true), name: "fc")
    return graph
  }

  @Test("Twin and float network agree, and both with the definition", arguments: 0..<5, [false, true])
  func plans(index: Int, isPolynomial: Bool) throws {
    let window = Self.windows[index]
    var pools: [Operation] = [false, true].map { .average(over: AveragingWindow(window, countsPadding: $0)) }
    if !isPolynomial { pools.append(.maximum(over: window)) }
    for pool in pools {
      let graph = Self.network(pool, isPolynomial ? .x2act(X2actSpec(perChannel: true)) : .relu)
      let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 3), seed: 4, square: 0.5)
      let (folded, trained, planned, samples) = try Samples.plan(graph, parameters)
      try planned.plan.validate()
      #expect(try Plan.decode(json: planned.plan.canonicalBytes()) == planned.plan)
      let twin = try Twin(planned.plan, planned.quantized)
      let (before, after) = (
        try FloatExecutor(graph: graph, parameters: parameters),
        try FloatExecutor(graph: folded, parameters: trained)
      )
      let bound = planned.details.last!.errorBound
      for sample in samples {
        let floats = try after.output(of: sample)
        #expect(Samples.difference(try before.output(of: sample).map(Double.init), floats).largest < 1e-4)
        let found = try twin.logits(normalized: sample)
        let (largest, scale) = Samples.difference(found.values, floats)
        #expect(found.outOfRange == 0 && largest <= bound, "\(pool)")
        // Factors take bits of the weights before and behind them, where squares have fewer to give.
        let estimate = 12 * planned.details.last!.errorEstimate
        #expect(largest <= (isPolynomial ? estimate : 0.05 * max(scale, 0.1)), "\(pool)")
        // What the executor makes of a window, by the definition.
        let tensors = try after.tensors(of: sample)
        let node = folded.nodes.first { $0.operation == pool }!
        let operand = node.inputs[0]
        let shape = try folded.shapes()[operand]
        for (value, wanted) in zip(tensors[node.id], definition(pool, shape, tensors[operand])) {
          #expect(abs(value - wanted) < 1e-5)
        }
      }
    }
  }

  private func definition(_ pool: Operation, _ shape: TensorShape, _ x: [Float]) -> [Float] {
    let window = pool.pooling!
    func taps(_ axis: PoolingAxis, _ index: Int) -> [Int] {
      (0..<axis.kernel).map { index * axis.stride + $0 * axis.dilation - axis.before }
    }
    let pooled = window.pooled(shape)
    var result: [Float] = []
    for channel in 0..<shape.channels {
      for y in 0..<pooled.height {
        for column in 0..<pooled.width {
          var (values, counted) = ([Float](), 0)
          for row in taps(window.rows, y) {
            for place in taps(window.columns, column) {
              if (0..<shape.height).contains(row), (0..<shape.width).contains(place) {
                values.append(x[(channel * shape.height + row) * shape.width + place])
                counted += 1
              } else if pool.averaging?.countsPadding ?? false,
                (-window.rows.before..<shape.height + window.rows.behind).contains(row),
                (-window.columns.before..<shape.width + window.columns.behind).contains(place)
              {
                counted += 1
              }
            }
          }
          if case .maxPool = pool {
            result.append(values.max()!)
          } else {
            result.append(values.reduce(0, +) / Float(counted))
          }
        }
      }
    }
    return result
  }

  @Test("A divisor without small common multiples is in the plan's bound")
  func distorted() throws {
    var graph = Graph(
      name: "wide", input: TensorShape(channels: 1, height: 18, width: 18), inputNormalization: .none(channels: 1))
    graph.append(.convolution(ConvolutionSpec(outChannels: 2, kernel: 1)), name: "conv")
    let window = PoolingWindow(kernel: 15, stride: 3, padding: 7)
    graph.append(.average(over: AveragingWindow(window, countsPadding: false)), name: "pool")
    graph.append(.relu, name: "act")
    let parameters = Samples.disturb(try Parameters.initialize(graph, seed: 5), seed: 6)
    let (folded, trained, planned, samples) = try Samples.plan(graph, parameters)
    guard case .sumPool(_, let balance?) = planned.plan.program.steps[2].operation else {
      Issue.record("no factors")
      return
    }
    let distortion = balance.distortion(window, on: TensorShape(channels: 2, height: 18, width: 18))
    #expect(distortion > 0 && planned.details[2].errorBound > planned.details[1].errorBound)
    let twin = try Twin(planned.plan, planned.quantized)
    let executor = try FloatExecutor(graph: folded, parameters: trained)
    for sample in samples {
      let found = try twin.logits(normalized: sample)
      let (largest, _) = Samples.difference(found.values, try executor.output(of: sample))
      #expect(found.outOfRange == 0 && largest <= planned.details.last!.errorBound)
    }
  }

  @Test("Square windows are written as before, others are read back")
  func encoding() throws {
    var graph = Self.network(.maxPool(kernel: 3, stride: 2, padding: 1), .relu)
    let text = String(decoding: try graph.canonicalJSON(), as: UTF8.self)
    #expect(text.contains(#"{"maxPool":{"kernel":3,"padding":1,"stride":2}}"#))
    for window in Self.windows {
      for pool in [
        Operation.maximum(over: window), .average(over: AveragingWindow(window, countsPadding: true)),
        .average(over: AveragingWindow(window, countsPadding: false)),
      ] {
        graph.nodes[3].operation = pool
        graph.nodes[5].operation = pool
        #expect(try Graph.decode(json: graph.canonicalJSON()) == graph)
        #expect(pool.pooling == window)
      }
    }
    #expect(Operation.maximum(over: Self.windows[4]) == .maxPool(kernel: 3, stride: 1, padding: 1))
    #expect(
      Operation.average(over: AveragingWindow(Self.windows[4], countsPadding: true))
        == .averagePool(kernel: 3, stride: 1, padding: 1))
  }

  @Test("Windows that hold nothing, or are described in two ways, are refused")
  func refused() throws {
    let shape = TensorShape(channels: 1, height: 4, width: 4)
    func graph(_ operation: Operation) -> Graph {
      var graph = Graph(name: "one", input: shape, inputNormalization: .none(channels: 1))
      graph.append(operation, name: "pool")
      return graph
    }
    let apart = PoolingWindow(
      rows: PoolingAxis(kernel: 2, dilation: 6, before: 3, behind: 3), columns: PoolingAxis(kernel: 2))
    let wide = PoolingWindow(rows: PoolingAxis(kernel: 2), columns: PoolingAxis(kernel: 3))
    for operation in [
      Operation.maximum(over: apart), .average(over: AveragingWindow(apart, countsPadding: false)),
      .maximum(over: PoolingWindow(kernel: 1, stride: 1, padding: 0)),
      .maximum(over: PoolingWindow(kernel: 5, stride: 1, padding: 0)),
      .maximum(over: PoolingWindow(kernel: 2, stride: 1, padding: 2)),
      .maxPool(kernel: 3, stride: 1, padding: 0, rectangle: wide),
      .averagePool(kernel: 3, stride: 1, padding: 0, windows: AveragingWindow(wide, countsPadding: false)),
      .maxPool(kernel: 2, stride: 1, padding: 0, rectangle: PoolingWindow(kernel: 2, stride: 1, padding: 0)),
    ] { #expect(throws: NetworksError.self, "\(operation)") { try graph(operation).validate() } }
    try graph(.average(over: AveragingWindow(apart, countsPadding: true))).validate()
    try graph(.maximum(over: wide)).validate()
  }
}
