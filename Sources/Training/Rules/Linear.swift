/// Fully connected layer on `[features, samples]`. Rows of each product are split into the fixed shards.
enum LinearRule {
  static var rule: Rule {
    Rule(
      shape: { shapes in
        precondition(shapes[0].pixels == 1 && shapes[1].count % shapes[0].channels == 0)
        return BatchShape(channels: shapes[1].count / shapes[0].channels, samples: shapes[0].samples)
      },
      forward: forward, backward: backward)
  }

  private static func forward(_ context: RuleContext) {
    let input = context.inputs[0]
    let weights = context.inputs[1]
    let bias = context.inputs.count > 2 ? context.inputs[2] : nil
    let output = context.output
    let features = input.shape.channels
    let samples = input.shape.samples
    context.workers.each(Workers.shards) { shard in
      let rows = Workers.samples(of: shard, in: output.shape.channels)
      if let bias {
        for row in rows { (output.pointer + row * samples).update(repeating: bias.pointer[row], count: samples) }
      }
      multiply(
        MatrixView(weights.pointer + rows.lowerBound * features, pitch: features),
        MatrixView(input.pointer, pitch: samples), into: output.pointer + rows.lowerBound * samples, pitch: samples,
        rows: rows.count, columns: samples, inner: features, beta: bias == nil ? 0 : 1)
    }
  }

  private static func backward(_ context: RuleContext) {
    let input = context.inputs[0]
    let weights = context.inputs[1]
    let gradient = context.outputGradient!
    let features = input.shape.channels
    let samples = input.shape.samples
    let outputs = gradient.shape.channels
    let inputTarget = context.targets[0]
    let weightTarget = context.targets[1]
    context.workers.each(Workers.shards) { shard in
      if let weightTarget {
        let rows = Workers.samples(of: shard, in: outputs)
        multiply(
          MatrixView(gradient.pointer + rows.lowerBound * samples, pitch: samples),
          MatrixView(input.pointer, pitch: samples, transposed: true),
          into: weightTarget.pointer + rows.lowerBound * features, pitch: features, rows: rows.count,
          columns: features, inner: samples, beta: weightTarget.accumulate ? 1 : 0)
      }
      if let inputTarget {
        let rows = Workers.samples(of: shard, in: features)
        multiply(
          MatrixView(weights.pointer + rows.lowerBound, pitch: features, transposed: true),
          MatrixView(gradient.pointer, pitch: samples), into: inputTarget.pointer + rows.lowerBound * samples,
          pitch: samples, rows: rows.count, columns: samples, inner: outputs, beta: inputTarget.accumulate ? 1 : 0)
      }
    }
    if context.inputs.count > 2, let bias = context.addingTarget(2) {
      for row in 0..<outputs { bias.pointer[row] += Float(VectorSums.sum(gradient.pointer + row * samples, samples)) }
    }
  }
}
