public import Programs
public import Rings

/// Material as bytes, for a store: the words of every step in program order, little-endian, without headers, since the
/// program says all sizes.
enum MaterialLayout {
  /// Words and packed bits, in order.
  static func modelOwner(_ program: Program) -> [(step: Int, words: [ModulusKind], bits: Bool)] {
    program.steps.indices.compactMap { index in
      let modulus = program.steps[index].tensor.modulus
      switch program.steps[index].operation {
      case .linear: return (index, [modulus], false)
      case .activation:
        let exact = program.truncatesExactly(index)
        return (index, exact ? [.field, .field, modulus] : [.field, .field], exact)
      default: return nil
      }
    }
  }

  static func dataOwner(_ program: Program) -> [(step: Int, words: [ModulusKind])] {
    program.steps.indices.compactMap { index in
      let modulus = program.steps[index].tensor.modulus
      switch program.steps[index].operation {
      case .input: return (index, [modulus])
      case .activation:
        let exact = program.truncatesExactly(index)
        return (index, exact ? [.field, .field, modulus, modulus, modulus] : [.field, .field, modulus])
      case .output: return (index, [program.steps[program.steps[index].inputs[0]].tensor.modulus])
      default: return nil
      }
    }
  }

  /// Elements of a step's material; an output's is its operand's.
  static func count(_ program: Program, _ step: Int) -> Int {
    if case .output = program.steps[step].operation {
      return program.steps[program.steps[step].inputs[0]].tensor.shape.count
    }
    return program.steps[step].tensor.shape.count
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

  mutating func words(_ count: Int, _ modulus: ModulusKind) throws -> SecretWords {
    let words = SecretWords(uninitialized: count)
    UnsafeMutableRawBufferPointer(words.buffer).copyMemory(from: slice(8 * count))
    guard modulus == .word || words.areReduced else {
      throw CorrelationError.unexpectedAnswer(what: "a stored word is not below p")
    }
    return words
  }

  mutating func packed(_ bits: Int) -> SecretBytes {
    let out = SecretBytes(uninitialized: (bits + 7) / 8)
    UnsafeMutableRawBufferPointer(out.buffer).copyMemory(from: slice(out.count))
    return out
  }

  private mutating func slice(_ count: Int) -> UnsafeRawBufferPointer {
    defer { place += count }
    return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(bytes.buffer)[place..<place + count])
  }
}

extension ModelOwnerMaterial {
  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int {
    MaterialLayout.modelOwner(program).reduce(0) { sum, part in
      let count = MaterialLayout.count(program, part.step)
      return sum + 8 * count * part.words.count + (part.bits ? (count + 7) / 8 : 0)
    }
  }

  /// The bytes of everything that is left; the material is spent.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)`` where a part was taken before.
  public consuming func encoded(_ program: Program) throws -> SecretBytes {
    var writer = MaterialWriter(byteCount: Self.byteCount(program))
    for part in MaterialLayout.modelOwner(program) {
      if part.words.count == 1 {
        writer.put(try takeLinear(part.step))
      } else {
        let material = try takeActivation(part.step)
        writer.put(material.alpha)
        writer.put(material.u)
        if let transfer = material.transfer {
          writer.put(transfer.pads)
          writer.put(transfer.choices)
        }
      }
    }
    precondition(writer.isComplete, "material does not fit its program")
    return writer.bytes
  }

  /// Reads what ``encoded(_:)`` wrote.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``
  public static func decode(_ bytes: SecretBytes, program: Program, serial: UInt64) throws -> ModelOwnerMaterial {
    guard bytes.count == Self.byteCount(program) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of stored material")
    }
    var material = ModelOwnerMaterial(serial: serial)
    var reader = MaterialReader(bytes)
    for part in MaterialLayout.modelOwner(program) {
      let count = MaterialLayout.count(program, part.step)
      var words: [SecretWords] = []
      for modulus in part.words { words.append(try reader.words(count, modulus)) }
      if words.count == 1 {
        material.store(linear: words[0], at: part.step)
      } else {
        let transfer = part.bits ? (choices: reader.packed(count), pads: words[2]) : nil
        material.store(ModelOwnerActivationMaterial(alpha: words[0], u: words[1], transfer: transfer), at: part.step)
      }
    }
    return material
  }
}

extension DataOwnerMaterial {
  /// Bytes that the material of one inference takes.
  public static func byteCount(_ program: Program) -> Int {
    MaterialLayout.dataOwner(program).reduce(0) {
      $0 + 8 * MaterialLayout.count(program, $1.step) * $1.words.count
    }
  }

  /// The bytes of everything that is left; the material is spent.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)`` where a part was taken before.
  public consuming func encoded(_ program: Program) throws -> SecretBytes {
    var writer = MaterialWriter(byteCount: Self.byteCount(program))
    for part in MaterialLayout.dataOwner(program) {
      switch program.steps[part.step].operation {
      case .input: writer.put(try takeInputMask())
      case .output: writer.put(try takeOutputShare())
      default:
        let material = try takeActivation(part.step)
        writer.put(material.share)
        writer.put(material.constant)
        writer.put(material.mask)
        if let pads = material.pads {
          writer.put(pads.0)
          writer.put(pads.1)
        }
      }
    }
    precondition(writer.isComplete, "material does not fit its program")
    return writer.bytes
  }

  /// Reads what ``encoded(_:)`` wrote.
  /// - Throws: ``CorrelationError/unexpectedAnswer(what:)``
  public static func decode(_ bytes: SecretBytes, program: Program, serial: UInt64) throws -> DataOwnerMaterial {
    guard bytes.count == Self.byteCount(program) else {
      throw CorrelationError.unexpectedAnswer(what: "the length of stored material")
    }
    var material = DataOwnerMaterial(serial: serial)
    var reader = MaterialReader(bytes)
    for part in MaterialLayout.dataOwner(program) {
      let count = MaterialLayout.count(program, part.step)
      var words: [SecretWords] = []
      for modulus in part.words { words.append(try reader.words(count, modulus)) }
      switch program.steps[part.step].operation {
      case .input: material.store(inputMask: words[0])
      case .output: material.store(outputShare: words[0])
      default:
        material.store(
          DataOwnerActivationMaterial(
            share: words[0], constant: words[1], pads: words.count == 5 ? (words[3], words[4]) : nil, mask: words[2]),
          at: part.step)
      }
    }
    return material
  }
}
