import Rings
import Testing

@testable import Packing

/// Small deterministic generator; the packing is public, so quality does not matter.
struct Draws {
  var state: UInt64
  mutating func word() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }
  mutating func pick(_ values: [Int]) -> Int { values[Int(word() % UInt64(values.count))] }
}

/// Packs random operands, multiplies modulo X^N + 1 and 2^64, and compares with ``LinearMap``.
struct PackedRun {
  let packing: LinearPacking
  var draws: Draws

  /// Operands, filled polynomials with noise in idle coefficients, products, gathered results.
  mutating func check() throws {
    let geometry = packing.geometry
    let words = (0..<packing.inferences).map { _ in (0..<geometry.inputShape.count).map { _ in draws.word() } }
    let weights = (0..<geometry.weightCount).map { _ in Int32(draws.word() % 2047) - 1023 }
    let inputs = filled(words)
    try checkFirstOccurrences(inputs, words)
    let polynomials = (0..<packing.weightCount).map { index in
      var coefficients = [Int32](repeating: 7, count: packing.degree)
      packing.fill(weight: index, from: weights, into: &coefficients)
      return coefficients.enumerated().filter { $0.element != 0 }
    }
    checkBlocks(polynomials, weights)
    var results = [[UInt64]](repeating: .init(repeating: 0, count: geometry.outputShape.count), count: words.count)
    var covered = [[Int]](repeating: .init(repeating: 0, count: geometry.outputShape.count), count: words.count)
    var products = 0
    for output in 0..<packing.outputCount {
      var sum = [UInt64](repeating: 0, count: packing.degree)
      var terms = 0
      for (input, weight) in packing.products(output: output) {
        products += 1
        terms += polynomials[weight].count
        for (exponent, value) in polynomials[weight] { Self.add(&sum, inputs[input], exponent, value) }
      }
      #expect(terms <= packing.weightTerms(output: output))
      #expect(packing.weightTerms(output: output) <= packing.maximumWeightTerms)
      var values = 0
      packing.forEachOutputRun(output) { run in
        #expect(run.coefficient >= 0 && run.coefficient + run.count <= packing.degree)
        for index in 0..<run.count { covered[run.inference][run.element + index] += 1 }
        values += run.count
      }
      #expect(values == packing.outputValueCount(output))
      withPointers(&results) { packing.gather(output: output, sum, to: $0) }
    }
    #expect(products == packing.productCount)
    #expect(covered.allSatisfy { $0.allSatisfy { $0 == 1 } }, "each output once")
    let packed = try PackedWeights(geometry: geometry, weights: weights)
    for (inference, operand) in words.enumerated() {
      var expected = [UInt64](repeating: 0, count: geometry.outputShape.count)
      LinearMap.apply(
        Word64.self, weights: packed, input: operand, output: &expected, workspace: LinearWorkspace())
      #expect(results[inference] == expected, "inference \(inference) of \(geometry)")
    }
  }

  /// Weight polynomials that are taken apart are the sums of their parts.
  private func checkBlocks(_ polynomials: [[(offset: Int, element: Int32)]], _ weights: [Int32]) {
    var taken = (weights: 0, products: 0, shortWords: 0, shortProducts: 0)
    var seen: Set<Int> = []
    for output in 0..<packing.outputCount {
      let blocks = packing.blocks(output: output)
      for (_, weight) in packing.products(output: output) {
        taken.products += blocks == nil ? 1 : 0
        taken.shortProducts += blocks?.offsets.count ?? 0
        guard seen.insert(weight).inserted else { continue }
        taken.weights += blocks == nil ? 1 : 0
        taken.shortWords += blocks.map { $0.offsets.count * $0.length } ?? 0
        guard let blocks else { continue }
        #expect(blocks.block >= 8 && blocks.block * blocks.length == packing.degree && blocks.offsets.first == 0)
        var sum = [Int32](repeating: 0, count: packing.degree)
        for (tap, offset) in blocks.offsets.enumerated() {
          var lanes = [Int32](repeating: 0, count: 3 * blocks.length)
          packing.fill(weight: weight, tap: tap, blocks, from: weights, into: &lanes, stride: 3)
          for index in 0..<blocks.length {
            let place = index * blocks.block - offset
            sum[place & (packing.degree - 1)] += place < 0 ? -lanes[3 * index] : lanes[3 * index]
          }
        }
        let found = sum.enumerated().filter { $0.element != 0 }
        #expect(found.map(\.offset) == polynomials[weight].map(\.offset))
        #expect(found.map(\.element) == polynomials[weight].map(\.element))
      }
    }
    #expect(packing.weightWork() == taken)
  }

