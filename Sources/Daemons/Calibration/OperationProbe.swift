import CKernels
import Correlations
import Hardware
import Lattice
import ObliviousTransfer
import Randomness
import Rings
import Transport

/// A microbenchmark of one class of operations, which calls the engine's own kernels.
struct OperationProbe {
  /// The class, one of `Descriptor.operationKinds`.
  let operation: String
  /// Operations of a call.
  let count: Int
  /// One call; data lies in the closure.
  let body: () throws -> Void

  /// Seconds of an operation: median over repetitions, each of as many calls as fill a millisecond, by this thread's processor time.
  func measure(repetitions: Int, seconds: Double) throws -> LinkProbe.Spread {
    let clock = ThreadClock()
    try body()
    let once = clock.seconds
    try body()
    let calls = max(1, min(1 << 16, Int(seconds / max(1e-9, clock.seconds - once))))
    let times = try (0..<repetitions).map { _ in
      let start = clock.seconds
      for _ in 0..<calls { try body() }
      return (clock.seconds - start) / Double(calls * count)
    }
    return LinkProbe.quantity(times)
  }

  /// A probe for each class.
  static func all() throws -> [OperationProbe] {
    rings() + streams() + (try lattices()) + sampling() + (try transfers())
  }

  /// Words that vary.
  private static func words(_ count: Int, _ kind: ModulusKind = .field, seed: UInt64 = 1) -> SecretWords {
    StreamGenerator(publicSeed: seed).secretWords(kind, count: count)
  }

  // MARK: Words

  private static func rings() -> [OperationProbe] {
    let count = 1 << 13
    let (a, b, out) = (words(count), words(count, seed: 2), SecretWords(zeros: count))
    let geometry = LinearGeometry(inChannels: 32, outChannels: 32, inHeight: 16, inWidth: 16, kernel: 3, padding: 1)
    let (input, output) = (words(geometry.inputShape.count), SecretWords(zeros: geometry.outputShape.count))
    let small = (0..<geometry.weightCount).map { Int32($0 % 4001) - 2000 }
    guard let packed = try? PackedWeights(geometry: geometry, weights: small) else {
      preconditionFailure("a valid layer")
    }
    let (full, workspace) = (words(geometry.weightCount, seed: 3), LinearWorkspace())
    let kernels = ComparisonKernels()
    let (bits, planes) = (words(count / 64 * 40, .word), SecretBytes(zeros: count / 8 * 16))
    func bytes(_ plane: Int) -> UnsafeMutablePointer<UInt8> {
      UnsafeMutableRawPointer(bits.pointer).assumingMemoryBound(to: UInt8.self) + plane * count / 8
    }
    return [
      OperationProbe(operation: "ring.mac", count: geometry.multiplyAccumulates) {
        LinearMap.apply(
          PrimeField.self, weights: packed, input: input.pointer, output: output.pointer, workspace: workspace)
      },
      OperationProbe(operation: "ring.macWide", count: geometry.multiplyAccumulates) {
        LinearMap.applyFull(
          PrimeField.self, geometry: geometry, weights: full, inputs: [input], outputs: [output], workspace: workspace)
      },
      OperationProbe(operation: "ring.mul", count: count) {
        for index in 0..<count { out.pointer[index] = PrimeField.multiply(a.pointer[index], b.pointer[index]) }
      },
      OperationProbe(operation: "ring.add", count: count) {
        Elementwise.add(.field, a.pointer, b.pointer, count: count, output: out.pointer)
      },
      OperationProbe(operation: "ring.shift", count: count) {
        for index in 0..<count { out.pointer[index] = PrimeField.shiftLeft(a.pointer[index], by: 9) }
      },
      // A level of eight nodes has seven products, three ANDs each.
      OperationProbe(operation: "bit.and", count: 3 * 7 * count) {
        kernels.join(
          leads: true, nodes: 8, bytes: count / 8, shares: planes.pointer, triples: bytes(0), own: bytes(18),
          peer: bytes(29))
      },
    ]
  }

