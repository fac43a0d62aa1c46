import Networks
import Rings

/// How a graph is put on the tape, node by node.
extension GraphExecutor {
  private func leaf(_ node: Int, _ name: ParameterName, training: Bool) -> Tape.Variable? {
    slotOfKey[ParameterKey(node, name)].map { index in
      tape.leaf(slots[index].value, gradient: training ? slots[index].gradient : nil)
    }
  }

  /// The logits of a batch in inference mode. A tensor's memory goes to the next ones when nothing reads it any more;
  /// `visit` sees every node's tensor once, in order.
  func infer(_ batch: FloatTensor, visit: ((FloatTensor) -> Void)? = nil) -> Tape.Variable {
    var shares: [Tape.Variable] = []
    let variables = record(batch, training: false, movesStatistics: false, shares: &shares) { node, variables in
      visit?(tape.value(variables[node.id]))
      if let operand = quadraticOperands[node.id], operand != variables[node.inputs[0]] { tape.release(operand) }
      for operand in Set(node.inputs) where lastReader[operand] == node.id {
        if case .input = graph.nodes[operand].operation { continue }
        tape.release(variables[operand])
      }
    }
    return variables[variables.count - 1]
  }

  /// The weights of both forms of a gated layer, or nil where only the polynomial is in play.
  private func share(_ node: Int, training: Bool, shares: inout [Tape.Variable]) -> Tape.Variable? {
    guard let gate = gateOfNode[node].map({ gates[$0] }) else { return nil }
    switch gateMode {
    case .scheduled: return gate.numbers.pointer[1] == 1 ? nil : tape.leaf(gate.numbers)
    case .learned:
      shares.append(tape.apply(.softmax, [tape.leaf(gate.numbers, gradient: training ? gate.gradient : nil)]))
      return shares[shares.count - 1]
    }
  }

  /// `shares` takes the weights of every gated layer whose gate is learned, in the order of the gates; `after` is called
  /// when a node has been computed.
  func record(
    _ batch: FloatTensor, training: Bool, movesStatistics: Bool, shares: inout [Tape.Variable],
    after: (Node, [Tape.Variable]) -> Void = { _, _ in }
  ) -> [Tape.Variable] {
    let input = graph.input
    precondition(
      batch.shape.channels == input.channels && batch.shape.height == input.height && batch.shape.width == input.width,
      "the batch does not have the shape of the graph's input")
    var variables: [Tape.Variable] = []
    quadraticOperands = [:]
    for node in graph.nodes {
      let operands = node.inputs.map { variables[$0] }
      func parameters(_ names: ParameterName...) -> [Tape.Variable] {
        names.compactMap { leaf(node.id, $0, training: training) }
      }
      func normalize(_ epsilon: Float, _ momentum: Float) -> Tape.Variable {
        tape.apply(
          .batchNorm(
            epsilon: epsilon, momentum: movesStatistics ? momentum : 0, training: training,
            statistics: statistics[node.id]!),
          operands + parameters(.gamma, .beta))
      }
      switch node.operation {
      case .input: variables.append(tape.leaf(batch))
      case .convolution(let spec):
        let from = shapes[node.inputs[0]]
        let geometry = LinearGeometry(spec, on: from)
        variables.append(tape.apply(.convolution(geometry), operands + parameters(.weight, .bias)))
      case .linear: variables.append(tape.apply(.linear, operands + parameters(.weight, .bias)))
      case .batchNorm(let epsilon, let momentum): variables.append(normalize(epsilon, momentum))
      case .x2act(let spec):
        let factor = spec.squareFactor(elements: shapes[node.id].count)
        let coefficients = parameters(.w1, .w2, .b)
        var normalized: Tape.Variable?
        if let epsilon = spec.normalizationEpsilon {
          normalized = normalize(epsilon, X2actSpec.normalizationMomentum)
        }
        quadraticOperands[node.id] = normalized ?? operands[0]
        if let share = share(node.id, training: training, shares: &shares) {
          variables.append(
            tape.apply(
              .blendedActivation(squareFactor: factor, upper: clip),
              operands + coefficients + [share] + (normalized.map { [$0] } ?? [])))
        } else {
          variables.append(tape.apply(.x2act(squareFactor: factor), [normalized ?? operands[0]] + coefficients))
        }
      case .relu: variables.append(tape.apply(.relu, operands))
      case .leakyRelu(let shift):
        variables.append(tape.apply(.piecewise(slope: 1 / Float(1 << shift), upper: .infinity), operands))
      case .slopedRelu(let numerator, let denominator):
        let slope = Float(numerator) / Float(denominator)
        variables.append(tape.apply(.piecewise(slope: slope, upper: .infinity), operands))
      case .clippedRelu(let upper): variables.append(tape.apply(.piecewise(slope: 0, upper: upper), operands))
      case .clip(let lower, let upper):
        variables.append(tape.apply(.clip(lower: lower, upper: upper), operands))
      case .sign: variables.append(tape.apply(.sign, operands))
      case .absolute: variables.append(tape.apply(.piecewise(slope: -1, upper: .infinity), operands))
      case .maxPool: variables.append(tape.apply(.maxPool(node.operation.pooling!), operands))
      case .averagePool:
        let windows = node.operation.averaging!
        if let share = share(node.id, training: training, shares: &shares) {
          variables.append(tape.apply(.blendedPool(windows), operands + [share]))
        } else {
          variables.append(tape.apply(.averagePool(windows), operands))
        }
      case .globalAveragePool: variables.append(tape.apply(.globalAveragePool, operands))
      case .flatten, .reshape: variables.append(tape.apply(.reshape(shapes[node.id]), operands))
      case .offset: variables.append(tape.apply(.offset, operands + parameters(.bias)))
      case .add: variables.append(tape.apply(.add, operands))
      case .concatenate: variables.append(tape.apply(.concatenate, operands))
      case .subsamplePad(let stride, let front, let back):
        variables.append(tape.apply(.subsamplePad(stride: stride, before: front, after: back), operands))
      }
      after(node, variables)
    }
    return variables
  }
}
