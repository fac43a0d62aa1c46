public import Programs
public import Rings

/// Elements of one tile of a comparison's planes. Both parties and the dealer must agree on it: tiles follow each other on the wire.
public enum ComparisonTile {
  /// A multiple of 8.
  public static let elements = 2048

  /// Calls `body` with each tile's first element, its elements, and the bytes of one of its planes. The tiles before hold
  /// `first / 8` bytes a plane.
  public static func forEach(_ count: Int, _ body: (_ first: Int, _ count: Int, _ bytes: Int) throws -> Void) rethrows {
    var first = 0
    while first < count {
      let size = min(elements, count - first)
      try body(first, size, (size + 7) / 8)
      first += size
    }
  }

  /// Bytes of some planes of `count` elements, tiles one after the other.
  public static func bytes(planes: Int, count: Int) -> Int { planes * ((count + 7) / 8) }
}

extension ComparisonDigits {
  /// The widths as kernels take them.
  public var kernelWidths: [UInt8] { widths.map(UInt8.init) }
}

/// The model owner's part of the material of one run of comparisons of one inference: pads of the tables, bit triples, and its
/// half of the multiplexers'. Planes lie tile by tile. Used once.
public struct ModelOwnerComparisonMaterial: ~Copyable {
  /// Pads of every entry of every table, moved so that entry j serves digit j of the data owner's share.
  public let pads: SecretBytes
  /// Its shares of the tree's triples, level by level.
  public let triples: SecretBytes
  /// rho0, packed bits.
  public let rho: SecretBytes
  /// g, uniform.
  public let g: SecretWords
  /// h0, with h0 + h1 = rho1 g.
  public let h: SecretWords
  /// w0, with w0 + w1 = rho0 c (1 - 2 rho1), c the data owner's share of the multiplexer's operand.
  public let w: SecretWords

  /// Takes what a source made.
  public init(
    pads: SecretBytes, triples: SecretBytes, rho: SecretBytes, g: SecretWords, h: SecretWords, w: SecretWords
  ) {
    (self.pads, self.triples, self.rho) = (pads, triples, rho)
    (self.g, self.h, self.w) = (g, h, w)
  }
}

/// The data owner's part, everything that depends on its known share done in advance. Used once.
public struct DataOwnerComparisonMaterial: ~Copyable {
  /// Planes of the k low bits of its share: its digits, and the top bit.
  public let choices: SecretBytes
  /// The pads that its digits choose.
  public let pads: SecretBytes
  /// Its shares of the tree's triples, level by level.
  public let triples: SecretBytes
  /// rho1, packed bits.
  public let rho: SecretBytes
  /// c, its share of the multiplexer's operand.
  public let operand: SecretWords
  /// h1.
  public let h: SecretWords
  /// w1.
  public let w: SecretWords
  /// What is added to y1 before it leaves: its share of what the result is added to, less the fresh mask r'.
  public let offset: SecretWords

  /// Takes what a source made.
  public init(
    choices: SecretBytes, pads: SecretBytes, triples: SecretBytes, rho: SecretBytes, operand: SecretWords,
    h: SecretWords, w: SecretWords, offset: SecretWords
  ) {
    (self.choices, self.pads, self.triples, self.rho) = (choices, pads, triples, rho)
    (self.operand, self.h, self.w, self.offset) = (operand, h, w, offset)
  }
}

/// A run of comparisons within a program: its step and its place in the step.
struct ComparisonKey: Hashable {
  let step: Int
  let stage: Int

  /// A number of its own for each run, to derive keys with. Steps are fewer than 4096 (Program.validate), runs of one than 64.
  var layer: Int { step + Program.maximumSteps * stage }
}

extension ModelOwnerMaterial {
  mutating func store(_ material: consuming ModelOwnerComparisonMaterial, at step: Int, stage: Int) {
    comparisons[ComparisonKey(step: step, stage: stage)] = (
      material.pads, material.triples, material.rho, material.g, material.h, material.w
    )
  }

  /// Takes the material of one run of a comparison step.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeComparison(_ step: Int, stage: Int) throws -> ModelOwnerComparisonMaterial {
    guard let parts = comparisons.removeValue(forKey: ComparisonKey(step: step, stage: stage)) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return ModelOwnerComparisonMaterial(
      pads: parts.0, triples: parts.1, rho: parts.2, g: parts.3, h: parts.4, w: parts.5)
  }
}

extension DataOwnerMaterial {
  mutating func store(_ material: consuming DataOwnerComparisonMaterial, at step: Int, stage: Int) {
    comparisons[ComparisonKey(step: step, stage: stage)] = (
      [material.choices, material.pads, material.triples, material.rho],
      [material.operand, material.h, material.w, material.offset]
    )
  }

  /// Takes the material of one run of a comparison step.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeComparison(_ step: Int, stage: Int) throws -> DataOwnerComparisonMaterial {
    guard let parts = comparisons.removeValue(forKey: ComparisonKey(step: step, stage: stage)) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return DataOwnerComparisonMaterial(
      choices: parts.0[0], pads: parts.0[1], triples: parts.0[2], rho: parts.0[3], operand: parts.1[0],
      h: parts.1[1], w: parts.1[2], offset: parts.1[3])
  }
}
