public import Rings

/// What went wrong around correlated material. No case carries a share, a mask or a key.
public enum CorrelationError: Error, CustomStringConvertible, Equatable {
  /// Material was asked for a second time, or was never there.
  case materialSpent(step: Int, serial: UInt64)
  /// A bulk of an unacceptable size.
  case invalidBulk(count: Int, limit: Int)
  /// Serial numbers that do not follow the last ones.
  case serialOutOfOrder(found: UInt64, expected: UInt64)
  /// The two parties asked the dealer for different things.
  case ordersDiffer(what: String)
  /// The partner of this party did not come to the dealer in time.
  case partnerMissing(seconds: Int)
  /// The peer announced something else than was agreed.
  case unexpectedAnswer(what: String)
  /// The order could not be read.
  case invalidOrder(reason: String)

  /// A sentence for people.
  public var description: String {
    switch self {
    case .materialSpent(let step, let serial):
      "The material of step \(step), inference \(serial), is spent or was never prepared; prepare more and ask again."
    case .invalidBulk(let count, let limit):
      "A bulk of \(count) inferences was asked for, and between 1 and \(limit) are prepared together."
    case .serialOutOfOrder(let found, let expected):
      "Inference number \(found) was announced where \(expected) follows; the session is ended, open a new one."
    case .ordersDiffer(let what):
      "Model owner and data owner sent the dealer different values for the \(what): give both the same plan."
    case .partnerMissing(let seconds):
      "The other party did not reach the dealer within \(seconds) seconds; see that it runs and is given the same dealer."
    case .unexpectedAnswer(let what):
      "The peer's answer does not fit what was asked: \(what)."
    case .invalidOrder(let reason):
      "The order sent to the dealer was refused: \(reason)."
    }
  }
}

/// The model owner's part of one activation's material: OLE (alpha, u) with u + v = alpha c, and random transfers
/// (choice bit, pad of the choice). Used once.
public struct ModelOwnerActivationMaterial: ~Copyable {
  /// alpha, uniform in F_p, one word an element.
  public let alpha: SecretWords
  /// u = alpha c - v in F_p, one word an element.
  public let u: SecretWords
  /// rho: packed choice bits, and pad_rho in the output's ring; absent for local truncation.
  public let transfer: (choices: SecretBytes, pads: SecretWords)?

  /// Takes what a source made.
  public init(alpha: SecretWords, u: SecretWords, transfer: (choices: SecretBytes, pads: SecretWords)?) {
    self.alpha = alpha
    self.u = u
    self.transfer = transfer
  }
}

/// The data owner's part of one activation's material, everything that depends on its known share c done in advance. Used once.
public struct DataOwnerActivationMaterial: ~Copyable {
  /// c: its share of the activation's operand, in F_p.
  public let share: SecretWords
  /// v + c^2 in F_p.
  public let constant: SecretWords
  /// pad_0 - r' and pad_1 - r' in the output's ring; absent for local truncation.
  public let pads: (SecretWords, SecretWords)?
  /// r', the mask of the output, its share from here on.
  public let mask: SecretWords

  /// Takes what a source made.
  public init(share: SecretWords, constant: SecretWords, pads: (SecretWords, SecretWords)?, mask: SecretWords) {
    self.share = share
    self.constant = constant
    self.pads = pads
    self.mask = mask
  }
}

/// All material of the model owner for one inference. Parts are taken out step by step and are then gone.
public struct ModelOwnerMaterial: ~Copyable {
  /// The inference's number within its session.
  public let serial: UInt64
  var linear: [Int: SecretWords] = [:]
  var opened: [Int: SecretWords] = [:]
  private var activations: [Int: (SecretWords, SecretWords, (choices: SecretBytes, pads: SecretWords)?)] = [:]
  var comparisons: [ComparisonKey: (SecretBytes, SecretBytes, SecretBytes, SecretWords, SecretWords, SecretWords)] = [:]

  init(serial: UInt64) { self.serial = serial }

  /// Whether a part is there.
  func holds(_ part: MaterialLayout.Part) -> Bool {
    switch part.kind {
    case .linear: linear[part.step] != nil
    case .activation: activations[part.step] != nil
    case .comparison: comparisons[ComparisonKey(step: part.step, stage: part.stage)] != nil
    case .inputMask, .outputShare: false
    }
  }

