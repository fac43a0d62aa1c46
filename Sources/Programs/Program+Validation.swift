import Rings

/// Why a program was refused. Texts name the step by index and name.
public enum ProgramError: Error, CustomStringConvertible, Equatable {
  /// Another version of the format.
  case unsupportedVersion(found: Int, supported: Int)
  /// Too many steps or elements.
  case tooLarge(what: String, found: Int, limit: Int)
  /// A step does not fit its operands or its own description.
  case invalidStep(index: Int, name: String, reason: String)
  /// First and last step are not input and output.
  case missingEnds

  /// A sentence for people.
  public var description: String {
    switch self {
    case .unsupportedVersion(let found, let supported):
      "This program has format version \(found), and this build reads version \(supported): export it again."
    case .tooLarge(let what, let found, let limit):
      "The program has \(found) \(what), and at most \(limit) are accepted."
    case .invalidStep(let index, let name, let reason):
      "Step \(index) (\(name.prefix(64))) of the program is invalid: \(reason)."
    case .missingEnds:
      "A program begins with its only input step and ends with its only output step; this one does not."
    }
  }
}

extension Program {
  /// Steps that a program may have.
  public static let maximumSteps = 4096
  /// Elements that all tensors of one sample may have together.
  public static let maximumElements = 1 << 28

  /// Checks everything that later decides an allocation, an index or a loop.
  ///
  /// - Throws: ``ProgramError``
  public func validate() throws {
    guard version == Self.currentVersion else {
      throw ProgramError.unsupportedVersion(found: version, supported: Self.currentVersion)
    }
    guard steps.count <= Self.maximumSteps else {
      throw ProgramError.tooLarge(what: "steps", found: steps.count, limit: Self.maximumSteps)
    }
    if deployment == .reversed { try validateReversed() } else { try validateEnds() }
    var elements = 0
    for index in steps.indices {
      let shape = steps[index].tensor.shape
      let sides = [shape.channels, shape.height, shape.width]
      guard sides.allSatisfy({ $0 > 0 && $0 <= 1 << 24 }) else {
        throw invalid(index, "a side of its shape is out of range")
      }
      let (plane, overflowed) = shape.height.multipliedReportingOverflow(by: shape.width)
      let (count, overflowedAgain) = plane.multipliedReportingOverflow(by: shape.channels)
      guard !overflowed, !overflowedAgain, count <= Self.maximumElements else {
        throw ProgramError.tooLarge(what: "elements in one tensor", found: .max, limit: Self.maximumElements)
      }
      elements += count
      guard elements <= Self.maximumElements else {
        throw ProgramError.tooLarge(what: "elements", found: elements, limit: Self.maximumElements)
      }
      guard (0...62).contains(steps[index].tensor.fractionBits) else {
        throw invalid(index, "\(steps[index].tensor.fractionBits) fraction bits")
      }
      try validateOperands(index)
      try validateOperation(index)
    }
    try validateMasks()
  }

  private func invalid(_ index: Int, _ reason: String) -> ProgramError {
    .invalidStep(index: index, name: steps[index].name, reason: reason)
  }

  private func validateEnds() throws {
    guard steps.count >= 2, steps[0].operation == .input, case .output = steps[steps.count - 1].operation else {
      throw ProgramError.missingEnds
    }
    for step in steps.dropFirst().dropLast() {
      if step.operation == .input { throw ProgramError.missingEnds }
      if case .output = step.operation { throw ProgramError.missingEnds }
    }
  }

  /// Linear steps on drawn tensors, and nothing else.
  private func validateReversed() throws {
    guard !steps.isEmpty else { throw ProgramError.missingEnds }
    for (index, step) in steps.enumerated() {
      switch step.operation {
      case .input: continue
      case .linear:
        guard let operand = step.inputs.first, (0..<index).contains(operand), steps[operand].operation == .input else {
          throw invalid(index, "what is prepared in reverse reads drawn tensors only")
        }
      default: throw invalid(index, "what is prepared in reverse has linear steps only")
      }
    }
  }