  private mutating func filled(_ words: [[UInt64]]) -> [[UInt64]] {
    (0..<packing.inputCount).map { input in
      var coefficients = [UInt64](repeating: 9, count: packing.degree)
      withPointers(words) { packing.fill(input: input, from: $0, into: &coefficients) }
      for range in packing.ranges(input: input, of: .idle) {
        for index in range {
          #expect(coefficients[index] == 0, "an idle coefficient carries a word")
          coefficients[index] = draws.word()
        }
      }
      return coefficients
    }
  }

  private func checkFirstOccurrences(_ inputs: [[UInt64]], _ words: [[UInt64]]) throws {
    var seen = [[Int]](repeating: .init(repeating: 0, count: packing.geometry.inputShape.count), count: words.count)
    var back = [[UInt64]](repeating: .init(repeating: 0, count: packing.geometry.inputShape.count), count: words.count)
    var counts = (free: 0, fixed: 0)
    for input in 0..<packing.inputCount {
      packing.forEachInputRun(input) { run, isFree in
        for index in 0..<run.count where isFree { seen[run.inference][run.element + index * run.step] += 1 }
      }
      packing.forEachInputRun(input) { run, isFree in
        for index in 0..<run.count where !isFree {
          #expect(seen[run.inference][run.element + index * run.step] == 1, "a repetition before the first occurrence")
        }
      }
      let free = packing.ranges(input: input, of: .free).reduce(0) { $0 + $1.count }
      let fixed = packing.ranges(input: input, of: .fixed).reduce(0) { $0 + $1.count }
      #expect(packing.freeCount(input: input) == free)
      #expect(packing.fixedCount(input: input) == fixed)
      counts = (counts.free + free, counts.fixed + fixed)
      withPointers(&back) { packing.scatter(input: input, inputs[input], to: $0) }
    }
    #expect(packing.coefficientCounts() == counts)
    packing.forEachUncarriedRun { element, count, step in
      for inference in words.indices {
        for index in 0..<count {
          seen[inference][element + index * step] += 1
          back[inference][element + index * step] = words[inference][element + index * step]
        }
      }
    }
    #expect(seen.allSatisfy { $0.allSatisfy { $0 == 1 } }, "each operand word once in \(packing.geometry)")
    #expect(back == words)
  }

  /// sum += value X^exponent * input.
  static func add(_ sum: inout [UInt64], _ input: [UInt64], _ exponent: Int, _ value: Int32) {
    let factor = UInt64(bitPattern: Int64(value))
    let turn = input.count - exponent
    sum.withUnsafeMutableBufferPointer { sum in
      for index in 0..<turn { sum[index + exponent] &+= factor &* input[index] }
      for index in turn..<input.count { sum[index - turn] &-= factor &* input[index] }
    }
  }
}

/// Pointers to the words of several inferences.
func withPointers<R>(_ words: [[UInt64]], _ body: ([UnsafePointer<UInt64>]) -> R) -> R {
  let copies = words.map { source in
    let copy = UnsafeMutablePointer<UInt64>.allocate(capacity: max(1, source.count))
    copy.initialize(from: source, count: source.count)
    return copy
  }
  defer { copies.forEach { $0.deallocate() } }
  return body(copies.map { UnsafePointer($0) })
}

