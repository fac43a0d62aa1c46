internal import CKernels
public import Packing
public import Rings
internal import Synchronization

/// Transforms of a model's weight polynomials, kept up to a bound of memory: what does not fit is transformed again.
///
/// Shared by the sessions of one model; secret, overwritten when it goes.
public final class WeightTransformCache: Sendable {
  private struct Key: Hashable {
    let step: Int
    let inferences: Int
    let weight: Int
  }

  private struct State {
    var held = 0
    var transforms: [Key: SecretWords] = [:]
  }

  private let state = Mutex(State())
  private let limit: Int

  /// - Parameter limitBytes: memory for transforms; zero keeps none.
  public init(limitBytes: Int) { limit = max(0, limitBytes) }

  /// Bytes in use.
  public var bytes: Int { state.withLock { $0.held } }

  func transform(step: Int, packing: LinearPacking, weight: Int, make: () -> SecretWords) -> SecretWords {
    let key = Key(step: step, inferences: packing.inferences, weight: weight)
    if let found = state.withLock({ $0.transforms[key] }) { return found }
    let made = make()
    state.withLock {
      guard $0.transforms[key] == nil, $0.held + 8 * made.count <= limit else { return }
      $0.transforms[key] = made
      $0.held += 8 * made.count
    }
    return made
  }
}

/// The weights of a linear layer, OIHW.
public enum ResponseWeights {
  /// Small integers.
  case quantized(UnsafePointer<Int32>)
  /// Words of the layer's ring, each by its representative nearest zero.
  case centered(UnsafePointer<Int64>)
}

extension Responder {
  /// Answers a linear layer for all inferences of a packing.
  ///
  /// Responses that share weight polynomials (bands of the same division) are summed side by side, so that each weight is
  /// transformed once a call.
  /// - Parameters:
  ///   - inputs: one ciphertext an input polynomial, from ``CiphertextReader``.
  ///   - weights: the layer's.
  ///   - workers: compute; the bytes do not depend on their number.
  ///   - shares: one CHW result an inference; receives the model owner's share.
  ///   - send: receives the bytes of the responses, by number of the output polynomial.
  public func respondLinear(
    step: Int, packing: LinearPacking, modulus: ModulusKind, inputs: [SecretWords],
    weights: ResponseWeights, cache: WeightTransformCache, flood: Flood, format: ResponseFormat,
    workers: WorkerPool, shares: [UnsafeMutablePointer<UInt64>], send: ([UInt8]) throws -> Void
  ) throws {
    let groups = packing.responseGroups()
    let windows = windows(groups, packing)
    // Scratch memory of as many windows as are computed at once, for as long as their kind lasts.
    var scratch: [BlockProducts?] = Array(repeating: nil, count: workers.threads)
    var kind: Window.Kind?
    var twists: BlockTwists?
    var rest = windows[...]
    while let next = rest.first {
      let together = Array(rest.prefix(workers.threads).prefix { $0.kind == next.kind })
      rest = rest.dropFirst(together.count)
      if let found = next.kind {
        if found.blocks != kind?.blocks { twists = BlockTwists(context, found.blocks) }
        if found != kind { (kind, scratch) = (found, scratch.map { _ in nil }) }
        for slot in together.indices where scratch[slot] == nil {
          scratch[slot] = BlockProducts(
            ring: context, packing: packing, blocks: found.blocks, inputs: inputs, weights: weights, twists: twists!,
            terms: found.terms)
        }
      }
      let ready = scratch
      let sums = try workers.map(together.count) { index in
        let window = groups[together[index].groups]
        guard next.kind != nil, let products = ready[index] else {
          return window.map { sum($0, step: step, packing: packing, inputs: inputs, weights: weights, cache: cache) }
        }
        return products.sums(window)
      }
      let outputs = zip(together.flatMap { groups[$0.groups].joined() }, sums.joined().joined()).map { ($0, $1) }
      try workers.forEach(outputs.count) { index in
        let (output, sum) = outputs[index]
        let ranges = packing.outputRanges(output)
        let (bytes, result) = respond(
          sum, number: output, modulus: modulus, format: format, flood: flood, ranges: ranges)
        let words = SecretWords(uninitialized: packing.degree)
        ranges.spread(result.pointer, into: words.pointer)
        packing.gather(output: output, words.pointer, to: shares)
        return bytes
      } receive: {
        try send($1)
      }
    }
  }

  /// The same for small weights.
  public func respondLinear(
    step: Int, packing: LinearPacking, modulus: ModulusKind, inputs: [SecretWords], weights: UnsafePointer<Int32>,
    cache: WeightTransformCache, flood: Flood, format: ResponseFormat, workers: WorkerPool,
    shares: [UnsafeMutablePointer<UInt64>], send: ([UInt8]) throws -> Void
  ) throws {
    try respondLinear(
      step: step, packing: packing, modulus: modulus, inputs: inputs, weights: .quantized(weights), cache: cache,
      flood: flood, format: format, workers: workers, shares: shares, send: send)
  }

