import Correlations
import Programs
import Randomness
import Rings
import TestSupport
import TwoParty

/// One X2act with everything that enters it chosen by the test, and material that is correct by construction.
///
/// Every element is a channel of its own, with its own k and a0. The test chooses the integer Y, the data owner's share c and the model
/// owner's share y0 of the square; the rest follows from them and from seeded draws.
struct IdealActivation {
  struct Element {
    var y: Int64
    var c: UInt64
    var y0: UInt64
  }

  let elements: [Element]
  let spec: ActivationSpec
  let output: ModulusKind
  var (alpha, u, vc, z0, masks, padRho): ([UInt64], [UInt64], [UInt64], [UInt64], [UInt64], [UInt64])
  var pads: [[UInt64]]
  var choices: [UInt8]
  var (k, constant): ([Int64], [Int64])

  /// - Parameters:
  ///   - z: the operand, if the test wants given ones rather than any in F_p; then `k` too.
  init(
    _ elements: [Element], z given: [Int64]? = nil, k slope: (Int) -> Int64 = { _ in 0 }, _ spec: ActivationSpec,
    _ output: ModulusKind, seed: UInt64
  ) {
    let random = StreamGenerator(publicSeed: seed)
    (alpha, u, vc, z0, masks, padRho) = ([], [], [], [], [], [])
    (k, constant, pads, choices) = ([], [], [[], []], [UInt8](repeating: 0, count: (elements.count + 7) / 8))
    let offset: UInt64 = spec.truncation == .exact ? 1 << 61 : 0
    for (index, element) in elements.enumerated() {
      var (z, k) = (random.ring(.field), random.ring(.field))
      if let given {
        (z, k) = (Plain.residue(given[index]), Plain.residue(slope(index)))
      } else if index % 8 == 0 {
        (z, k) = (edgeShares[index / 8 % edgeShares.count], edgeShares[index / 96 % edgeShares.count])
      }
      let square = Plain.add(Plain.multiply(z, z), Plain.multiply(k, z))
      let constant = Plain.add(Plain.residue(element.y), Plain.negate(square))
      let z0 = Plain.add(z, Plain.negate(element.c))
      let alpha = random.ring(.field)
      let known = Plain.add(
        Plain.add(Plain.multiply(z0, z0), Plain.multiply(k, z0)), Plain.add(constant, offset))
      let u = Plain.add(element.y0, Plain.negate(known))
      let v = Plain.add(Plain.multiply(alpha, element.c), Plain.negate(u))
      let mask = random.ring(output)
      let both = [random.ring(output), random.ring(output)]
      let rho = Int(random.word() & 1)
      choices[index / 8] |= UInt8(rho << (index % 8))
      self.alpha.append(alpha)
      self.u.append(u)
      vc.append(Plain.add(v, Plain.multiply(element.c, element.c)))
      self.z0.append(z0)
      masks.append(mask)
      padRho.append(both[rho])
      for b in 0..<2 { pads[b].append(Plain.add(output, both[b], Plain.negate(output, mask))) }
      self.k.append(Plain.centered(k))
      self.constant.append(Plain.centered(constant))
    }
    self.elements = elements
    self.spec = spec
    self.output = output
  }

  var coefficients: ActivationCoefficients { ActivationCoefficients(k: k, constant: constant) }
  private var isExact: Bool { spec.truncation == .exact }

  var modelOwnerMaterial: ModelOwnerActivationMaterial {
    ModelOwnerActivationMaterial(
      alpha: SecretWords(alpha), u: SecretWords(u),
      transfer: isExact ? (choices: SecretBytes(choices), pads: SecretWords(padRho)) : nil)
  }

  var dataOwnerMaterial: DataOwnerActivationMaterial {
    DataOwnerActivationMaterial(
      share: SecretWords(elements.map(\.c)), constant: SecretWords(vc),
      pads: isExact ? (SecretWords(pads[0]), SecretWords(pads[1])) : nil, mask: SecretWords(masks))
  }

  /// What the functionality of Protocols/x2act/spec.md gives for these shares, as a signed integer.
  func rounded(_ element: Element) -> Int64 {
    let shift = Int128(1) << Int128(spec.droppedBits)
    let offset: UInt64 = isExact ? 1 << 61 : 0
    let y1 = Plain.add(Plain.add(Plain.residue(element.y), offset), Plain.negate(element.y0))
    let (first, second) = (Int128(element.y0), Int128(y1))
    guard isExact else { return Int64(first / shift - (Int128(p) - second) / shift) }
    let carry = first + second >= Int128(p) ? Int128(p) / shift : 0
    return Int64(first / shift + second / shift - carry - Int128(offset) / shift)
  }

  /// The output that the two parties hold together, as signed integers.
  func opened(_ share: SecretWords) -> [Int64] {
    share.array().enumerated().map { Plain.centered(output, Plain.add(output, $1, masks[$0])) }
  }
}