/// The same, copied back afterwards.
func withPointers(_ words: inout [[UInt64]], _ body: ([UnsafeMutablePointer<UInt64>]) -> Void) {
  words = withPointers(words) { pointers in
    body(pointers.map { UnsafeMutablePointer(mutating: $0) })
    return pointers.indices.map { Array(UnsafeBufferPointer(start: pointers[$0], count: words[$0].count)) }
  }
}

@Suite struct PackingTests {
  static func random(_ draws: inout Draws) -> LinearGeometry? {
    let groups = draws.pick([1, 1, 1, 2, 3])
    var geometry = LinearGeometry(
      inChannels: groups * draws.pick([1, 2, 3, 5]), outChannels: groups * draws.pick([1, 2, 3, 4, 7]),
      inHeight: draws.pick([1, 2, 4, 5, 8, 11, 17]), inWidth: draws.pick([1, 2, 4, 5, 8, 13, 20, 33]),
      kernelHeight: draws.pick([1, 3, 5, 7]), kernelWidth: draws.pick([1, 3, 3, 5, 7]),
      strideHeight: draws.pick([1, 1, 2, 3]), strideWidth: draws.pick([1, 1, 2, 3]), groups: groups)
    if draws.pick([0, 1]) == 0 {
      geometry.kernelWidth = geometry.kernelHeight
      geometry.strideWidth = geometry.strideHeight
      let padding = draws.pick([0, 1, 2, 3])
      (geometry.padTop, geometry.padLeft, geometry.padBottom, geometry.padRight) = (padding, padding, padding, padding)
    } else {
      geometry.padTop = draws.pick([0, 1, 2, 3])
      geometry.padLeft = draws.pick([0, 1, 2, 3])
      geometry.padBottom = draws.pick([0, 1, 2, 3])
      geometry.padRight = draws.pick([0, 1, 2, 3])
    }
    if draws.pick([0, 1, 2, 3]) == 0 {
      geometry.groups = geometry.inChannels
      geometry.outChannels = geometry.inChannels
    }
    return (try? geometry.validate()) == nil ? nil : geometry
  }

