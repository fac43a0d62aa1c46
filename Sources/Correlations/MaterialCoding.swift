public import Programs
public import Rings

/// Material as bytes, for a store: the parts of every step in program order, words little-endian, without headers, since the
/// program says all sizes.
enum MaterialLayout {
  /// One array of a part.
  enum Item: Equatable {
    /// Words of a ring.
    case words(Int, ModulusKind)
    /// Packed bits or planes.
    case bytes(Int)

    var byteCount: Int {
      switch self {
      case .words(let count, _): 8 * count
      case .bytes(let count): count
      }
    }
  }

  /// The material of a step, or of one run of a step of comparisons.
  struct Part {
    var step: Int
    var stage = 0
    var items: [Item]
  }

  static func modelOwner(_ program: Program) -> [Part] {
    program.steps.indices.flatMap { index -> [Part] in
      let tensor = program.steps[index].tensor
      let count = tensor.shape.count
      switch program.steps[index].operation {
      case .linear: return [Part(step: index, items: linear(program, index))]
      case .activation:
        let factors: [Item] = [.words(count, .field), .words(count, .field)]
        let transfer: [Item] = [.words(count, tensor.modulus), .bytes((count + 7) / 8)]
        return [Part(step: index, items: program.truncatesExactly(index) ? factors + transfer : factors)]
      case .comparison, .maxPool, .argMax:
        return runs(program, index) { stage in
          let words = Item.words(stage.count, stage.modulus)
          return [planes(stage.padPlanes, stage), planes(stage.digits.triplePlanes, stage), planes(1, stage)]
            + [words, words, words]
        }
      default: return []
      }
    }
  }

  static func dataOwner(_ program: Program) -> [Part] {
    program.steps.indices.flatMap { index -> [Part] in
      let tensor = program.steps[index].tensor
      let count = tensor.shape.count
      let words = Item.words(count, tensor.modulus)
      switch program.steps[index].operation {
      case .input: return [Part(step: index, items: [words])]
      case .linear where program.sharesWeights: return [Part(step: index, items: linear(program, index))]
      case .activation:
        let factors: [Item] = [.words(count, .field), .words(count, .field), words]
        return [Part(step: index, items: program.truncatesExactly(index) ? factors + [words, words] : factors)]
      case .comparison, .maxPool, .argMax:
        return runs(program, index) { stage in
          let words = Item.words(stage.count, stage.modulus)
          return [planes(stage.choicePlanes, stage), planes(stage.chosenPlanes, stage)]
            + [planes(stage.digits.triplePlanes, stage), planes(1, stage), words, words, words, words]
        }
      case .output:
        let operand = program.steps[program.steps[index].inputs[0]].tensor
        return [Part(step: index, items: [.words(operand.shape.count, operand.modulus)])]
      default: return []
      }
    }
  }

  /// A word an output, and where an outsourced run opens the operand there, one an element of it.
  private static func linear(_ program: Program, _ index: Int) -> [Item] {
    let (tensor, operand) = (program.steps[index].tensor, program.steps[program.steps[index].inputs[0]].tensor)
    let outputs = Item.words(tensor.shape.count, tensor.modulus)
    guard program.sharesWeights, program.openingSteps.contains(index) else { return [outputs] }
    return [outputs, .words(operand.shape.count, operand.modulus)]
  }

  private static func runs(_ program: Program, _ index: Int, _ items: (ComparisonStage) -> [Item]) -> [Part] {
    program.comparisonStages(index)!.enumerated().map {
      Part(step: index, stage: $0.offset, items: items($0.element))
    }
  }

  private static func planes(_ planes: Int, _ stage: ComparisonStage) -> Item {
    .bytes(ComparisonTile.bytes(planes: planes, count: stage.count))
  }

  static func byteCount(_ parts: [Part]) -> Int {
    parts.reduce(0) { $1.items.reduce($0) { $0 + $1.byteCount } }
  }
}

/// Writes words and bits one after the other into memory that is erased.
private struct MaterialWriter {
  let bytes: SecretBytes
  private var place = 0

  init(byteCount: Int) { bytes = SecretBytes(uninitialized: byteCount) }

  mutating func put(_ words: SecretWords) {
    put(UnsafeRawBufferPointer(words.buffer))
    withExtendedLifetime(words) {}
  }

  mutating func put(_ packed: SecretBytes) {
    put(UnsafeRawBufferPointer(packed.buffer))
    withExtendedLifetime(packed) {}
  }

  private mutating func put(_ raw: UnsafeRawBufferPointer) {
    precondition(place + raw.count <= bytes.count, "material does not fit its program")
    UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(bytes.buffer)[place...]).copyMemory(from: raw)
    place += raw.count
  }

  var isComplete: Bool { place == bytes.count }
}

private struct MaterialReader {
  let bytes: SecretBytes
  private var place = 0

  init(_ bytes: SecretBytes) { self.bytes = bytes }

  /// The arrays of a part, words and bytes apart, each kind in its order.
  mutating func read(_ part: MaterialLayout.Part) throws -> (words: [SecretWords], bytes: [SecretBytes]) {
    var found: (words: [SecretWords], bytes: [SecretBytes]) = ([], [])
    for item in part.items {
      let raw = slice(item.byteCount)
      switch item {
      case .words(let count, let modulus):
        let words = SecretWords(uninitialized: count)
        UnsafeMutableRawBufferPointer(words.buffer).copyMemory(from: raw)
        guard modulus == .word || words.areReduced else {
          throw CorrelationError.unexpectedAnswer(what: "a stored word is not below p")
        }
        found.words.append(words)
      case .bytes(let count):
        let bytes = SecretBytes(uninitialized: count)
        UnsafeMutableRawBufferPointer(bytes.buffer).copyMemory(from: raw)
        found.bytes.append(bytes)
      }
    }
    return found
  }