  private static func streams() -> [OperationProbe] {
    let variant = ck_aes(rawValue: CipherVariant.best.rawValue)
    let bytes = SecretBytes(zeros: 1 << 16)
    let (keys, rounds) = (SecretBytes(zeros: 16 * 256), SecretBytes(zeros: Int(CK_ROUND_KEY_BYTES) * 256))
    let stream = StreamGenerator(publicSeed: 4)
    // Rows of the code read a secret of 2 MiB, as an extension's does.
    let (secret, rows) = (words(2 << 17, .word), words(2 << 11, .word, seed: 5))
    return [
      OperationProbe(operation: "aes.block", count: bytes.count / 16) {
        stream.fill(UnsafeMutableRawBufferPointer(bytes.buffer))
      },
      OperationProbe(operation: "aes.key", count: 256) {
        ck_aes_expand(variant, keys.pointer, 256, rounds.pointer)
      },
      OperationProbe(operation: "code.row", count: 1 << 11) {
        ck_code_encode(variant, rounds.pointer, 0, 1 << 11, secret.pointer, 17, rows.pointer)
      },
    ]
  }

  // MARK: Lattices

  private static func lattices() throws -> [OperationProbe] {
    let ring = RingContext(.linear)
    let (degree, prime) = (ring.degree, ring.primes[0])
    let (a, b) = (SecretWords(zeros: 3 * degree), SecretWords(zeros: 3 * degree))
    ring.uniform(from: StreamGenerator(publicSeed: 6), into: a.pointer)
    ring.uniform(from: StreamGenerator(publicSeed: 7), into: b.pointer)
    let (sums, out) = (SecretWords(zeros: 4 * degree), SecretWords(zeros: 3 * degree))
    let (plain, wide) = (words(degree, .word), SecretWords(zeros: 2 * degree))
    let slots = FieldNTT(degree: degree)
    let field = words(degree)
    let packed = SecretBytes(zeros: 8 * degree)
    let isa = Int32(TransformVariant.best.rawValue)
    return [
      OperationProbe(operation: "ntt.8192", count: 1) { ring.tables[0].forward(a.pointer) },
      OperationProbe(operation: "ntt.field.8192", count: 1) { slots.slots(field.pointer) },
      OperationProbe(operation: "ntt.mac", count: 2 * degree) {
        let x: [UnsafePointer<UInt64>?] = [UnsafePointer(a.pointer)]
        let w: [UnsafePointer<UInt64>?] = [UnsafePointer(b.pointer)]
        sums.pointer.update(repeating: 0, count: 4 * degree)
        ck_ntt_accumulate(isa, prime, degree, 1, x, x, w, sums.pointer)
      },
      OperationProbe(operation: "ntt.short", count: degree) {
        ring.tables[0].short(degree / 8, a.pointer, out.pointer, stride: 8)
      },
      OperationProbe(operation: "ntt.fold", count: degree) {
        ck_ntt_fold(isa, prime, degree, sums.pointer, out.pointer)
      },
      OperationProbe(operation: "rns.add", count: degree) {
        ck_residue_add(prime, degree, b.pointer, b.pointer, out.pointer)
      },
      OperationProbe(operation: "rns.reduce", count: degree) {
        ck_field_residues(prime, field.pointer, degree, out.pointer)
      },
      OperationProbe(operation: "rns.embed", count: 3 * degree) {
        ring.embed(.word, plain.pointer, count: degree, out.pointer, stride: degree)
      },
      OperationProbe(operation: "rns.lift", count: degree) {
        ring.fractions(b.pointer, stride: degree, count: degree, wide.pointer)
      },
      OperationProbe(operation: "rns.pack", count: degree) {
        ck_pack_words(b.pointer, degree, UInt32(ring.residueBits), packed.pointer)
      },
    ]
  }

