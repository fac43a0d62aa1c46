import Rings

extension ScaleSolver {
  // MARK: Activations

  /// Chooses the scale of an activation's operand, everything open beneath it, and the bits that it drops.
  mutating func solveActivation(_ node: Node) throws {
    let coefficients = square[node.id]!
    // Finer weights make larger squares, which cost nothing where these are dropped exactly.
    let finer = options.truncation == .exact ? TurnSharing.spareWeightBits : 0
    let limits = Limits(weight: Self.largestWeight, quotient: Scalar.power(options.weightBits + finer))
    let root = node.inputs[0]

    if isOpen(root) {
      var visited: Set<Int> = [root]
      try prepareOperands(root, &visited)
      let parts = parts(of: root)
      let isJoined = isJoined(parts)
      if !isJoined {
        for forced in forcedScales(root) {
          if try solveForced(node, coefficients, (forced.scale, forced.label), limits) { return }
        }
      }
      for dropped in stride(from: 60, through: 1, by: -1) {
        let free = freeScale(node, coefficients, dropped)
        guard let least = isJoined ? joined(parts, atLeast: free) : free, let wanted = settled(root, least),
          coefficients.fits(wanted), assign(root, wanted, nil, limits)
        else { continue }
        finish(node, coefficients, wanted, bits(wanted, root), dropped, limits)
        return
      }
      if let refusal = refusalOfWays(root) { throw refusal }
    } else if try !solveJoined(node, coefficients, limits) {
      let given = try stored(root)
      // Where no step of its own can bring the gains together, they stay as they are.
      let spread = masked[root] ? Self.largestSpread : .infinity
      if !given.contains(where: \.isNaN), let dropped = dropped(node, coefficients, given, spread: spread) {
        complete(node, coefficients, given, dropped)
        return
      }
      if masked[root] {
        for dropped in stride(from: 60, through: 1, by: -1) {
          let wanted = freeScale(node, coefficients, dropped)
          guard coefficients.fits(wanted), diagonalFits(wanted, given, limits) else { continue }
          rescaled[Edge(consumer: node.id, slot: 0)] = (wanted, bits(wanted, root))
          complete(node, coefficients, wanted, dropped)
          return
        }
      }
    } else {
      return
    }
    throw NetworksError.outOfRange(
      node: node.name,
      reason: "no scale keeps its square below 2^61 and its weights below 2^16; train with smaller values or square "
        + "coefficients nearer to 1, plan with fewer activation bits, or put flatten behind the activation")
  }

  /// The scale at which every channel's result has gain one.
  private func freeScale(_ node: Node, _ coefficients: SquareCoefficients, _ dropped: Int) -> [Double] {
    let bits = dropped + options.activationBits - units[node.id]
    return coefficients.a2.map { (abs($0) * Scalar.power(bits)).squareRoot() }
  }

  /// The bits to drop for a given scale, if it fits and spreads the gains little: the smallest gain is in [1, 2).
  private func dropped(
    _ node: Node, _ coefficients: SquareCoefficients, _ scale: [Double], spread: Double = largestSpread
  ) -> Int? {
    guard coefficients.fits(scale) else { return nil }
    let results = coefficients.squareScale(scale).map(abs)
    guard let least = results.min(), let greatest = results.max(), greatest <= spread * least else {
      return nil
    }
    let kept = options.activationBits - units[node.id]
    let dropped = min(Int(Scalar.log2(least).rounded(.down)) - kept, 60)
    return dropped >= 1 ? dropped : nil
  }

  /// An activation of a concatenation whose parts are all stored: shifts bring them together.
  private mutating func solveJoined(
    _ node: Node, _ coefficients: SquareCoefficients, _ limits: Limits
  ) throws -> Bool {
    let root = node.inputs[0]
    guard case .concatenate = graph.nodes[root].operation, scale[root] == nil else { return false }
    for operand in graph.nodes[root].inputs { _ = try stored(operand) }
    let parts = parts(of: root)
    for dropped in stride(from: 60, through: 1, by: -1) {
      guard let wanted = joined(parts, atLeast: freeScale(node, coefficients, dropped)),
        assign(root, wanted, nil, limits)
      else { continue }
      finish(node, coefficients, wanted, bits(wanted, root), dropped, limits)
      return true
    }
    return false
  }

