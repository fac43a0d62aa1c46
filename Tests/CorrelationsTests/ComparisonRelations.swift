import Programs
import Rings
import TestSupport
import Testing

@testable import Correlations

/// The relations of Protocols/comparison/spec.md between both parties' material of one run of one inference, bit by bit.
struct ComparisonRelations {
  let stage: ComparisonStage
  let mine: Bulk.Comparison
  let theirs: Bulk.Comparison

  init(_ stage: ComparisonStage, mine: Bulk.Comparison, theirs: Bulk.Comparison) {
    (self.stage, self.mine, self.theirs) = (stage, mine, theirs)
  }

  /// Bit `plane` of an element in an array of `planes` planes.
  private func bit(_ bytes: [UInt8], _ planes: Int, _ plane: Int, _ element: Int) -> Int {
    let tile = element / ComparisonTile.elements * ComparisonTile.elements
    let width = (min(stage.count - tile, ComparisonTile.elements) + 7) / 8
    return Int(bytes[planes * tile / 8 + plane * width + (element - tile) / 8] >> UInt8(element % 8) & 1)
  }

  func check() {
    let elements = 0..<stage.count
    #expect(elements.filter { !pads($0) }.isEmpty, "pads of digits, \(stage)")
    #expect(elements.filter { !triples($0) }.isEmpty, "triples, \(stage)")
    #expect(elements.filter { !words($0) }.isEmpty, "multiplexers, \(stage)")
    let digits = stage.digits
    #expect(mine.bytes[0].count == ComparisonTile.bytes(planes: digits.padPlanes, count: stage.count))
  }

  private func pads(_ element: Int) -> Bool {
    let digits = stage.digits
    let word = theirs.compared[element]
    for plane in 0..<digits.bits {
      guard bit(theirs.bytes[0], digits.bits, plane, element) == Int(word >> UInt64(plane) & 1) else { return false }
    }
    var (low, pad, leaf) = (0, 0, 0)
    for (index, width) in digits.widths.enumerated() {
      let digit = Int(truncatingIfNeeded: word >> UInt64(low)) & ((1 << width) - 1)
      let lanes = index == 0 ? 1 : 2
      for lane in 0..<lanes {
        let given = bit(mine.bytes[0], digits.padPlanes, pad + digit * lanes + lane, element)
        guard given == bit(theirs.bytes[1], digits.leafPlanes, leaf + lane, element) else { return false }
      }
      low += width
      pad += lanes << width
      leaf += lanes
    }
    return true
  }

  private func triples(_ element: Int) -> Bool {
    let planes = stage.digits.triplePlanes
    func both(_ plane: Int) -> Int {
      bit(mine.bytes[1], planes, plane, element) ^ bit(theirs.bytes[2], planes, plane, element)
    }
    var plane = 0
    for level in stage.digits.levels {
      for pair in 0..<level.pairs {
        guard both(plane) & both(plane + 1) == both(plane + 2) else { return false }
        if pair > 0, both(plane) & both(plane + 3) != both(plane + 4) { return false }
        plane += pair == 0 ? 3 : 5
      }
    }
    return plane == planes
  }

  private func words(_ element: Int) -> Bool {
    let kind = stage.modulus
    let (rho0, rho1) = (bit(mine.bytes[2], 1, 0, element), bit(theirs.bytes[3], 1, 0, element))
    let (g, operand) = (mine.words[0][element], theirs.words[0][element])
    let flipped = rho1 == 1 ? Plain.negate(kind, operand) : operand
    return Plain.add(kind, mine.words[1][element], theirs.words[1][element]) == (rho1 == 1 ? g : 0)
      && Plain.add(kind, mine.words[2][element], theirs.words[2][element]) == (rho0 == 1 ? flipped : 0)
  }
}
