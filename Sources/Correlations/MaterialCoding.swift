public import Programs
import Rings

/// Writes the material of one inference as bytes while it is made: each part as soon as it is complete, and its memory is
/// then free.
public struct MaterialEncoder {
  private let parts: [MaterialLayout.Part]
  private let isModelOwner: Bool
  private var next = 0
  /// Bytes that all of it takes.
  public let byteCount: Int

  /// For the model owner's material.
  public init(modelOwner program: Program) { self.init(MaterialLayout.modelOwner(program), isModelOwner: true) }

  /// For the data owner's material.
  public init(dataOwner program: Program) { self.init(MaterialLayout.dataOwner(program), isModelOwner: false) }

  private init(_ parts: [MaterialLayout.Part], isModelOwner: Bool) {
    (self.parts, self.isModelOwner) = (parts, isModelOwner)
    byteCount = MaterialLayout.byteCount(parts)
  }

  /// Whether everything was written.
  public var isComplete: Bool { next == parts.count }

  /// Takes the parts that are complete, and gives their bytes to `write`, in order.
  /// - Throws: what `write` throws; the part that it was called with is lost then.
  public mutating func encode(
    _ material: inout ModelOwnerMaterial, to write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    precondition(isModelOwner, "the data owner's encoder")
    try drain(&material, to: write)
  }

  /// Takes the parts that are complete, and gives their bytes to `write`, in order.
  /// - Throws: what `write` throws; the part that it was called with is lost then.
  public mutating func encode(
    _ material: inout DataOwnerMaterial, to write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    precondition(!isModelOwner, "the model owner's encoder")
    try drain(&material, to: write)
  }

  private mutating func drain<Material: CodedMaterial & ~Copyable>(
    _ material: inout Material, to write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    while next < parts.count, let arrays = try material.takeArrays(parts[next]) {
      for (array, item) in zip(arrays, parts[next].items) {
        precondition(array.raw.count == item.byteCount, "material does not fit its program")
        try withExtendedLifetime(array) { try write(array.raw) }
      }
      next += 1
    }
  }
}

/// One array of a part.
enum MaterialArray {
  case words(SecretWords)
  case bytes(SecretBytes)

  /// Valid while the array lives.
  var raw: UnsafeRawBufferPointer {
    switch self {
    case .words(let words): UnsafeRawBufferPointer(words.buffer)
    case .bytes(let bytes): UnsafeRawBufferPointer(bytes.buffer)
    }
  }

  /// - Throws: what `read` throws; ``CorrelationError/unexpectedAnswer(what:)`` where a word is not reduced.
  init(_ item: MaterialLayout.Item, read: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
    switch item {
    case .words(let count, let modulus):
      let words = SecretWords(uninitialized: count)
      try read(UnsafeMutableRawBufferPointer(words.buffer))
      guard modulus == .word || words.areReduced else {
        throw CorrelationError.unexpectedAnswer(what: "a stored word is not below p")
      }
      self = .words(words)
    case .bytes(let count):
      let bytes = SecretBytes(uninitialized: count)
      try read(UnsafeMutableRawBufferPointer(bytes.buffer))
      self = .bytes(bytes)
    }
  }
}

/// A party's material as the arrays that its layout lists.
protocol CodedMaterial: ~Copyable {
  init(serial: UInt64)
  static func layout(_ program: Program) -> [MaterialLayout.Part]
  /// Takes a part's arrays in the order of its items; nil where it is not there.
  mutating func takeArrays(_ part: MaterialLayout.Part) throws -> [MaterialArray]?
  /// Puts a part's arrays back, words and bytes apart, each kind in its order.
  mutating func put(_ part: MaterialLayout.Part, _ words: [SecretWords], _ bytes: [SecretBytes])
}

extension CodedMaterial where Self: ~Copyable {
  static func decoded(
    _ program: Program, serial: UInt64, byteCount: Int, from read: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> Self {
    let parts = layout(program)
    guard byteCount == MaterialLayout.byteCount(parts) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of stored material")
    }
    var material = Self(serial: serial)
    for part in parts {
      var (words, bytes): ([SecretWords], [SecretBytes]) = ([], [])
      for item in part.items {
        switch try MaterialArray(item, read: read) {
        case .words(let array): words.append(array)
        case .bytes(let array): bytes.append(array)
        }
      }
      material.put(part, words, bytes)
    }
    return material
  }
}

extension ModelOwnerMaterial: CodedMaterial {
  static func layout(_ program: Program) -> [MaterialLayout.Part] { MaterialLayout.modelOwner(program) }

  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int { MaterialLayout.byteCount(layout(program)) }

