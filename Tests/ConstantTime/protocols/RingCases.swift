import CMemcheck
import Rings

/// Arithmetic that is inlined into its users, and bits.
enum RingCases {
  static let count = 77

  static let all: [Case] = [
    ("PrimeField", { arithmetic(PrimeField.self, .field) }),
    ("Word64", { arithmetic(Word64.self, .word) }),
    ("LocalOperations", { local() }),
    ("PackedBits", { packedBits() }),
  ]

  static func arithmetic<M: Modulus>(_ m: M.Type, _ kind: ModulusKind) {
    let source = SecretSource(1)
    let (a, b) = (source.words(count, kind), source.words(count, kind))
    let (any, out) = (source.words(count, .word), SecretWords(zeros: count))
    let (x, y, w, z) = (a.pointer, b.pointer, any.pointer, out.pointer)
    for index in 0..<count { z[index] = M.add(x[index], y[index]) }
    for index in 0..<count { z[index] ^= M.subtract(x[index], y[index]) }
    for index in 0..<count { z[index] ^= M.negate(x[index]) }
    for index in 0..<count { z[index] ^= M.multiply(x[index], y[index]) }
    for index in 0..<count { z[index] ^= M.reduce(signed: Int64(bitPattern: w[index])) }
    for index in 0..<count { z[index] ^= UInt64(bitPattern: M.centered(x[index])) }
    for index in 0..<count { z[index] ^= M.reduce(low: w[index], high: w[(index + 1) % count]) }
    for index in 0..<count { z[index] ^= M.shiftLeft(x[index], by: 17) }
    for index in 0..<count { z[index] ^= PrimeField.topBit(x[index]) }
    withExtendedLifetime((a, b, any, out)) {}
  }

  static func local() {
    let source = SecretSource(2)
    let shape = TensorShape(channels: 3, height: 5, width: 5)
    for kind in [ModulusKind.field, .word] {
      let (a, b) = (source.words(shape.count, kind), source.words(shape.count, kind))
      let out = SecretWords(zeros: 4 * shape.count)
      func run<M: Modulus>(_ m: M.Type) {
        let window = PoolingWindow(kernel: 3, stride: 2, padding: 1)
        LocalOperations.sumPool(m, input: a.pointer, shape: shape, window: window, output: out.pointer)
        LocalOperations.sumPool(
          m, input: a.pointer, shape: shape, window: window,
          balance: PoolingBalance(window, on: shape, countsPadding: false), output: out.pointer)
        LocalOperations.globalSumPool(m, input: a.pointer, shape: shape, output: out.pointer)
        LocalOperations.add(m, a: a.pointer, b: b.pointer, count: shape.count, output: out.pointer)
        LocalOperations.add(
          m, a: a.pointer, shiftA: 3, b: b.pointer, shiftB: 20, count: shape.count, output: out.pointer)
        LocalOperations.shift(m, input: a.pointer, by: 7, count: shape.count, output: out.pointer)
        for other in [ModulusKind.field, .word] {
          LocalOperations.changeRing(from: other, a.pointer, to: m, count: shape.count, output: out.pointer)
        }
      }
      if kind == .field { run(PrimeField.self) } else { run(Word64.self) }
      LocalOperations.subsamplePad(
        input: a.pointer, shape: shape, stride: 2, before: 1, after: 1, output: out.pointer)
      withExtendedLifetime((a, b, out)) {}
    }
  }

  static func packedBits() {
    let source = SecretSource(3)
    let bytes = source.bits(32)
    let words = source.words(count, .word)
    let bits = PackedBits(count: count, bytes: bytes.pointer)
    for index in 0..<count { bits[index] = bits[(index + 13) % count] }
    let target = SecretBytes(zeros: 64)
    PackedBits.copyBits(from: bytes.pointer, offset: 3, to: target.pointer, offset: 6, count: count)
    PackedBits.copyBits(from: bytes.pointer, offset: 8, to: target.pointer, offset: 16, count: count)
    PackedBits.packTopBits(words: words.pointer, count: count, to: target.pointer, offset: 3)
    PackedBits.packLowBits(words: words.pointer, count: count, to: target.pointer, offset: 3)
    PackedBits.unpack(bytes.pointer, offset: 5, count: count, to: words.pointer)
    PackedBits.xor(target.pointer, bytes.pointer, count: count)
    withExtendedLifetime((bytes, words, bits, target)) {}
  }
}
