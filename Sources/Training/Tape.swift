/// Records primitives as they run and differentiates them in reverse (reverse-mode automatic differentiation).
///
/// One tape serves all steps of a training run: `reset` returns the buffers of a step to a pool, from which the next
/// step takes them. Not thread-safe; the kernels use the threads of `workers`.
public final class Tape {
  /// A tensor on the tape, valid until the next `reset`.
  public struct Variable: Hashable, Sendable {
    let index: Int
  }

  private struct Entry {
    var value: FloatTensor
    var gradient: FloatTensor?
    var hasGradient = false
    var requiresGradient: Bool
    var isLeaf: Bool
    var isReleased = false
    var inputs: [Int] = []
    var rule: Rule?
    var context: RuleContext?
  }

  /// Threads of the kernels.
  public let workers: Workers
  let pool = TensorPool()
  private var entries: [Entry] = []

  /// An empty tape.
  public init(workers: Workers) { self.workers = workers }

  /// Puts a tensor of the caller on the tape. With `gradient`, the caller's tensor of the same shape, `backward` ADDS
  /// to it.
  public func leaf(_ value: FloatTensor, gradient: FloatTensor? = nil) -> Variable {
    precondition(gradient == nil || gradient!.count == value.count)
    entries.append(
      Entry(value: value, gradient: gradient, hasGradient: true, requiresGradient: gradient != nil, isLeaf: true))
    return Variable(index: entries.count - 1)
  }

  /// Computes a primitive and records it.
  public func apply(_ primitive: Primitive, _ inputs: [Variable]) -> Variable {
    let rule = primitive.rule
    let values = inputs.map { entries[$0.index].value }
    let output = pool.take(rule.shape(values.map(\.shape)))
    let context = RuleContext(workers: workers, pool: pool, inputs: values, output: output)
    rule.forward(context)
    entries.append(
      Entry(
        value: output, requiresGradient: inputs.contains { entries[$0.index].requiresGradient }, isLeaf: false,
        inputs: inputs.map(\.index), rule: rule, context: context))
    return Variable(index: entries.count - 1)
  }

  /// The tensor of a variable.
  public func value(_ variable: Variable) -> FloatTensor { entries[variable.index].value }

  /// Adds the gradient of a scalar with respect to every leaf that asked for one.
  public func backward(from loss: Variable) {
    precondition(entries[loss.index].value.count == 1, "only a scalar can be differentiated")
    backward(from: loss, seed: FloatTensor(shape: .scalar, values: [1]))
  }

  /// Adds the gradient of `sum(seed * variable)` to every leaf that asked for one.
  func backward(from loss: Variable, seed: FloatTensor) {
    precondition(seed.shape == entries[loss.index].value.shape)
    let gradient = pool.take(seed.shape)
    gradient.pointer.update(from: seed.pointer, count: seed.count)
    entries[loss.index].gradient = gradient
    entries[loss.index].hasGradient = true
    for index in stride(from: loss.index, through: 0, by: -1) {
      let entry = entries[index]
      guard !entry.isLeaf, entry.requiresGradient, entry.hasGradient, let rule = entry.rule,
        let context = entry.context, let gradient = entry.gradient
      else { continue }
      context.outputGradient = gradient
      // An operand that appears twice must not be overwritten by its second mention, so `hasGradient` is set at once.
      context.targets = entry.inputs.map { target(of: $0) }
      rule.backward(context)
      context.outputGradient = nil
      context.targets = []
      pool.give(gradient)
      entries[index].gradient = nil
      entries[index].hasGradient = false
    }
  }

  private func target(of index: Int) -> RuleContext.Target? {
    guard entries[index].requiresGradient else { return nil }
    if entries[index].gradient == nil { entries[index].gradient = pool.take(entries[index].value.shape) }
    let accumulate = entries[index].hasGradient
    entries[index].hasGradient = true
    return RuleContext.Target(tensor: entries[index].gradient!, accumulate: accumulate)
  }

  /// Gives a computed tensor's memory back before `reset`. Nothing may read it afterwards or differentiate through it.
  func release(_ variable: Variable) {
    let entry = entries[variable.index]
    precondition(!entry.isLeaf && !entry.isReleased && entry.gradient == nil, "this tensor cannot be released")
    pool.give(entry.value)
    for tensor in entry.context?.saved ?? [] { pool.give(tensor) }
    entries[variable.index].isReleased = true
    entries[variable.index].context = nil
  }

  /// Forgets everything recorded and keeps the memory for the next step.
  public func reset() {
    for entry in entries where !entry.isLeaf && !entry.isReleased {
      pool.give(entry.value)
      if let gradient = entry.gradient { pool.give(gradient) }
      for tensor in entry.context?.saved ?? [] { pool.give(tensor) }
    }
    entries.removeAll(keepingCapacity: true)
  }
}