  private static func sampling() -> [OperationProbe] {
    let ring = RingContext(.linear)
    let (degree, out) = (ring.degree, SecretWords(zeros: 3 * ring.degree))
    let stream = StreamGenerator(publicSeed: 8)
    guard
      let budget = try? NoiseBudget(
        use: .linear(terms: 256, weightBound: 1 << 17), degree: degree, primes: ring.primes, outputs: 1 << 16)
    else { preconditionFailure("a layer of usual size") }
    let flood = SecretWords(zeros: 2 * degree)
    return [
      OperationProbe(operation: "sample.uniform", count: 3 * degree) { ring.uniform(from: stream, into: out.pointer) },
      OperationProbe(operation: "sample.binomial", count: degree) { ring.errors(from: stream, into: out.pointer) },
      OperationProbe(operation: "sample.ternary", count: degree) { ring.ternary(from: stream, into: out.pointer) },
      OperationProbe(operation: "sample.flood", count: degree) {
        flood.pointer.withMemoryRebound(to: Int128.self, capacity: degree) {
          budget.flood.fill($0, count: degree, from: stream)
        }
      },
    ]
  }

  // MARK: Transfers

  private static func transfers() throws -> [OperationProbe] {
    let curve = Curve()
    let random = StreamGenerator(publicSeed: 9)
    let scalar = curve.scalar(from: random)
    let point = curve.multiply(scalar)
    let variant = ck_aes(rawValue: CipherVariant.best.rawValue)
    let count = 1 << 12
    let (blocks, pads, salt) = (words(2 * count, .word), SecretWords(zeros: 2 * count), words(2, .word))
    let offset = SecretWords(zeros: 2)
    let drawing = try TransferPair()
    return [
      OperationProbe(operation: "curve.mul", count: 1) { _ = curve.multiply(scalar, point) },
      // Both ends of a base transfer multiply twice.
      OperationProbe(operation: "ot.base", count: 1) {
        _ = curve.multiply(scalar, point)
        _ = curve.multiply(scalar)
      },
      OperationProbe(operation: "ot.pad", count: count) {
        ck_transfer_hash(variant, salt.pointer, 0, count, blocks.pointer, offset.pointer, 1, pads.pointer, count)
      },
      OperationProbe(operation: "ot.cot", count: TransferPair.count) { try drawing.draw() },
    ]
  }
}

/// Both ends of a direction of silent transfers; the receiver's, which hears nothing back, is measured.
private final class TransferPair {
  static let count = 20480 * 8
  private let (sender, receiver): (CorrelatedSender, CorrelatedReceiver)
  private let blocks = SecretWords(uninitialized: 2 * TransferPair.count)
  private let threads = ThreadGroup()
  private let streams: (MemoryStream, MemoryStream)

  init() throws {
    // The sender may be a little ahead, and not burn a core for what nobody draws.
    streams = MemoryStream.pair(options: StreamOptions(inboundLimit: 1 << 15))
    let session = TransferSession(id: Digest32.sha256(Array("calibration".utf8)), lane: 0)
    sender = CorrelatedSender(
      channel: FramedChannel(streams.0), session: session, method: .silent, randomness: SystemRandom())
    receiver = CorrelatedReceiver(
      channel: FramedChannel(streams.1), session: session, method: .silent, randomness: SystemRandom())
    // The sender goes on until the stream is closed: it waits for nothing.
    let end = Unsafely(sender)
    threads.start(name: "transfers") {
      let blocks = SecretWords(uninitialized: 2 * TransferPair.count)
      guard (try? end.value.begin()) != nil else { return }
      while (try? end.value.draw(TransferPair.count, into: blocks.pointer)) != nil {}
    }
    try receiver.begin()
  }

  deinit {
    streams.0.close()
    streams.1.close()
    threads.join(seconds: 10)
  }

  func draw() throws { try receiver.draw(Self.count, into: blocks.pointer) }
}

/// Hands an object to the one thread that uses it from then on.
private struct Unsafely<Value>: @unchecked Sendable {
  let value: Value
  init(_ value: Value) { self.value = value }
}
