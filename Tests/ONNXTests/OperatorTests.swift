import Foundation
import Networks
import Testing

@testable import ONNX

/// Operators that become layers in more than one way, against plain arithmetic.
@Suite("Operators")
struct OperatorTests {
  /// A sample of a picture 3 x 5 x 7 whose elements are all different.
  private let picture = (0..<105).map { Float($0 % 53) / 8 - Float($0) / 32 }

  private func run(_ maker: ModelMaker, _ sample: [Float]) throws -> [Float] {
    let model = try maker.load()
    return try FloatExecutor(graph: model.graph, parameters: model.parameters).output(of: sample)
  }

  private func at(_ channel: Int, _ row: Int, _ column: Int) -> Float { picture[(channel * 5 + row) * 7 + column] }

  @Test("Slices of a picture, one after the other, and of channels in any order")
  func slices() throws {
    var maker = ModelMaker(input: [1, 3, 5, 7])
    maker.integers("one", [1])
    maker.integers("four", [4])
    maker.integers("rows", [2])
    maker.add("Slice", ["x", "one", "four", "rows", "one"], ["a"])
    maker.integers("start", [1])
    maker.integers("end", [100])
    maker.integers("columns", [-1])
    maker.integers("two", [2])
    maker.add("Slice", ["a", "start", "end", "columns", "two"], ["b"])
    maker.integers("order", [2, 0, -1])
    maker.add("Gather", ["b", "order"], ["y"], int: ["axis": 1])
    let wanted = [2, 0, 2].flatMap { c in (1..<4).flatMap { r in [1, 3, 5].map { at(c, r, $0) } } }
    #expect(try run(maker, picture) == wanted)
    #expect(try maker.load().outputShape == [3, 3, 3])
  }

  @Test("Parts that a convolution reads become zeros among its weights, and no layer")
  func absorbed() throws {
    var maker = ModelMaker(input: [2, 3, 5, 7])
    maker.add("Split", ["x"], ["p", "q"], ints: ["split": [1, 2]], int: ["axis": 1])
    maker.model.opsetImport[0].version = 11
    maker.constant("w", [1, 2, 1, 1], [2, -3])
    maker.add("Conv", ["q", "w"], ["y"])
    let model = try maker.load()
    #expect(model.graph.nodes.count == 2 && model.parameters[1, .weight] == [0, 2, -3])
    #expect(try run(maker, picture) == (0..<35).map { 2 * picture[35 + $0] - 3 * picture[70 + $0] })
  }

  /// Channels 0, 1, 2, 3 in the order 0, 2, 1, 3, as a shuffle of two groups says it.
  private func shuffle(_ maker: inout ModelMaker, _ from: String, _ to: String) {
    maker.integers(to + ".split", [0, 2, 2, 3, 5])
    maker.add("Reshape", [from, to + ".split"], [to + ".a"])
    maker.add("Transpose", [to + ".a"], [to + ".b"], ints: ["perm": [0, 2, 1, 3, 4]])
    maker.integers(to + ".joined", [0, -1, 3, 5])
    maker.add("Reshape", [to + ".b", to + ".joined"], [to])
  }