  private mutating func solveForced(
    _ node: Node, _ coefficients: SquareCoefficients, _ forced: (scale: [Double], label: Int), _ limits: Limits
  ) throws -> Bool {
    for shift in stride(from: 24, through: 0, by: -1) {
      let multiple = forced.scale.map { $0 * Scalar.power(shift) }
      guard let wanted = settled(node.inputs[0], multiple), let dropped = dropped(node, coefficients, wanted),
        assign(node.inputs[0], wanted, nil, limits)
      else { continue }
      finish(node, coefficients, wanted, forced.label + shift, dropped, limits)
      return true
    }
    return false
  }

  private mutating func finish(
    _ node: Node, _ coefficients: SquareCoefficients, _ wanted: [Double], _ bits: Int, _ dropped: Int, _ limits: Limits
  ) {
    let done = assign(node.inputs[0], wanted, bits, limits)
    precondition(done, "a scale was checked before")
    complete(node, coefficients, wanted, dropped)
  }

  private mutating func complete(
    _ node: Node, _ coefficients: SquareCoefficients, _ operand: [Double], _ dropped: Int
  ) {
    droppedBits[node.id] = dropped
    let result = coefficients.squareScale(operand).map { $0 * Scalar.power(-dropped) }
    store(node.id, result, options.activationBits, true)
  }

  /// Fraction bits, in a node's unit, that stand nearest to a scale.
  func bits(_ scale: [Double], _ node: Int) -> Int {
    min(max(Int(Scalar.log2(Self.geometricMean(scale)).rounded()) + units[node], 0), 62)
  }

  // MARK: Regions

  /// Makes the scales of everything stored that the open region reads known, and refuses what linear steps cannot read.
  mutating func prepareOperands(_ index: Int, _ visited: inout Set<Int>) throws {
    let node = graph.nodes[index]
    for operand in node.inputs {
      switch node.operation {
      case .convolution, .linear:
        guard !isOpen(operand), case _ = try stored(operand), masked[operand] else {
          throw NetworksError.unsupportedNode(
            name: node.name, operation: node.operation.label,
            advice: "reads another linear layer's output; put an activation between them")
        }
      default:
        guard isOpen(operand) else {
          _ = try stored(operand)
          continue
        }
        guard visited.insert(operand).inserted else {
          severalWays.insert(operand)
          continue
        }
        try prepareOperands(operand, &visited)
      }
    }
  }

  /// Scales that identity shortcuts ask of an open region's root, through additions and pooling only.
  func forcedScales(_ index: Int) -> [(scale: [Double], label: Int, unit: Int)] {
    let node = graph.nodes[index]
    var found: [(scale: [Double], label: Int, unit: Int)] = []
    switch node.operation {
    case .add:
      for operand in node.inputs {
        if let known = scale[operand] {
          found.append((Self.filled(known), label[operand], units[operand]))
        } else {
          found += forcedScales(operand)
        }
      }
    case .offset: found = forcedScales(node.inputs[0])
    case .averagePool, .globalAveragePool:
      let factor = poolFactor(node)
      found = forcedScales(node.inputs[0]).map { ($0.scale.map { $0 * factor }, $0.label, $0.unit) }
    default: break
    }
    return found
  }

  /// Zero channels take the others' geometric mean.
  static func filled(_ values: [Double]) -> [Double] {
    let mean = geometricMean(values)
    return values.map { $0.isNaN ? mean : $0 }
  }

  /// What the sums of a mean are divided by, and so its scale multiplied.
  func poolFactor(_ node: Node) -> Double {
    let from = shapes[node.inputs[0]]
    if let windows = node.operation.averaging { return Double(windows.divisor(on: from)) }
    return Double(from.height * from.width)
  }

  /// Gives an open region the scale that its root is asked for.
  ///
  /// - Parameter bits: the published fraction bits; nil only checks.
  /// - Returns: whether weights and shifts fit.
  mutating func assign(_ index: Int, _ wanted: [Double], _ bits: Int?, _ limits: Limits) -> Bool {
    let node = graph.nodes[index]
    guard fitsReaders(of: index, wanted) else { return false }
    if let bits { store(index, wanted, bits, false) }
    switch node.operation {
    case .convolution, .linear:
      return weightsFit(node, wanted, limits)
    case .averagePool, .globalAveragePool:
      let factor = poolFactor(node)
      return descend(node.inputs[0], wanted.map { $0 / factor }, bits, limits)
    case .flatten, .reshape:
      let regrouping = Regrouping(from: shapes[index], to: shapes[node.inputs[0]])
      guard let beneath = regrouping.uniform(wanted) else { return false }
      return descend(node.inputs[0], beneath, bits, limits)
    case .offset:
      let values = parameters[index, .bias]
      let area = values.count / wanted.count
      let fits = values.indices.allSatisfy { abs(Double(values[$0]) * wanted[$0 / area]) < Self.wordLimit }
      return fits && descend(node.inputs[0], wanted, bits, limits)
    case .subsamplePad(_, let before, let after):
      return descend(node.inputs[0], Array(wanted[before..<wanted.count - after]), bits, limits)
    case .add: return assignSum(node, wanted, bits, limits)
    case .concatenate: return assignJoined(node, wanted, bits, limits)
    default: preconditionFailure("\(node.name) is not open")
    }
  }