  /// Groups of responses that are summed together.
  private struct Window {
    /// What scratch memory depends on.
    struct Kind: Equatable {
      var blocks: WeightBlocks
      /// Products by taps of each sum.
      var terms: Int
    }

    var groups: Range<Int>
    /// Nil where weights are transformed whole.
    var kind: Kind?
  }

  /// Cuts groups into windows: one group where weights are transformed whole; where they are taken apart, as many over the same
  /// inputs as memory for their sums is set aside for.
  private func windows(_ groups: [[Int]], _ packing: LinearPacking) -> [Window] {
    let allowsBlocks = BlockProducts.fit(context)
    var windows: [Window] = []
    for (index, group) in groups.enumerated() {
      let blocks = allowsBlocks ? packing.blocks(output: group[0]) : nil
      let kind = blocks.map { Window.Kind(blocks: $0, terms: packing.terms(output: group[0])) }
      if kind != nil, let last = windows.last, last.kind == kind,
        packing.inputs(output: groups[last.groups.lowerBound][0]) == packing.inputs(output: group[0]),
        last.groups.count < max(8, BlockProducts.lanesTogether / group.count)
      {
        windows[windows.count - 1].groups = last.groups.lowerBound..<index + 1
      } else {
        windows.append(Window(groups: index..<index + 1, kind: kind))
      }
    }
    return windows
  }

  private func sum(
    _ group: [Int], step: Int, packing: LinearPacking, inputs: [SecretWords], weights: ResponseWeights,
    cache: WeightTransformCache
  ) -> [ProductSum] {
    let ring = context
    let sums = group.map { _ in ProductSum(context: ring) }
    let products = group.map { Array(packing.products(output: $0)) }
    let chunk = Int(CK_NTT_PAIRS)
    for start in stride(from: 0, to: products[0].count, by: chunk) {
      let range = start..<min(start + chunk, products[0].count)
      let factors = range.map { index in
        let weight = products[0][index].weight
        return cache.transform(step: step, packing: packing, weight: weight) {
          ring.weightTransform(packing, weight, weights)
        }
      }
      for (sum, list) in zip(sums, products) {
        let operands: [UnsafePointer<UInt64>] = range.map { UnsafePointer(inputs[list[$0].input].pointer) }
        for prime in ring.primes.indices {
          let offset = prime * ring.degree
          sum.add(prime: prime, operands, factors.map { UnsafePointer($0.pointer + offset) })
        }
        sum.note(products: range.count)
      }
      withExtendedLifetime((factors, inputs)) {}
    }
    return sums
  }
}

extension RingContext {
  /// A weight polynomial's transform.
  func weightTransform(_ packing: LinearPacking, _ weight: Int, _ weights: ResponseWeights) -> SecretWords {
    let values = SecretWords(uninitialized: degree)
    let out = SecretWords(uninitialized: words)
    switch weights {
    case .quantized(let weights):
      values.pointer.withMemoryRebound(to: Int32.self, capacity: degree) {
        packing.fill(weight: weight, from: weights, into: $0)
        residues($0, out.pointer)
      }
    case .centered(let weights):
      values.pointer.withMemoryRebound(to: Int64.self, capacity: degree) {
        packing.fill(weight: weight, from: weights, into: $0)
        residues($0, out.pointer)
      }
    }
    forward(out.pointer)
    return out
  }
}

extension LinearPacking {
  /// Bytes of all responses.
  public func responseBytes(_ format: ResponseFormat) -> Int {
    (0..<outputCount).reduce(0) { $0 + format.byteCount(degree: degree, count: outputValueCount($1)) }
  }
}

extension Decryptor {
  /// Reads the responses of a linear layer in the order in which they were sent.
  ///
  /// - Parameters:
  ///   - workers: compute.
  ///   - receive: gives the next response, of the stated number of bytes.
  ///   - shares: one CHW result an inference; receives the data owner's share.
  public func readLinear(
    packing: LinearPacking, modulus: ModulusKind, format: ResponseFormat, workers: WorkerPool,
    shares: [UnsafeMutablePointer<UInt64>], receive: (Int) throws -> [UInt8]
  ) throws {
    let outputs = Array(packing.responseGroups().joined())
    for first in stride(from: 0, to: outputs.count, by: workers.threads) {
      let window = try outputs[first..<min(first + workers.threads, outputs.count)].map { output in
        let ranges = packing.outputRanges(output)
        return (output, ranges, try receive(format.byteCount(degree: packing.degree, count: ranges.count)))
      }
      _ = try workers.map(window.count) { index in
        let (output, ranges, bytes) = window[index]
        let result = try read(bytes, number: output, modulus: modulus, format: format, ranges: ranges)
        let words = SecretWords(uninitialized: packing.degree)
        ranges.spread(result.pointer, into: words.pointer)
        packing.gather(output: output, words.pointer, to: shares)
      }
    }
  }
}