  @Test(arguments: [64, 128, 256, 512, 1024])
  func randomGeometriesGiveTheLayer(degree: Int) throws {
    var draws = Draws(state: UInt64(degree))
    for _ in 0..<100 {
      guard let geometry = Self.random(&draws) else { continue }
      let inferences = draws.pick([1, 2, 3, 5, 8, 9])
      let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: degree)
      var run = PackedRun(packing: packing, draws: draws)
      try run.check()
    }
  }

  @Test func fullyConnectedLayersGiveTheLayer() throws {
    var draws = Draws(state: 5)
    for degree in [16, 64, 256, 1024] {
      for _ in 0..<10 {
        let geometry = LinearGeometry(
          inFeatures: draws.pick([1, 3, 10, 64, 84, 120]), outFeatures: draws.pick([1, 2, 10, 33, 84]))
        let packing = try LinearPacking(geometry: geometry, inferences: draws.pick([1, 2, 7, 8]), degree: degree)
        var run = PackedRun(packing: packing, draws: draws)
        try run.check()
      }
    }
  }

  @Test func realLayersGiveTheLayer() throws {
    let layers: [(LinearGeometry, Int)] = [
      (LinearGeometry(inChannels: 4, outChannels: 5, inHeight: 32, inWidth: 32, kernel: 3, padding: 1), 8),
      (LinearGeometry(inChannels: 8, outChannels: 6, inHeight: 32, inWidth: 32, kernel: 3, stride: 2, padding: 1), 3),
      (LinearGeometry(inChannels: 2, outChannels: 2, inHeight: 56, inWidth: 56, kernel: 3, padding: 1), 3),
      (LinearGeometry(inChannels: 1, outChannels: 2, inHeight: 224, inWidth: 224, kernel: 7, stride: 2, padding: 3), 1),
      (LinearGeometry(inChannels: 8, outChannels: 8, inHeight: 28, inWidth: 28, kernel: 1, stride: 2), 2),
      (
        LinearGeometry(inChannels: 16, outChannels: 16, inHeight: 14, inWidth: 14, kernel: 3, padding: 1, groups: 16), 3
      ),
      (LinearGeometry(inFeatures: 256, outFeatures: 120), 8),
      (LinearGeometry(inChannels: 20, outChannels: 11, inHeight: 14, inWidth: 14, kernel: 1), 1),
      (LinearGeometry(inChannels: 70, outChannels: 30, inHeight: 7, inWidth: 7, kernel: 1), 1),
      (LinearGeometry(inChannels: 12, outChannels: 5, inHeight: 28, inWidth: 28, kernel: 3, padding: 1), 1),
      (LinearGeometry(inChannels: 3, outChannels: 4, inHeight: 111, inWidth: 111, kernel: 3, stride: 2), 1),
    ]
    for (index, (geometry, inferences)) in layers.enumerated() {
      let packing = try LinearPacking(geometry: geometry, inferences: inferences, degree: 8192)
      var run = PackedRun(packing: packing, draws: Draws(state: UInt64(index)))
      try run.check()
    }
  }

  @Test func everyDivisionOfSlotsGivesTheLayer() throws {
    // Odd costs drive the planner into plans it would not choose otherwise.
    var draws = Draws(state: 77)
    for _ in 0..<150 {
      guard let geometry = Self.random(&draws) else { continue }
      var costs = PackingCosts()
      costs.freeBits = draws.pick([1, 75, 1000])
      costs.fixedBits = draws.pick([1, 138, 3000])
      costs.outputBits = draws.pick([1, 70, 2000])
      costs.productWork = draws.pick([0, 20_000, 3_000_000])
      costs.maximumWeightTerms = draws.pick([1, 20, .max])
      let packing = try LinearPacking(
        geometry: geometry, inferences: draws.pick([1, 3, 4]), degree: draws.pick([64, 256]), costs: costs)
      #expect(packing.maximumWeightTerms <= max(costs.maximumWeightTerms, geometry.tapsPerOutput))
      var run = PackedRun(packing: packing, draws: draws)
      try run.check()
    }
  }

  @Test func planOfAResNetStageFillsThePolynomials() throws {
    let geometry = LinearGeometry(inChannels: 16, outChannels: 16, inHeight: 32, inWidth: 32, kernel: 3, padding: 1)
    let packing = try LinearPacking(geometry: geometry, inferences: 8, degree: 8192)
    #expect(packing.stack.pitch == 33)
    #expect(packing.stack.itemRows == 33)
    // Two half-empty polynomials a channel would take 32 and 32.
    #expect(packing.inputCount + packing.outputCount <= 44)
    #expect(packing.coefficientCounts().free == 8 * 16 * 1024)
  }

  @Test func partiesFindTheSamePlan() throws {
    let geometry = LinearGeometry(inChannels: 64, outChannels: 64, inHeight: 56, inWidth: 56, kernel: 3, padding: 1)
    func plan() throws -> [PackingPlanner.Choice] {
      let packing = try LinearPacking(geometry: geometry, inferences: 8, degree: 8192)
      return packing.bands.map {
        .init(
          rows: $0.rows, channelsPerInput: packing.sets[$0.set].channelsPerInput,
          outputsPerOutput: packing.sets[$0.set].outputsPerOutput)
      }
    }
    #expect(try plan() == plan())
  }

  @Test func refusesWhatCannotBePacked() {
    let geometry = LinearGeometry(inChannels: 1, outChannels: 1, inHeight: 32, inWidth: 32, kernel: 31)
    #expect(throws: LinearPackingError.kernelTooLarge(words: 961, degree: 64)) {
      try LinearPacking(geometry: geometry, inferences: 1, degree: 64)
    }
    #expect(throws: LinearPackingError.inferences(0)) {
      try LinearPacking(geometry: geometry, inferences: 0, degree: 8192)
    }
    #expect(throws: LinearPackingError.degree(1000)) {
      try LinearPacking(geometry: geometry, inferences: 1, degree: 1000)
    }
    #expect(throws: RingsError.self) {
      try LinearPacking(geometry: LinearGeometry(inFeatures: 0, outFeatures: 1), inferences: 1, degree: 64)
    }
  }
}