  private mutating func slice(_ count: Int) -> UnsafeRawBufferPointer {
    defer { place += count }
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes.buffer)[place..<place + count])
  }
}

extension ModelOwnerMaterial {
  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int {
    MaterialLayout.byteCount(MaterialLayout.modelOwner(program))
  }

  /// The bytes of everything that is left; the material is spent.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)`` where a part was taken before.
  public consuming func encoded(_ program: Program) throws -> SecretBytes {
    let parts = MaterialLayout.modelOwner(program)
    var writer = MaterialWriter(byteCount: MaterialLayout.byteCount(parts))
    for part in parts {
      switch program.steps[part.step].operation {
      case .linear:
        writer.put(try takeLinear(part.step))
        if part.items.count > 1 { writer.put(try takeOpened(part.step)) }
      case .activation:
        let material = try takeActivation(part.step)
        writer.put(material.alpha)
        writer.put(material.u)
        if let transfer = material.transfer {
          writer.put(transfer.pads)
          writer.put(transfer.choices)
        }
      default:
        let material = try takeComparison(part.step, stage: part.stage)
        for bytes in [material.pads, material.triples, material.rho] { writer.put(bytes) }
        for words in [material.g, material.h, material.w] { writer.put(words) }
      }
    }
    precondition(writer.isComplete, "material does not fit its program")
    return writer.bytes
  }

  /// Reads what ``encoded(_:)`` wrote.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``
  public static func decode(_ bytes: SecretBytes, program: Program, serial: UInt64) throws -> ModelOwnerMaterial {
    let parts = MaterialLayout.modelOwner(program)
    guard bytes.count == MaterialLayout.byteCount(parts) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of stored material")
    }
    var material = ModelOwnerMaterial(serial: serial)
    var reader = MaterialReader(bytes)
    for part in parts {
      let (words, bytes) = try reader.read(part)
      switch program.steps[part.step].operation {
      case .linear:
        material.store(linear: words[0], at: part.step)
        if words.count > 1 { material.store(opened: words[1], at: part.step) }
      case .activation:
        let transfer = bytes.isEmpty ? nil : (choices: bytes[0], pads: words[2])
        material.store(ModelOwnerActivationMaterial(alpha: words[0], u: words[1], transfer: transfer), at: part.step)
      default:
        material.store(
          ModelOwnerComparisonMaterial(
            pads: bytes[0], triples: bytes[1], rho: bytes[2], g: words[0], h: words[1], w: words[2]),
          at: part.step, stage: part.stage)
      }
    }
    return material
  }
}

extension DataOwnerMaterial {
  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int {
    MaterialLayout.byteCount(MaterialLayout.dataOwner(program))
  }

  /// The bytes of everything that is left; the material is spent.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)`` where a part was taken before.
  public consuming func encoded(_ program: Program) throws -> SecretBytes {
    let parts = MaterialLayout.dataOwner(program)
    var writer = MaterialWriter(byteCount: MaterialLayout.byteCount(parts))
    for part in parts {
      switch program.steps[part.step].operation {
      case .input: writer.put(try takeInputMask())
      case .linear:
        writer.put(try takeLinear(part.step))
        if part.items.count > 1 { writer.put(try takeOpened(part.step)) }
      case .output: writer.put(try takeOutputShare())
      case .activation:
        let material = try takeActivation(part.step)
        writer.put(material.share)
        writer.put(material.constant)
        writer.put(material.mask)
        if let pads = material.pads {
          writer.put(pads.0)
          writer.put(pads.1)
        }
      default:
        let material = try takeComparison(part.step, stage: part.stage)
        for bytes in [material.choices, material.pads, material.triples, material.rho] { writer.put(bytes) }
        for words in [material.operand, material.h, material.w, material.offset] { writer.put(words) }
      }
    }
    precondition(writer.isComplete, "material does not fit its program")
    return writer.bytes
  }

  /// Reads what ``encoded(_:)`` wrote.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``
  public static func decode(_ bytes: SecretBytes, program: Program, serial: UInt64) throws -> DataOwnerMaterial {
    let parts = MaterialLayout.dataOwner(program)
    guard bytes.count == MaterialLayout.byteCount(parts) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of stored material")
    }
    var material = DataOwnerMaterial(serial: serial)
    var reader = MaterialReader(bytes)
    for part in parts {
      let (words, bytes) = try reader.read(part)
      switch program.steps[part.step].operation {
      case .input: material.store(inputMask: words[0])
      case .linear:
        material.store(linear: words[0], at: part.step)
        if words.count > 1 { material.store(opened: words[1], at: part.step) }
      case .output: material.store(outputShare: words[0])
      case .activation:
        material.store(
          DataOwnerActivationMaterial(
            share: words[0], constant: words[1], pads: words.count == 5 ? (words[3], words[4]) : nil, mask: words[2]),
          at: part.step)
      default:
        material.store(
          DataOwnerComparisonMaterial(
            choices: bytes[0], pads: bytes[1], triples: bytes[2], rho: bytes[3], operand: words[0], h: words[1],
            w: words[2], offset: words[3]),
          at: part.step, stage: part.stage)
      }
    }
    return material
  }
}
