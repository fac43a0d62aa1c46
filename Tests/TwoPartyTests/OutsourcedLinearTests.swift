import Rings
import TestSupport
import Testing
import Transport

@testable import TwoParty

/// A linear step between two servers, at the edges of both rings, against plain arithmetic.
@Suite("Linear steps on shares")
struct OutsourcedLinearTests {
  private static func edges(_ modulus: ModulusKind) -> [UInt64] {
    modulus == .field
      ? [0, 1, PrimeField.half - 1, PrimeField.half, PrimeField.modulus - 1, 1 << 32, (1 << 32) - 1]
      : [0, 1, 1 << 63, (1 << 63) - 1, .max, 1 << 32, (1 << 32) - 1]
  }

  /// Words that walk through the edges, in an order that differs by `salt`.
  private static func words(_ modulus: ModulusKind, _ count: Int, salt: Int) -> [UInt64] {
    let edges = edges(modulus)
    return (0..<count).map { edges[($0 * (salt % 5 + 1) + $0 / 7 + salt) % edges.count] }
  }

  private static func product(
    _ modulus: ModulusKind, _ geometry: LinearGeometry, _ weights: [UInt64], _ x: [UInt64]
  ) -> [UInt64] {
    var out: [UInt64] = []
    for channel in 0..<geometry.outChannels {
      for row in 0..<geometry.outHeight {
        for column in 0..<geometry.outWidth {
          var sum: UInt64 = 0
          for input in 0..<geometry.inChannels {
            for y in 0..<geometry.kernelHeight {
              for z in 0..<geometry.kernelWidth {
                let (h, w) = (row + y - geometry.padTop, column + z - geometry.padLeft)
                guard (0..<geometry.inHeight).contains(h), (0..<geometry.inWidth).contains(w) else { continue }
                let weight = weights[
                  ((channel * geometry.inChannels + input) * geometry.kernelHeight + y) * geometry.kernelWidth + z]
                let word = x[(input * geometry.inHeight + h) * geometry.inWidth + w]
                sum = add(modulus, sum, modulus == .field ? PrimeField.multiply(weight, word) : weight &* word)
              }
            }
          }
          out.append(sum)
        }
      }
    }
    return out
  }

  private static func add(_ modulus: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
    modulus == .field ? PrimeField.add(a, b) : a &+ b
  }
  private static func subtract(_ modulus: ModulusKind, _ a: UInt64, _ b: UInt64) -> UInt64 {
    modulus == .field ? PrimeField.subtract(a, b) : a &- b
  }

  @Test("Shares of the result add up to W x + b", arguments: [ModulusKind.field, .word], [1, 3])
  func sums(modulus: ModulusKind, batch: Int) throws {
    let geometry = LinearGeometry(inChannels: 3, outChannels: 5, inHeight: 5, inWidth: 4, kernel: 3, padding: 1)
    let (inputs, outputs) = (geometry.inputShape.count, geometry.outputShape.count)
    func words(_ count: Int, _ salt: Int) -> [UInt64] { Self.words(modulus, count, salt: salt) }
    func each(_ salt: Int, _ count: Int) -> [[UInt64]] { (0..<batch).map { words(count, salt + 11 * $0) } }
    let (w0, w1, b0, b1) = (words(geometry.weightCount, 1), words(geometry.weightCount, 2), words(5, 3), words(5, 4))
    let (x0, r, rTilde, s, sTilde, gamma) = (
      each(5, inputs), each(6, inputs), each(7, inputs), each(8, outputs), each(9, outputs), each(10, outputs)
    )
    // The ideal source: c = W0 r - s, c~ = W1 r~ - s~.
    func cross(_ weights: [UInt64], _ masks: [UInt64], _ share: [UInt64]) -> [UInt64] {
      zip(Self.product(modulus, geometry, weights, masks), share).map { Self.subtract(modulus, $0, $1) }
    }
    let masks0 = (0..<batch).map { zip(s[$0], cross(w1, rTilde[$0], sTilde[$0])).map { Self.add(modulus, $0, $1) } }
    let masks1 = (0..<batch).map { sample in
      (0..<outputs).map { place in
        let c = cross(w0, r[sample], s[sample])[place]
        return Self.subtract(modulus, Self.add(modulus, sTilde[sample][place], c), gamma[sample][place])
      }
    }
    func secret(_ words: [[UInt64]]) -> [SecretWords] { words.map { SecretWords($0) } }
    func server(_ weights: [UInt64], _ bias: [UInt64]) -> LinearOperator {
      LinearOperator(
        modulus: modulus, geometry: geometry, weights: SecretWords(weights), bias: SecretWords(bias))
    }
    let (end0, end1) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(20)))
    let (step1, shares, secrets) = (server(w1, b1), secret(r), secret(masks1))
    let threads = Threads()
    threads.start {
      let channel = FramedChannel(end1)
      let opened = try OutsourcedLinear.receiveOpening(shares, modulus: modulus, channel: channel)
      // Two steps that read one tensor use one opening.
      for _ in 0..<2 {
        try OutsourcedLinear.server1(
          step1, operands: opened, masks: secrets, workspace: LinearWorkspace(), channel: channel)
      }
    }
    let channel = FramedChannel(end0)
    let results = try [secret(rTilde), nil].map {
      try OutsourcedLinear.server0(
        server(w0, b0), operands: secret(x0), operandModulus: modulus, opening: $0, masks: secret(masks0),
        workspace: LinearWorkspace(), channel: channel)
    }
    try threads.join(seconds: 20)
    let weights = zip(w0, w1).map { Self.add(modulus, $0, $1) }
    for result in results {
      for sample in 0..<batch {
        let x = zip(x0[sample], r[sample]).map { Self.add(modulus, $0, $1) }
        let expected = Self.product(modulus, geometry, weights, x).enumerated().map { place, word in
          let channel = place / (geometry.outHeight * geometry.outWidth)
          return Self.add(modulus, word, Self.add(modulus, b0[channel], b1[channel]))
        }
        let found = zip(result[sample].array(), gamma[sample]).map { Self.add(modulus, $0, $1) }
        #expect(found == expected)
      }
    }
  }

  @Test("A word that is not below p is refused, either way")
  func notReduced() throws {
    for isOpening in [true, false] {
      let (own, other) = MemoryStream.pair(options: StreamOptions(idleTimeout: .seconds(20)))
      let peer = FramedChannel(other)
      let bad = [UInt64](repeating: PrimeField.modulus, count: 4)
      try bad.withUnsafeBytes { try peer.send(isOpening ? .linearOpen : .linearAnswer, $0) }
      let geometry = LinearGeometry(inFeatures: 4, outFeatures: 4)
      let words = SecretWords(zeros: 4)
      let step = LinearOperator(
        modulus: .field, geometry: geometry, weights: SecretWords(zeros: 16), bias: SecretWords(zeros: 4))
      #expect(throws: TwoPartyError.self) {
        if isOpening {
          _ = try OutsourcedLinear.receiveOpening([words], modulus: .field, channel: FramedChannel(own))
        } else {
          _ = try OutsourcedLinear.server0(
            step, operands: [words], operandModulus: .field, opening: nil, masks: [SecretWords(zeros: 4)],
            workspace: LinearWorkspace(), channel: FramedChannel(own))
        }
      }
    }
  }
}
