import Correlations
import Lattice
import Programs
import Randomness
import Rings
import TestSupport
import Transport

/// Both parties of lattice preparation, seeded, talking over memory; one bulk for each count.
struct LatticePair {
  static let session = Digest32.sha256(Array("lattice pair".utf8))

  let program: Program
  let weights: any WeightProvider & Sendable
  /// Threads of the model owner and of the data owner.
  var threads = (model: 1, data: 1)
  var cacheBytes = 0
  var seed: UInt64 = 500

  struct Outcome {
    var (model, data): ([Bulk], [Bulk]) = ([], [])
    /// The data owner's view of the session's opening, and of each bulk.
    var opening = ChannelMeters()
    var meters: [ChannelMeters] = []
    var transcript: Digest32?
    /// What each party computed: while the session opened, then bulk by bulk.
    var (modelWork, dataWork): ([[String: Int]], [[String: Int]]) = ([], [])
  }

  func run(_ bulks: [Int]) throws -> Outcome {
    let (dataEnd, modelEnd) = MemoryStream.pair()
    let ranges = bulks.reduce(into: [Range<UInt64>]()) { ranges, count in
      let first = ranges.last?.upperBound ?? 0
      ranges.append(first..<(first + UInt64(count)))
    }
    let (program, weights, cacheBytes, threads, seed) = (program, weights, cacheBytes, threads, seed)
    let (model, data) = try together(
      { () -> ([Bulk], [[String: Int]]) in
        let counter = OperationCounter()
        let tables = LatticeTables(counter: counter)
        let source = RecordingModelOwner(
          LatticeModelOwnerSource(
            peer: FramedChannel(modelEnd), sessionID: Self.session, tables: tables,
            cache: WeightTransformCache(limitBytes: cacheBytes), workers: WorkerPool(threads: threads.model),
            randomness: StreamGenerator(publicSeed: seed)))
        var work: [[String: Int]] = []
        counter.reset()
        try source.begin(program: program, weights: weights)
        work.append(counter.operations)
        let made = try ranges.map { serials in
          source.bulk = Bulk()
          counter.reset()
          try Preparation.modelOwner(program: program, source: source, serials: serials) { _ in }
          work.append(counter.operations)
          return source.bulk
        }
        source.end()
        return (made, work)
      },
      { () -> Outcome in
        let counter = OperationCounter()
        let channel = FramedChannel(dataEnd, configuration: ChannelConfiguration(recordsTranscript: true))
        let source = RecordingDataOwner(
          LatticeDataOwnerSource(
            peer: channel, sessionID: Self.session, tables: LatticeTables(counter: counter),
            workers: WorkerPool(threads: threads.data), randomness: StreamGenerator(publicSeed: seed + 1)))
        var outcome = Outcome()
        counter.reset()
        try source.begin(program: program)
        outcome.dataWork.append(counter.operations)
        outcome.opening = channel.snapshot()
        for serials in ranges {
          source.bulk = Bulk()
          counter.reset()
          let before = channel.snapshot()
          try Preparation.dataOwner(program: program, source: source, serials: serials) { _ in }
          outcome.meters.append(channel.snapshot() - before)
          outcome.dataWork.append(counter.operations)
          outcome.data.append(source.bulk)
        }
        outcome.transcript = channel.transcript
        source.end()
        return outcome
      })
    var outcome = data
    (outcome.model, outcome.modelWork) = model
    return outcome
  }
}

/// Programs that reach what random ones seldom do.
enum LatticePrograms {
  static let all: [(name: String, program: Program)] = [
    ("strides", strides()), ("groups", groups()), ("residual", residual()), ("wide", wide()), ("square", square(9000)),
    ("early", early()), ("blocks", blocks()),
  ]

  /// Layers whose weights are taken apart: pictures of odd sizes, kernels of one tap and of several, strides.
  static func blocks() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 5, height: 14, width: 14))
    p.linear(40)
    p.activation(20)
    p.linear(9, kernel: 3, stride: 2, padding: 1)
    p.activation(20, .local, to: .word)
    p.linear(35, kernel: 3, padding: 1)
    return p.finish(dropping: 8)
  }

  /// Stride 2 with and without padding, both truncations, both rings.
  static func strides() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 3, height: 17, width: 15))
    p.linear(5, kernel: 3, stride: 2, padding: 1)
    p.activation(20)
    p.linear(7, kernel: 3, stride: 3)
    p.activation(20, .local)
    p.linear(4, kernel: 1, stride: 2)
    p.activation(20, .exact, to: .word)
    p.add(.reshape, shape: TensorShape(vector: p.shape.count))
    p.linear(6)
    return p.finish(dropping: 8)
  }

  /// Groups and depthwise.
  static func groups() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 6, height: 9, width: 9))
    p.linear(12, kernel: 3, padding: 1, groups: 3)
    p.activation(20)
    p.linear(12, kernel: 3, padding: 1, groups: 12)
    p.activation(20, .local, to: .word)
    p.linear(6, groups: 2)
    return p.finish(dropping: 8)
  }

  /// Two linear steps read one tensor, and a third reads a sum, whose masks nobody chooses.
  static func residual() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 3, height: 8, width: 8))
    p.linear(4, kernel: 3, padding: 1)
    let first = p.activation(20)
    let main = p.linear(4, kernel: 3, padding: 1)
    let side = p.linear(4, from: first)
    p.add(.add(leftShift: 0, rightShift: 0), from: [main, side], shape: p.shape)
    let second = p.activation(20)
    p.add(.add(leftShift: 0, rightShift: 1), from: [first, second], shape: p.shape)
    p.linear(3, kernel: 3, padding: 1)
    p.activation(20, .exact, to: .word)
    p.add(.globalSumPool, shape: TensorShape(vector: 3))
    p.linear(2)
    return p.finish(dropping: 8)
  }

  /// Local steps read tensors before the linear steps that choose their masks.
  static func early() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 4, height: 6, width: 6))
    p.add(.reshape, shape: p.shape)
    let copy = p.last
    p.linear(4, kernel: 3, padding: 1, from: 0)
    let first = p.activation(20)
    p.add(.add(leftShift: 0, rightShift: 0), from: [copy, first], shape: p.shape)
    let sum = p.last
    p.linear(4, kernel: 3, padding: 1, from: first)
    let main = p.last
    let side = p.linear(4, from: sum)
    p.add(.add(leftShift: 0, rightShift: 0), from: [main, side], shape: p.shape)
    p.activation(20, .exact, to: .word)
    p.add(.globalSumPool, shape: TensorShape(vector: 4))
    p.linear(2)
    return p.finish(dropping: 8)
  }

  /// A picture larger than a polynomial: bands whose halos repeat masks.
  static func wide() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 97, width: 101), .word)
    p.linear(2, kernel: 3, padding: 1)
    return p.finish(dropping: 8)
  }

  /// More elements than slots, and pads of Z_2^64 that are made of two slots.
  static func square(_ count: Int) -> Program {
    var p = ProgramAssembler(TensorShape(vector: count))
    p.activation(8, .exact, to: .word)
    return p.finish(dropping: 4)
  }
}