  private func validateOperands(_ index: Int) throws {
    let step = steps[index]
    let wanted: Int
    switch step.operation {
    case .input: wanted = 0
    case .add: wanted = 2
    case .concatenate(let shifts):
      guard shifts.count >= 2 else { throw invalid(index, "it joins \(shifts.count) operands") }
      wanted = shifts.count
    default: wanted = 1
    }
    guard step.inputs.count == wanted else {
      throw invalid(index, "it has \(step.inputs.count) operands and needs \(wanted)")
    }
    for operand in step.inputs {
      guard operand >= 0, operand < index else { throw invalid(index, "operand \(operand) does not precede it") }
      // An activation, a comparison and a change of ring may change the ring; everything else works inside one.
      switch step.operation {
      case .activation:
        guard steps[operand].tensor.modulus == .field else {
          throw invalid(index, "an activation's operand must be in F_p")
        }
        continue
      case .comparison, .maxPool, .argMax:
        guard steps[operand].tensor.modulus == .word else {
          throw invalid(index, "a comparison's operand must be in Z_2^64")
        }
        continue
      case .changeRing:
        guard steps[operand].tensor.modulus != step.tensor.modulus else {
          throw invalid(index, "it changes to the ring that its operand has")
        }
        continue
      default: break
      }
      guard steps[operand].tensor.modulus == step.tensor.modulus else {
        throw invalid(index, "its ring is not that of operand \(operand)")
      }
    }
  }

  private func validateOperation(_ index: Int) throws {
    let step = steps[index]
    let shape = step.tensor.shape
    let operand = step.inputs.first.map { steps[$0].tensor }
    func expect(_ wanted: TensorShape) throws {
      guard shape == wanted else { throw invalid(index, "its shape is \(shape), and its operands make \(wanted)") }
    }
    switch step.operation {
    case .input:
      break
    case .linear(let geometry):
      do { try geometry.validate() } catch { throw invalid(index, "\(error)") }
      guard geometry.inputShape == operand!.shape else {
        throw invalid(index, "its operand has shape \(operand!.shape)")
      }
      try expect(geometry.outputShape)
    case .activation(let spec):
      guard (1...60).contains(spec.droppedBits) else { throw invalid(index, "it drops \(spec.droppedBits) bits") }
      try expect(operand!.shape)
    case .sumPool(let geometry, let balance):
      try expect(try pooled(geometry, operand!.shape, index))
      guard balance?.isValid(geometry.window, on: operand!.shape) ?? true else {
        throw invalid(index, "its factors are out of range, or a window has no pixel")
      }
    case .globalSumPool:
      try expect(TensorShape(channels: operand!.shape.channels, height: 1, width: 1))
    case .add(let left, let right):
      guard (0...62).contains(left), (0...62).contains(right) else { throw invalid(index, "a shift is out of range") }
      try expect(operand!.shape)
      guard steps[step.inputs[1]].tensor.shape == shape else { throw invalid(index, "its operands differ in shape") }
    case .concatenate(let shifts):
      guard shifts.allSatisfy((0...62).contains) else { throw invalid(index, "a shift is out of range") }
      try validateJoined(index)
    case .comparison(let spec):
      try validateFunction(spec, index)
      try expect(operand!.shape)
    case .maxPool(let spec):
      try validateDigits(spec.digits, spec.droppedBits, index)
      let to = try pooled(spec.window, operand!.shape, index)
      try expect(to)
      let window = spec.window.window
      guard window.taps >= 2 else { throw invalid(index, "its window has one pixel") }
      guard window.meetsPicture(operand!.shape) else { throw invalid(index, "a window lies outside the picture") }
      // Rows first, then columns (Tournament); all factors are below 2^29, and the products below 2^63 together.
      let rows = operand!.shape.channels * operand!.shape.height * to.width
      guard rows <= Self.maximumElements, rows * window.columns.kernel <= Self.maximumElements,
        to.count * window.rows.kernel <= Self.maximumElements - rows * window.columns.kernel
      else {
        throw ProgramError.tooLarge(what: "comparisons in one step", found: rows, limit: Self.maximumElements)
      }
    case .argMax(let spec):
      try validateDigits(spec.digits, spec.droppedBits, index)
      guard (8...16).contains(spec.indexBits), spec.digits.bits > spec.indexBits else {
        throw invalid(index, "its index has \(spec.indexBits) bits of \(spec.digits.bits)")
      }
      guard operand!.shape.count <= 1 << (spec.indexBits - 1) else {
        throw invalid(index, "it has more elements than its index can name")
      }
      guard step.tensor.modulus == .word else { throw invalid(index, "an index must be in Z_2^64") }
      try expect(TensorShape(channels: 1, height: 1, width: 1))
    case .changeRing, .offset: try expect(operand!.shape)
    case .reshape:
      guard operand!.shape.count == shape.count else { throw invalid(index, "it changes the number of elements") }
    case .subsamplePad(let stride, let before, let after):
      guard (1...64).contains(stride), (0...65536).contains(before), (0...65536).contains(after) else {
        throw invalid(index, "its stride or padding is out of range")
      }
      let from = operand!.shape
      try expect(
        TensorShape(
          channels: from.channels + before + after, height: (from.height + stride - 1) / stride,
          width: (from.width + stride - 1) / stride))
    case .output(let dropped):
      guard (0...56).contains(dropped) else { throw invalid(index, "it drops \(dropped) bits") }
      guard step.tensor.modulus == .word else { throw invalid(index, "an output must be in Z_2^64") }
      try expect(operand!.shape)
    }
  }

