import Foundation
import Networks
import Testing

@testable import ONNX

@Suite("A file that PyTorch wrote")
struct PyTorchTests {
  static func path(_ name: String) -> String {
    Bundle.module.url(forResource: name, withExtension: nil, subdirectory: "References")!.path
  }

  @Test("Its probabilities and labels are PyTorch's, in floats, in fixed point and between two parties")
  func digits() throws {
    let model = try ONNXImporter.load(path: Self.path("torch-digits.onnx"))
    #expect(model.producer.hasPrefix("pytorch") && model.batch == nil && model.graph.finish == .softmax)
    #expect(model.graph.nodes.contains { if case .subsamplePad(2, 0, 0) = $0.operation { true } else { false } })
    let input = try DenseTensor.load(path: Self.path("torch-digits-input.pb"))
    let network = NetworkCase(
      model: model, samples: try model.samples(of: input),
      expected: try DenseTensor.load(path: Self.path("torch-digits-output.pb")))
    let floats = try network.floats()
    #expect(floats.count == 40)
    let planned = try network.planned()
    let twin = try network.twin(planned, floats)
    try network.twoParties(planned, floats, twin)
    let wanted = network.expected.floats
    for (index, output) in twin.enumerated() {
      let probabilities = Array(wanted[index * 10..<index * 10 + 10])
      #expect(
        planned.plan.result(of: output).label == probabilities.indices.max { probabilities[$0] < probabilities[$1] })
    }
  }
}