  @Test("Shuffled channels wait for a layer that takes their order up, and two shuffles may undo each other")
  func shuffles() throws {
    let sample = (0..<60).map { Float($0 % 17) - Float($0) / 16 }
    func channel(_ index: Int) -> [Float] { Array(sample[index * 15..<(index + 1) * 15]) }
    let order = [0, 2, 1, 3]
    var maker = ModelMaker(input: [1, 4, 3, 5])
    shuffle(&maker, "x", "s")
    maker.add("Relu", ["s"], ["r"])
    maker.constant("w", [4, 1, 1, 1], [1, 2, 3, 4])
    maker.constant("b", [4], [0.5, 1, 1.5, 2])
    maker.add("Conv", ["r", "w", "b"], ["d"], int: ["group": 4])
    maker.constant("ones", [4], [1, 2, 1, 4])
    maker.constant("zeros", [4], [0, 0, 3, 0])
    maker.constant("one", [4], [1, 1, 1, 1])
    maker.add("BatchNormalization", ["d", "ones", "zeros", "zeros", "one"], ["n"], float: ["epsilon": 0])
    maker.constant("v", [2, 2, 1, 1], [1, -1, 2, 5])
    maker.add("Conv", ["n", "v"], ["y"], int: ["group": 2])
    let model = try maker.load()
    #expect(model.graph.nodes.map(\.operation.label) == ["input", "relu", "conv", "bn", "conv"])
    let scaled = (0..<4).map { place in
      channel(order[place]).map { x in
        let (gamma, shift) = ([Float(1), 2, 1, 4][place], [Float(0), 0, 3, 0][place])
        return gamma * (max(x, 0) * Float(place + 1) + 0.5 * Float(place + 1) - shift) + shift
      }
    }
    let wanted = (0..<15).map { scaled[0][$0] - scaled[1][$0] } + (0..<15).map { 2 * scaled[2][$0] + 5 * scaled[3][$0] }
    for (found, right) in zip(try run(maker, sample), wanted) { #expect(abs(found - right) < 1e-4) }

    var twice = ModelMaker(input: [1, 4, 3, 5])
    shuffle(&twice, "x", "s")
    shuffle(&twice, "s", "t")
    twice.add("Abs", ["t"], ["y"])
    #expect(try twice.load().graph.nodes.count == 2)
    #expect(try run(twice, sample) == sample.map(abs))
  }

  @Test(
    "A matrix behind a transposition reads the elements in their own order; other readers are refused with its name")
  func transposed() throws {
    let sample = (0..<24).map { Float($0) - 5 }
    var maker = ModelMaker(input: [1, 2, 3, 4])
    maker.add("Transpose", ["x"], ["t"], name: "to rows", ints: ["perm": [0, 2, 3, 1]])
    maker.add("Flatten", ["t"], ["f"], int: ["axis": 1])
    maker.constant("m", [24, 1], (0..<24).map { Float($0 * $0) })
    maker.add("MatMul", ["f", "m"], ["y"])
    let moved = (0..<12).flatMap { pixel in (0..<2).map { sample[$0 * 12 + pixel] } }
    #expect(try run(maker, sample) == [moved.enumerated().reduce(0) { $0 + Float($1.0 * $1.0) * $1.1 }])
    #expect(try maker.load().graph.nodes.map(\.operation.label) == ["input", "flatten", "linear"])

    var refused = ModelMaker(input: [1, 2, 3, 4])
    refused.add("Transpose", ["x"], ["t"], name: "to rows", ints: ["perm": [0, 2, 3, 1]])
    refused.add("Relu", ["t"], ["y"])
    #expect { try refused.load() } throws: { "\($0)".contains("to rows") }
  }

  @Test("What is refused whatever it reads is named behind a refused operator as well")
  func allRefused() throws {
    var maker = ModelMaker()
    maker.add("HardSwish", ["x"], ["a"])
    maker.add("Relu", ["a"], ["b"])
    maker.add("Sigmoid", ["b"], ["c"])
    maker.add("Mul", ["b", "c"], ["d"])
    maker.add("Gelu", ["d"], ["e"])
    maker.add("Tanh", ["e"], ["y"])
    do {
      _ = try maker.load()
      Issue.record("it was accepted")
    } catch ONNXError.unsupported(let operators) {
      // The tangent is the output, which the data owner computes.
      #expect(operators.map(\.operation) == ["HardSwish", "Sigmoid", "Gelu"])
    }
  }

  @Test("The data owner applies sigmoid or tangent at the end, and the greatest of what rises is the greatest score's")
  func lastFunctions() throws {
    for (type, finish) in [("Sigmoid", OutputFinish.sigmoid), ("Tanh", .tanh)] {
      var maker = ModelMaker(input: [1, 4])
      maker.add(type, ["x"], ["s"])
      maker.add("Identity", ["s"], ["y"])
      #expect(try maker.load().graph.finish == finish)
      var label = ModelMaker(input: [1, 4])
      label.add(type, ["x"], ["s"])
      label.add("ArgMax", ["s"], ["y"], int: ["axis": 1, "keepdims": 0])
      let model = try label.load()
      #expect(model.graph.finish == .argMax && model.outputShape == [])
    }
    #expect(OutputFinish.sigmoid.apply([0, 800, -800]) == [0.5, 1, 0])
    #expect(OutputFinish.tanh.apply([0, 800, -800]) == [0, 1, -1])
  }

  @Test("Features picked from a vector, and an index that takes its axis away")
  func features() throws {
    var maker = ModelMaker(input: [1, 4])
    maker.integers("order", [3, 3, 0])
    maker.add("Gather", ["x", "order"], ["y"], int: ["axis": 1])
    #expect(try run(maker, [1, 2, 3, 4]) == [4, 4, 1])
  }

  @Test("Every evenly spaced pick has the smallest window that fits exactly as often")
  func strides() {
    for length in 1...9 {
      for start in 0..<length {
        for step in 1...4 {
          for count in 1...9 where start + (count - 1) * step < length {
            let picks = (0..<count).map { start + $0 * step }
            let window = Selection.stride(picks, length: length)!
            #expect(window.kernel <= length && window.tap < window.kernel)
            #expect((length - window.kernel) / window.step + 1 == count)
            #expect((0..<count).map { $0 * window.step + window.tap } == picks)
          }
        }
      }
    }
    #expect(Selection.stride([2, 1], length: 4) == nil && Selection.stride([0, 1, 3], length: 4) == nil)
  }

  @Test("Comparisons choose between constants as they say, also where both sides are equal")
  func conditions() throws {
    let kinds: [(String, (Float, Float) -> Bool)] = [
      ("GreaterOrEqual", { $0 >= $1 }), ("Greater", { $0 > $1 }), ("LessOrEqual", { $0 <= $1 }), ("Less", { $0 < $1 }),
    ]
    for (kind, holds) in kinds {
      for isLeft in [true, false] {
        var maker = ModelMaker(input: [1, 3])
        maker.constant("c", [3], [1, -2, 0.5])
        maker.constant("yes", [], [5])
        maker.constant("no", [3], [-1, 0, 1])
        maker.add(kind, isLeft ? ["x", "c"] : ["c", "x"], ["t"])
        maker.add("Where", ["t", "yes", "no"], ["y"])
        let sample: [Float] = [1, -3, 0.75]
        let bounds: [Float] = [1, -2, 0.5]
        let wanted = (0..<3).map { index in
          (isLeft ? holds(sample[index], bounds[index]) : holds(bounds[index], sample[index]))
            ? Float(5) : [-1, 0, 1][index]
        }
        #expect(try run(maker, sample) == wanted, "\(kind)")
      }
    }
  }

  @Test("Polynomials of degree two, however they are written, become one activation")
  func polynomials() throws {
    var maker = ModelMaker(input: [1, 2, 2, 2])
    maker.constant("two", [], [2])
    maker.constant("slope", [2, 1, 1], [0.5, -1])
    maker.add("Pow", ["x", "two"], ["square"])
    maker.add("Mul", ["x", "slope"], ["line"])
    maker.add("Add", ["square", "line"], ["sum"])
    maker.add("Sub", ["sum", "two"], ["y"])
    let model = try maker.load()
    #expect(model.graph.nodes.map(\.operation.label) == ["input", "x2act"])
    let sample: [Float] = [0, 1, -1, 2, 0.5, 3, -2, 1]
    let wanted = sample.enumerated().map { $1 * $1 + ($0 < 4 ? 0.5 : -1) * $1 - 2 }
    for (value, right) in zip(try run(maker, sample), wanted) { #expect(abs(value - right) < 1e-5) }
    var cubic = ModelMaker(input: [1, 2, 2, 2])
    cubic.add("Mul", ["x", "x"], ["square"])
    cubic.add("Mul", ["square", "x"], ["y"], name: "cube")
    do { _ = try cubic.load() } catch {
      #expect("\(error)".contains("cube (Mul)") && "\(error)".contains("degree three"))
    }
  }

  @Test("What differs inside channels: what is added costs no layer with weights, a square keeps its channels")
  func elements() throws {
    let sample: [Float] = [0, 1, -1, 2, 0.5, 3, -2, 1]
    let part: [Float] = [1, -2, 3, 0.5, -1, 0, 2, 4]
    func labels(_ maker: ModelMaker) throws -> [String] { try maker.load().graph.nodes.map(\.operation.label) }
    var sum = ModelMaker(input: [1, 2, 2, 2])
    sum.constant("c", [2, 2, 2], part)
    sum.add("Sub", ["x", "c"], ["a"])
    sum.add("Relu", ["a"], ["b"])
    sum.add("Add", ["b", "c"], ["y"])
    #expect(try labels(sum) == ["input", "offset", "relu", "offset"])
    #expect(try run(sum, sample) == zip(sample, part).map { max($0 - $1, 0) + $1 })

    var square = ModelMaker(input: [1, 2, 2, 2])
    square.constant("c", [1, 2, 2, 2], part)
    square.add("Add", ["x", "c"], ["a"])
    square.add("Mul", ["a", "x"], ["y"])
    #expect(try labels(square) == ["input", "offset", "x2act", "offset"])
    for (value, wanted) in zip(try run(square, sample), zip(sample, part).map { ($0 + $1) * $0 }) {
      #expect(abs(value - wanted) < 1e-4)
    }

    // Factors go into the matrix that reads the vector, when the network is folded.
    var factors = ModelMaker(input: [1, 2, 2, 2])
    factors.constant("c", [2, 2, 2], part)
    factors.constant("w", [8, 1], [1, 1, 1, 1, 2, 2, 2, 2])
    factors.add("Relu", ["x"], ["r"])
    factors.add("Mul", ["r", "c"], ["a"])
    factors.add("Flatten", ["a"], ["b"])
    factors.add("MatMul", ["b", "w"], ["y"])
    #expect(try labels(factors) == ["input", "relu", "flatten", "bn", "linear"])
    let model = try factors.load()
    let folded = try Folding.fold(model.graph, model.parameters)
    #expect(folded.graph.nodes.map(\.operation.label) == ["input", "relu", "flatten", "linear"])
    let wanted = zip(sample, part).enumerated().reduce(Float(0)) {
      $0 + max($1.element.0, 0) * $1.element.1 * ($1.offset < 4 ? 1 : 2)
    }
    #expect(try run(factors, sample) == [wanted])

    // Otherwise each element is a channel of its own, up to a number.
    var scaled = ModelMaker(input: [1, 2, 2, 2])
    scaled.constant("c", [2, 2, 2], part)
    scaled.add("Relu", ["x"], ["r"])
    scaled.add("Mul", ["r", "c"], ["y"])
    #expect(try labels(scaled) == ["input", "relu", "flatten", "bn", "reshape"])
    #expect(try run(scaled, sample) == zip(sample, part).map { max($0, 0) * $1 })
    var large = ModelMaker(input: [1, 1, 80, 80])
    large.constant("c", [80, 80], (0..<6400).map { Float($0) })
    large.add("Mul", ["x", "c"], ["a"], name: "scale")
    large.add("Relu", ["a"], ["y"])
    #expect(throws: ONNXError.self) { _ = try large.load() }
    do { _ = try large.load() } catch { #expect("\(error)".contains("each of 6400 elements by a factor of its own")) }
  }

  @Test("What the data owner does at the end: softmax, its logarithm, an index")
  func finishes() {
    let values = [1.0, 3, 2, 1e4]
    let small = Array(values[..<3])
    let sum = small.map { exp($0) }.reduce(0, +)
    for (value, logit) in zip(OutputFinish.softmax.apply(small), small) {
      #expect(abs(value - exp(logit) / sum) < 1e-12)
    }
    for (value, logit) in zip(OutputFinish.logSoftmax.apply(small), small) {
      #expect(abs(value - logit + log(sum)) < 1e-12)
    }
    #expect(OutputFinish.argMax.apply(small) == [1] && OutputFinish.softmax.apply(values) == [0, 0, 0, 1])
  }
}