  /// Reads what a ``MaterialEncoder`` wrote.
  ///
  /// - Parameters:
  ///   - byteCount: bytes that there are.
  ///   - read: fills memory with the next ones.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``, and what `read` throws.
  public static func decode(
    program: Program, serial: UInt64, byteCount: Int, from read: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> ModelOwnerMaterial {
    try decoded(program, serial: serial, byteCount: byteCount, from: read)
  }

  mutating func takeArrays(_ part: MaterialLayout.Part) throws -> [MaterialArray]? {
    guard holds(part) else { return nil }
    switch part.kind {
    case .linear:
      let words = [MaterialArray.words(try takeLinear(part.step))]
      return part.items.count > 1 ? words + [.words(try takeOpened(part.step))] : words
    case .activation:
      let material = try takeActivation(part.step)
      let factors = [MaterialArray.words(material.alpha), .words(material.u)]
      guard let transfer = material.transfer else { return factors }
      return factors + [.words(transfer.pads), .bytes(transfer.choices)]
    case .comparison:
      let material = try takeComparison(part.step, stage: part.stage)
      return [material.pads, material.triples, material.rho].map { .bytes($0) }
        + [material.g, material.h, material.w].map { .words($0) }
    case .inputMask, .outputShare: preconditionFailure("a part of the data owner")
    }
  }

  mutating func put(_ part: MaterialLayout.Part, _ words: [SecretWords], _ bytes: [SecretBytes]) {
    switch part.kind {
    case .linear:
      store(linear: words[0], at: part.step)
      if words.count > 1 { store(opened: words[1], at: part.step) }
    case .activation:
      let transfer = bytes.isEmpty ? nil : (choices: bytes[0], pads: words[2])
      store(ModelOwnerActivationMaterial(alpha: words[0], u: words[1], transfer: transfer), at: part.step)
    case .comparison:
      store(
        ModelOwnerComparisonMaterial(
          pads: bytes[0], triples: bytes[1], rho: bytes[2], g: words[0], h: words[1], w: words[2]),
        at: part.step, stage: part.stage)
    case .inputMask, .outputShare: preconditionFailure("a part of the data owner")
    }
  }
}

extension DataOwnerMaterial: CodedMaterial {
  static func layout(_ program: Program) -> [MaterialLayout.Part] { MaterialLayout.dataOwner(program) }

  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int { MaterialLayout.byteCount(layout(program)) }

  /// Reads what a ``MaterialEncoder`` wrote.
  ///
  /// - Parameters:
  ///   - byteCount: bytes that there are.
  ///   - read: fills memory with the next ones.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``, and what `read` throws.
  public static func decode(
    program: Program, serial: UInt64, byteCount: Int, from read: (UnsafeMutableRawBufferPointer) throws -> Void
  ) throws -> DataOwnerMaterial {
    try decoded(program, serial: serial, byteCount: byteCount, from: read)
  }

  mutating func takeArrays(_ part: MaterialLayout.Part) throws -> [MaterialArray]? {
    guard holds(part) else { return nil }
    switch part.kind {
    case .inputMask: return [.words(try takeInputMask())]
    case .linear:
      let words = [MaterialArray.words(try takeLinear(part.step))]
      return part.items.count > 1 ? words + [.words(try takeOpened(part.step))] : words
    case .outputShare: return [.words(try takeOutputShare())]
    case .activation:
      let material = try takeActivation(part.step)
      let factors = [MaterialArray.words(material.share), .words(material.constant), .words(material.mask)]
      guard let pads = material.pads else { return factors }
      return factors + [.words(pads.0), .words(pads.1)]
    case .comparison:
      let material = try takeComparison(part.step, stage: part.stage)
      return [material.choices, material.pads, material.triples, material.rho].map { .bytes($0) }
        + [material.operand, material.h, material.w, material.offset].map { .words($0) }
    }
  }

  mutating func put(_ part: MaterialLayout.Part, _ words: [SecretWords], _ bytes: [SecretBytes]) {
    switch part.kind {
    case .inputMask: store(inputMask: words[0])
    case .linear:
      store(linear: words[0], at: part.step)
      if words.count > 1 { store(opened: words[1], at: part.step) }
    case .outputShare: store(outputShare: words[0])
    case .activation:
      store(
        DataOwnerActivationMaterial(
          share: words[0], constant: words[1], pads: words.count == 5 ? (words[3], words[4]) : nil, mask: words[2]),
        at: part.step)
    case .comparison:
      store(
        DataOwnerComparisonMaterial(
          choices: bytes[0], pads: bytes[1], triples: bytes[2], rho: bytes[3], operand: words[0], h: words[1],
          w: words[2], offset: words[3]),
        at: part.step, stage: part.stage)
    }
  }
}