  /// Operands of one picture's size, whose channels add up to the step's.
  private func validateJoined(_ index: Int) throws {
    let shape = steps[index].tensor.shape
    var channels = 0
    for operand in steps[index].inputs {
      let part = steps[operand].tensor.shape
      guard part.height == shape.height, part.width == shape.width else {
        throw invalid(index, "its operands differ in height or width")
      }
      channels += part.channels
    }
    guard channels == shape.channels else {
      throw invalid(index, "it has \(shape.channels) channels, and its operands \(channels)")
    }
  }

  private func validateDigits(_ digits: ComparisonDigits, _ dropped: Int, _ index: Int) throws {
    guard digits.isValid else { throw invalid(index, "its digits are out of range") }
    guard (0...40).contains(dropped), dropped + digits.bits <= 64 else {
      throw invalid(index, "it drops \(dropped) bits and compares \(digits.bits)")
    }
  }

  private func validateFunction(_ spec: ComparisonSpec, _ index: Int) throws {
    if spec.function == .floor {
      guard spec.digits.isValid, (1...40).contains(spec.droppedBits), spec.digits.bits == spec.droppedBits + 1 else {
        throw invalid(index, "it drops \(spec.droppedBits) bits together with digits for another number")
      }
      guard steps[index].tensor.modulus == .word else { throw invalid(index, "a floor must be in Z_2^64") }
      guard !spec.tracksTurns else { throw invalid(index, "a floor has no turns that are tracked apart") }
      return
    }
    try validateDigits(spec.digits, spec.droppedBits, index)
    if spec.tracksTurns { try validateTurns(spec, index) }
    switch spec.function {
    case .relu, .absolute, .sign, .floor: break
    case .leakyReLU(let shift):
      guard (1...20).contains(shift) else { throw invalid(index, "its slope is 2^-\(shift)") }
    case .slopedReLU(let numerator, let denominator):
      guard (2...4096).contains(denominator), (1..<denominator).contains(numerator) else {
        throw invalid(index, "its slope is \(numerator) / \(denominator)")
      }
    case .clip(let lower, let upper):
      let limit = Int64(1) << Int64(min(spec.digits.bits - 1, 40))
      guard lower < upper, lower >= -limit, upper < limit else {
        throw invalid(index, "its bounds are out of range, or out of order")
      }
    }
  }

  private func validateTurns(_ spec: ComparisonSpec, _ index: Int) throws {
    guard steps[index].tensor.modulus == .word, spec.function != .sign else {
      throw invalid(index, "turns are tracked for values in Z_2^64")
    }
    guard spec.digits.count >= 2, spec.droppedBits >= 1, spec.droppedBits + spec.digits.bits <= 62 else {
      throw invalid(index, "turns are tracked with two digits or more, and 1 to 62 bits together")
    }
  }

  private func pooled(_ geometry: WindowGeometry, _ from: TensorShape, _ index: Int) throws -> TensorShape {
    let window = geometry.window
    guard window.fits(from) else { throw invalid(index, "its window does not fit the picture") }
    guard geometry == WindowGeometry(window) else {
      throw invalid(index, "its window is described in two ways that differ")
    }
    return window.pooled(from)
  }

  /// A linear step's operand must be masked by something drawn in advance: by the mask of the input, an activation or a comparison, through local
  /// steps only. A linear step that reads another one's output would need a mask that no source knows.
  private func validateMasks() throws {
    var drawn = [Bool](repeating: false, count: steps.count)
    for (index, step) in steps.enumerated() {
      switch step.operation {
      case .input, .activation, .comparison, .maxPool, .argMax: drawn[index] = true
      case .linear:
        guard drawn[step.inputs[0]] else {
          throw invalid(index, "a linear layer reads another linear layer's output; put an activation between them")
        }
      default: drawn[index] = step.inputs.allSatisfy { drawn[$0] }
      }
    }
  }
}