  /// Gives a scale to what a local step reads, or checks that it has it.
  private mutating func descend(_ operand: Int, _ wanted: [Double], _ bits: Int?, _ limits: Limits) -> Bool {
    guard let known = scale[operand] else { return assign(operand, wanted, bits, limits) }
    return Self.powerOfTwo(wanted, over: known) == 0
  }

  private mutating func assignSum(_ node: Node, _ wanted: [Double], _ bits: Int?, _ limits: Limits) -> Bool {
    var aligned = [0, 0]
    for (slot, operand) in node.inputs.enumerated() {
      guard let known = scale[operand] else {
        guard assign(operand, wanted, bits, limits) else { return false }
        continue
      }
      if let shift = Self.powerOfTwo(wanted, over: known), (0...Self.largestShift).contains(shift) {
        aligned[slot] = shift
      } else {
        guard masked[operand], diagonalFits(wanted, known, limits) else { return false }
        if let bits { rescaled[Edge(consumer: node.id, slot: slot)] = (wanted, bits) }
      }
    }
    if bits != nil { shifts[node.id] = aligned }
    return true
  }

  func diagonalFits(_ wanted: [Double], _ given: [Double], _ limits: Limits) -> Bool {
    zip(wanted, given).allSatisfy { $1.isNaN || abs($0 / $1) <= limits.weight }
      && Self.geometricMean(wanted) <= limits.quotient * Self.geometricMean(given)
  }

  private func weightsFit(_ node: Node, _ wanted: [Double], _ limits: Limits) -> Bool {
    let given = scale[node.inputs[0]]!
    let scaling = LinearScaling(self, node)
    let largest = limits.isRelative ? largestWeights[node.id]! : 1
    let spare = largest > 0 ? Scalar.power(max(0, -Int(Scalar.log2(largest).rounded(.down)))) : 1
    // Results in smaller units than the operand's have scales that are as much larger.
    let room = Scalar.power(8 + max(0, units[node.inputs[0]] - units[node.id]))
    guard Self.geometricMean(wanted) <= min(spare, room) * limits.quotient * Self.geometricMean(given) * (1 + 1e-9)
    else {
      return false
    }
    return scaling.largestWeight(wanted, given) <= limits.weight && scaling.largestBias(wanted) < Self.wordLimit
  }

  // MARK: Output

  /// Chooses the scale of the output: one power of two for all elements, for everybody may know it.
  mutating func solveOutput() throws {
    let last = graph.nodes[graph.nodes.count - 1]
    let limits = Limits(weight: Self.largestOutputWeight, quotient: .infinity)
    let unit = units[last.id]
    let range = max(Double(calibration.nodes[last.id].largest), Scalar.power(unit - 10)) * calibration.margin
    let open = isOpen(last.id)
    var visited: Set<Int> = [last.id]
    if open { try prepareOperands(last.id, &visited) }
    let given = open ? [] : try stored(last.id)
    let channels = shapes[last.id].channels
    if !open, let bits = Self.powerOfTwo(given, over: [Double](repeating: Scalar.power(-unit), count: channels)),
      (0...56).contains(bits)
    {
      label[last.id] = bits
      return
    }
    for bits in stride(from: 48, through: 4, by: -1) {
      let wanted = [Double](repeating: Scalar.power(bits - unit), count: channels)
      guard range * Scalar.power(bits - unit) < Self.wordLimit else { continue }
      if open {
        guard settled(last.id, wanted) == wanted, assign(last.id, wanted, nil, limits) else { continue }
        let done = assign(last.id, wanted, bits, limits)
        precondition(done, "a scale was checked before")
        return
      }
      guard masked[last.id], diagonalFits(wanted, given, limits) else { continue }
      rescaled[Edge(consumer: graph.nodes.count, slot: 0)] = (wanted, bits)
      return
    }
    if let refusal = refusalOfWays(last.id) { throw refusal }
    throw NetworksError.outOfRange(
      node: last.name,
      reason: "no scale of the output keeps its weights below 2^14; its weights are too large or too small")
  }
}
