import Correlations
import Programs
import Randomness
import Rings
import TestSupport

@testable import TwoParty

/// A run of comparisons with everything that enters it chosen by the test, and material that is correct by construction:
/// the prototype's, element by element, laid out as the engine keeps it.
// Unchecked because of the prototype's generator, which is used in the initialiser only.
struct IdealComparison: @unchecked Sendable {
  struct Element {
    /// What is compared: P0's and P1's words.
    var compared: (UInt64, UInt64)
    /// The multiplexer's operand, and what is added: P0's and P1's words in the ring.
    var operand: (UInt64, UInt64)
    var base: (UInt64, UInt64)
  }

  let stage: ComparisonStage
  let elements: [Element]
  let prototype: ComparisonPrototype
  let materials: [ComparisonPrototype.Material]
  let masks: [UInt64]

  init(_ elements: [Element], digits: ComparisonDigits, modulus: ModulusKind, seed: UInt64) {
    let random = StreamGenerator(publicSeed: seed)
    stage = ComparisonStage(count: elements.count, digits: digits, modulus: modulus)
    self.elements = elements
    let prototype = ComparisonPrototype(
      modulus: modulus == .word ? 1 << 64 : Int128(p), digits: digits, random: random)
    self.prototype = prototype
    materials = elements.map { prototype.material(c: $0.compared.1, operand: Int128($0.operand.1)) }
    masks = elements.map { _ in random.ring(modulus) }
  }

  /// Packs bits of all elements, tile by tile: `bits` gives the planes of one element.
  func planes(_ bits: (Int) -> [Int]) -> SecretBytes {
    var all: [UInt8] = []
    for start in stride(from: 0, to: elements.count, by: ComparisonTile.elements) {
      let end = min(start + ComparisonTile.elements, elements.count)
      let width = (end - start + 7) / 8
      var tile = [UInt8](repeating: 0, count: width * bits(start).count)
      for index in start..<end {
        for (plane, bit) in bits(index).enumerated() {
          tile[plane * width + (index - start) / 8] |= UInt8(bit << ((index - start) % 8))
        }
      }
      all += tile
    }
    return SecretBytes(all)
  }

  private func triples(_ party: Int, _ index: Int) -> [Int] {
    materials[index].triples[party].flatMap { level in
      level.flatMap { triple in
        [triple.a] + (0..<triple.b.count).flatMap { [triple.b[$0], triple.ab[$0]] }
      }
    }
  }

  private func words(_ value: (Int) -> Int128) -> SecretWords {
    SecretWords(elements.indices.map { UInt64(truncatingIfNeeded: prototype.reduce(value($0))) })
  }

  var modelOwnerMaterial: ModelOwnerComparisonMaterial {
    ModelOwnerComparisonMaterial(
      pads: planes { materials[$0].pads.flatMap { $0.flatMap { $0 } } }, triples: planes { triples(0, $0) },
      rho: planes { [materials[$0].rho[0]] }, g: words { materials[$0].g }, h: words { materials[$0].h[0] },
      w: words { materials[$0].w[0] })
  }

  var dataOwnerMaterial: DataOwnerComparisonMaterial {
    let bits = stage.digits.bits
    return DataOwnerComparisonMaterial(
      choices: planes { index in (0..<bits).map { Int(elements[index].compared.1 >> UInt64($0) & 1) } },
      pads: planes { materials[$0].chosen.flatMap { $0 } }, triples: planes { triples(1, $0) },
      rho: planes { [materials[$0].rho[1]] }, operand: words { Int128(elements[$0].operand.1) },
      h: words { materials[$0].h[1] }, w: words { materials[$0].w[1] },
      offset: words { Int128(elements[$0].base.1) - Int128(masks[$0]) })
  }

  func operands(hasBase: Bool = true) -> ComparisonWalk.Operands {
    ComparisonWalk.Operands(
      compared: SecretWords(elements.map(\.compared.0)), operand: SecretWords(elements.map(\.operand.0)),
      base: hasBase ? SecretWords(elements.map(\.base.0)) : nil)
  }

  /// base + [z >= 0] m in the ring.
  func expected(_ element: Element) -> UInt64 {
    let z = (element.compared.0 &+ element.compared.1) >> UInt64(stage.digits.digitBits) & 1
    let kept = z == 0 ? Int128(element.operand.0) + Int128(element.operand.1) : 0
    return UInt64(truncatingIfNeeded: prototype.reduce(Int128(element.base.0) + Int128(element.base.1) + kept))
  }

  /// The result that both parties hold together.
  func opened(_ share: SecretWords) -> [UInt64] {
    zip(share.array(), masks).map { UInt64(truncatingIfNeeded: prototype.reduce(Int128($0) + Int128($1))) }
  }
}
