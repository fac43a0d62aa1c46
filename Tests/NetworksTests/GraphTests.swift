import Networks
import Rings
import Testing

@Suite struct GraphTests {
  @Test func lenetHasThePeersShapes() throws {
    let graph = Builders.lenet()
    let shapes = try graph.shapes()
    let named = Dictionary(uniqueKeysWithValues: graph.nodes.map { ($0.name, shapes[$0.id]) })
    #expect(named["conv1"] == TensorShape(channels: 6, height: 24, width: 24))
    #expect(named["pool2"] == TensorShape(channels: 16, height: 4, width: 4))
    #expect(named["flatten"] == TensorShape(vector: 256))
    #expect(shapes.last == TensorShape(vector: 10))
    #expect(try Report(graph).parameters == 44426 + 12)  // 44,426 weights and biases, four activations of three.
  }

  @Test(arguments: Builders.names, [true, false])
  func buildersAreValid(name: String, batchNorm: Bool) throws {
    for activation in [ActivationChoice.relu, .x2act(X2actSpec(perChannel: true))] {
      let graph = try #require(Builders.named(name, activation: activation, batchNorm: batchNorm))
      try graph.validate()
      #expect(graph.name == name)
      #expect(try Graph.decode(json: graph.canonicalJSON()) == graph)
      guard try Report(graph).parameters < 1 << 20 else { continue }
      let parameters = try Parameters.initialize(graph, seed: 3)
      try parameters.validate(for: graph)
      #expect(try Parameters.initialize(graph, seed: 3) == parameters)
    }
  }

  @Test func residualNetworksHaveTheKnownCost() throws {
    #expect(try Report(Builders.resnet20(batchNorm: false)).multiplyAccumulates == 40_551_040)
    #expect(try Report(Builders.resnet18(batchNorm: false)).multiplyAccumulates == 555_422_720)
    // He et al. 2016, table 1: 1.8 x 10^9.
    let report = try Report(Builders.resnet18ImageNet(batchNorm: false))
    #expect(report.multiplyAccumulates == 1_814_073_344)
    let shapes = try Builders.resnet18ImageNet().shapes()
    #expect(shapes.contains(TensorShape(channels: 64, height: 112, width: 112)))
    #expect(shapes.contains(TensorShape(channels: 64, height: 56, width: 56)))
    #expect(shapes.contains(TensorShape(channels: 512, height: 7, width: 7)))
    #expect(shapes.last == TensorShape(vector: 1000))
  }

  @Test func initialActivationsAreNearTheIdentity() throws {
    let graph = Builders.digits()
    let parameters = try Parameters.initialize(graph, seed: 1)
    let node = try #require(graph.nodes.first { $0.operation.isActivation })
    #expect(parameters[node.id, .w2] == [1] && parameters[node.id, .b] == [0])
    #expect(abs(parameters[node.id, .w1][0]) < 0.01)
  }

  @Test func errorsNameTheNode() throws {
    var graph = Builders.lenet()
    graph.nodes[1].operation = .convolution(ConvolutionSpec(outChannels: 6, kernel: 50))
    #expect(throws: NetworksError.self) { try graph.validate() }
    do { try graph.validate() } catch { #expect("\(error)".contains("conv1")) }

    graph = Builders.lenet()
    graph.append(.add, name: "sum", from: [1, 2])
    graph.nodes[graph.nodes.count - 1].inputs = [1, 3]
    do { try graph.validate() } catch { #expect("\(error)".contains("sum") && "\(error)".contains("6x24x24")) }

    graph = Builders.lenet()
    graph.nodes.remove(at: 7)  // flatten
    do { try graph.validate() } catch { #expect("\(error)".contains("its id is")) }

    graph = Builders.lenet()
    graph.classes = ["one"]
    #expect(throws: NetworksError.self) { try graph.validate() }
    graph = Builders.lenet()
    graph.nodes[3].inputs = [9]
    #expect(throws: NetworksError.self) { try graph.validate() }
    #expect(throws: NetworksError.self) { try Graph.decode(json: Array("{\"name\":1}".utf8)) }
  }

  @Test func hugeLayersAreRefusedBeforeTheyOverflow() throws {
    var graph = Graph(
      name: "huge", input: TensorShape(channels: 1 << 20, height: 4096, width: 4096),
      inputNormalization: .none(channels: 1))
    #expect(throws: NetworksError.self) { try graph.shapes() }
    graph = Graph(name: "huge", input: TensorShape(vector: 1 << 20), inputNormalization: .none(channels: 1 << 20))
    graph.append(.linear(outFeatures: 1 << 20, bias: false), name: "wide")
    #expect(throws: NetworksError.self) { try graph.parameterShapes() }
  }

  @Test func parametersMustBelongToTheGraph() throws {
    let graph = Builders.digits()
    let good = try Parameters.initialize(graph, seed: 1)
    var wrong = good
    wrong[1, .weight] = []
    #expect(throws: NetworksError.self) { try wrong.validate(for: graph) }
    wrong = good
    wrong[1, .weight][0] = .nan
    #expect(throws: NetworksError.self) { try wrong.validate(for: graph) }
    wrong = good
    wrong[0, .gamma] = [1]
    #expect(throws: NetworksError.self) { try wrong.validate(for: graph) }
  }
}
