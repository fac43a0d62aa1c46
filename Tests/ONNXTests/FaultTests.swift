import Foundation
import Networks
import SwiftProtobuf
import Testing

@testable import ONNX

/// Files that are damaged, hostile or beyond what is computed.
@Suite("Faults of model files")
struct FaultTests {
  private func expect(_ parts: String..., in maker: ModelMaker, folder: String = ".") {
    do {
      _ = try maker.load(folder: folder)
      Issue.record("accepted: \(parts)")
    } catch { for part in parts { #expect("\(error)".contains(part), "\(error)") } }
  }

  private func changed(_ change: (inout ModelMaker) -> Void) -> ModelMaker {
    var maker = ModelMaker.convolution()
    change(&maker)
    return maker
  }

  @Test("A model cut short anywhere is refused, never a crash or another network")
  func truncated() throws {
    let folder = try TemporaryFolder()
    let maker = ModelMaker.convolution()
    let whole = try maker.load()
    let bytes: [UInt8] = try maker.model.serializedBytes()
    for length in 0..<bytes.count {
      let path = folder.path("cut.onnx")
      try Data(bytes[..<length]).write(to: URL(fileURLWithPath: path))
      do {
        let model = try ONNXImporter.load(path: path)
        // Protobuf has no length of the whole: what follows the graph may be missing.
        #expect(model.graph.nodes == whole.graph.nodes && model.parameters == whole.parameters, "cut at \(length)")
      } catch is ONNXError {}
    }
  }

  @Test("Flipped bytes are refused or read, and nothing worse happens")
  func flipped() throws {
    let bytes: [UInt8] = try ModelMaker.convolution().model.serializedBytes()
    var generator = SeededGenerator(seed: 5)
    for _ in 0..<4000 {
      var damaged = bytes
      for _ in 0..<Int.random(in: 1...3, using: &generator) {
        damaged[Int.random(in: 0..<bytes.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
      }
      guard let proto = try? Onnx_ModelProto(serializedBytes: damaged, options: InputFile.options) else { continue }
      do { _ = try ONNXImporter.read(ModelReader(proto, folder: "/nonexistent"), ImportOptions()) } catch is ONNXError {
      } catch is NetworksError {}
    }
  }

  @Test("What is no model, no file, or no version that is known")
  func files() throws {
    let folder = try TemporaryFolder()
    func load(_ name: String) throws { _ = try ONNXImporter.load(path: folder.path(name)) }
    #expect(throws: ONNXError.self) { try load("absent.onnx") }
    try FileManager.default.createDirectory(atPath: folder.path("folder.onnx"), withIntermediateDirectories: true)
    do { try load("folder.onnx") } catch { #expect("\(error)".contains("not a regular file")) }
    try Data("no protobuf, but a long enough text".utf8).write(to: folder.url.appendingPathComponent("text.onnx"))
    do { try load("text.onnx") } catch { #expect("\(error)".contains("is not an ONNX model")) }
    expect("representation version 2", "3 to 14", in: changed { $0.model.irVersion = 2 })
    expect("operator set 5", "6 to 28", in: changed { $0.model.opsetImport[0].version = 5 })
    expect("operator set 29", in: changed { $0.model.opsetImport[0].version = 29 })
    expect("0 default operator sets", in: changed { $0.model.opsetImport = [] })
    expect("functions", in: changed { $0.model.functions = [Onnx_FunctionProto()] })
    expect("sparse", in: changed { $0.model.graph.sparseInitializer = [Onnx_SparseTensorProto()] })
  }

  @Test("Messages nested without end are refused before they exhaust the stack")
  func nested() throws {
    // A graph's field 1 is a node, whose field 5 is an attribute, whose field 6 is a graph.
    func wrapped(_ inner: [UInt8], _ field: UInt8) -> [UInt8] {
      var (length, header) = (inner.count, [field << 3 | 2])
      while length >= 128 {
        header.append(UInt8(length & 127) | 128)
        length >>= 7
      }
      return header + [UInt8(length)] + inner
    }
    func nested(_ levels: Int) -> [UInt8] {
      (0..<levels).reduce([]) { inner, _ in wrapped(wrapped(wrapped(inner, 6), 5), 1) }
    }
    #expect(throws: Never.self) { try Onnx_GraphProto(serializedBytes: nested(20), options: InputFile.options) }
    let inner = nested(2000)
    #expect(throws: (any Error).self) { try Onnx_GraphProto(serializedBytes: inner, options: InputFile.options) }
  }

  @Test("Names that are made twice, read before they are made, or not at all: all of them in one message")
  func graph() {
    expect(
      "makes c a second time", "two initializers are named w", "nothing makes its output z",
      "reads q, which nothing makes",
      in: changed {
        $0.constant("w", [1], [1])
        $0.add("Relu", ["q"], ["c"], name: "again")
        $0.model.graph.output.append(ModelMaker.value("z", []))
      })
    expect("two inputs are named x", in: changed { $0.model.graph.input.append(ModelMaker.value("x", [1])) })
    expect(
      "two attributes alpha",
      in: changed {
        $0.add("LeakyRelu", ["y"], ["z"], float: ["alpha": 0.5])
        let attribute = $0.model.graph.node[2].attribute[0]
        $0.model.graph.node[2].attribute.append(attribute)
      })
    expect("not in order", "Relu", in: changed { $0.model.graph.node.swapAt(0, 1) })
    expect(
      "depends on itself", "3 nodes",
      in: changed {
        $0.model.graph.node[0].input[0] = "back"
        $0.add("Relu", ["y"], ["back"])
      })
    expect("depends on itself", in: changed { $0.add("Relu", ["self"], ["self"]) })
    expect("does not depend on its input", in: changed { $0.model.graph.output[0].name = "w" })
    expect("2 outputs", in: changed { $0.model.graph.output.append(ModelMaker.value("c", [])) })
    expect("2 inputs", in: changed { $0.model.graph.input.append(ModelMaker.value("more", [1])) })
  }

  @Test("Shapes beyond all bounds are refused without an allocation")
  func shapes() {
    for dims in [[1, 1 << 40, 2, 2], [1, 1 << 30, 1 << 30, 1 << 30], [1, 0, 4, 4], [1 << 40, 2, 4, 4]] as [[Int64]] {
      var maker = ModelMaker(input: dims)
      maker.add("Relu", ["x"], ["y"])
      #expect(throws: ONNXError.self) { try maker.load() }
    }
    var filled = ModelMaker()
    filled.integers("dims", [1 << 20, 1 << 20])
    filled.add("ConstantOfShape", ["dims"], ["k"])
    filled.add("Add", ["x", "k"], ["y"])
    expect("elements", in: filled)
    // Many constants that are each allowed, and together are not.
    var many = ModelMaker()
    many.integers("dims", [1 << 27])
    for index in 0..<4 { many.add("ConstantOfShape", ["dims"], ["k\(index)"], name: "fill\(index)") }
    many.add("Add", ["x", "k3"], ["y"])
    many.add("Sum", ["k0", "k1", "k2", "k3"], ["z"])
    many.model.graph.output[0].name = "z"
    expect("fill2", "fill3", "elements", in: many)
    expect(
      "its window",
      in: changed {
        $0.model.graph.node[0].attribute[0].ints = [0, 0, 0, 0]
        $0.model.graph.input[0] = ModelMaker.value("x", [1, 2, 2, 2])
      })
    expect("pads", in: changed { $0.model.graph.node[0].attribute[0].ints = [1 << 62, 1, 1, 1] })
    expect("pads", in: changed { $0.model.graph.node[0].attribute[0].ints = [-1, 1, 1, 1] })
    expect("weights do not fit", in: changed { $0.model.graph.input[0] = ModelMaker.value("x", [1, 5, 4, 4]) })
    expect("not finite", in: changed { $0.model.graph.initializer[0].floatData[7] = .nan })
  }

  @Test("Every operator that cannot be computed is named, with its reason and what to do")
  func unsupported() {
    var maker = ModelMaker()
    maker.add("Sigmoid", ["x"], ["a"], name: "gate")
    maker.add("Tanh", ["x"], ["b"], name: "squash")
    maker.add("LayerNormalization", ["x", "x"], ["c"], name: "norm")
    maker.add("Relu", ["a"], ["d"], name: "innocent")
    maker.add("Frobnicate", ["x"], ["e"])
    maker.add("Sum", ["b", "c", "d", "e"], ["y"], name: "total")
    do {
      _ = try maker.load()
      Issue.record("accepted")
    } catch ONNXError.unsupported(let operators) {
      #expect(operators.map(\.node) == ["gate", "squash", "norm", "e"])
      #expect(operators.map(\.operation) == ["Sigmoid", "Tanh", "LayerNormalization", "Frobnicate"])
      #expect(operators.allSatisfy { !$0.reason.isEmpty && !$0.advice.isEmpty })
    } catch { Issue.record("\(error)") }
    expect("4 operators", "gate (Sigmoid)", "squash (Tanh)", "train with X2act", "batch normalisation", in: maker)
  }

  @Test("Names from a file cannot forge a message")
  func names() {
    var maker = ModelMaker()
    maker.add("Sig\u{1b}[2Jmoid\n", ["x"], ["y"], name: "a\r\n" + String(repeating: "b", count: 500))
    do { _ = try maker.load() } catch {
      let text = "\(error)"
      #expect(text.unicodeScalars.allSatisfy { $0.value >= 32 || $0 == "\n" } && text.count < 400)
      #expect(text.split(separator: "\n").count == 2)
    }
  }
}