  mutating func store(linear words: SecretWords, at step: Int) { linear[step] = words }

  mutating func store(_ material: consuming ModelOwnerActivationMaterial, at step: Int) {
    activations[step] = (material.alpha, material.u, material.transfer)
  }

  /// Takes s of a linear step: its share of W r - c, to be added to W (x - r). Outsourced, s + c~.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeLinear(_ step: Int) throws -> SecretWords {
    guard let words = linear.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return words
  }

  /// Takes the material of an activation step.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeActivation(_ step: Int) throws -> ModelOwnerActivationMaterial {
    guard let parts = activations.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return ModelOwnerActivationMaterial(alpha: parts.0, u: parts.1, transfer: parts.2)
  }
}

/// All material of the data owner for one inference.
public struct DataOwnerMaterial: ~Copyable {
  /// The inference's number within its session.
  public let serial: UInt64
  private var inputMask: SecretWords?
  var linear: [Int: SecretWords] = [:]
  var opened: [Int: SecretWords] = [:]
  private var activations: [Int: (SecretWords, SecretWords, (SecretWords, SecretWords)?, SecretWords)] = [:]
  var comparisons: [ComparisonKey: ([SecretBytes], [SecretWords])] = [:]
  private var outputShare: SecretWords?

  init(serial: UInt64) { self.serial = serial }

  /// Whether a part is there.
  func holds(_ part: MaterialLayout.Part) -> Bool {
    switch part.kind {
    case .inputMask: inputMask != nil
    case .linear: linear[part.step] != nil
    case .activation: activations[part.step] != nil
    case .comparison: comparisons[ComparisonKey(step: part.step, stage: part.stage)] != nil
    case .outputShare: outputShare != nil
    }
  }

  mutating func store(inputMask words: SecretWords) { inputMask = words }
  mutating func store(outputShare words: SecretWords) { outputShare = words }
  mutating func store(_ material: consuming DataOwnerActivationMaterial, at step: Int) {
    activations[step] = (material.share, material.constant, material.pads, material.mask)
  }

  /// Takes r, the mask of the input.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeInputMask() throws -> SecretWords {
    guard let words = inputMask.take() else { throw CorrelationError.materialSpent(step: 0, serial: serial) }
    return words
  }

  /// Takes the material of an activation step.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeActivation(_ step: Int) throws -> DataOwnerActivationMaterial {
    guard let parts = activations.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return DataOwnerActivationMaterial(share: parts.0, constant: parts.1, pads: parts.2, mask: parts.3)
  }

  /// Takes its share of the output.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeOutputShare() throws -> SecretWords {
    guard let words = outputShare.take() else { throw CorrelationError.materialSpent(step: -1, serial: serial) }
    return words
  }
}

/// Prepared inferences of one session, in the order of their serial numbers. What is taken is gone, and what is still
/// here when the session ends goes with it.
public struct MaterialPool<Material: ~Copyable>: ~Copyable {
  private final class Box {
    private var material: Material?
    init(_ material: consuming Material) { self.material = consume material }
    func open() -> Material { material.take()! }
  }

  private var boxes: [UInt64: Box] = [:]
  private var next: UInt64 = 0

  /// An empty pool.
  public init() {}

  /// Inferences prepared.
  public var count: Int { boxes.count }
  /// Serial number of the next inference to be taken.
  public var nextSerial: UInt64 { next }

  /// Adds the material of inference `serial`.
  public mutating func add(_ material: consuming Material, serial: UInt64) {
    precondition(serial >= next && boxes[serial] == nil, "inference \(serial) was prepared already")
    boxes[serial] = Box(material)
  }

  /// Takes the material of inference `serial`, which must be the next one.
  /// - Throws: ``CorrelationError``
  public mutating func take(serial: UInt64) throws -> Material {
    guard serial == next else { throw CorrelationError.serialOutOfOrder(found: serial, expected: next) }
    guard let box = boxes.removeValue(forKey: serial) else {
      throw CorrelationError.materialSpent(step: 0, serial: serial)
    }
    next += 1
    return box.open()
  }
}
