import Networks
import ONNX
import Testing

@Suite("Random networks that NumPy computed")
struct RandomNetworkTests {
  static let pack = Result { try Pack("random") }

  /// Batches, odd and non-square pictures, every kind of window, groups, residual sums, joined branches, operator sets 7 to
  /// 21.
  @Test("Importer, float network, twin and two parties agree with NumPy on each")
  func networks() throws {
    let pack = try Self.pack.get()
    #expect(pack.cases.count == 80)
    for name in pack.cases {
      do {
        let model = try NetworkCase.load(pack, name)
        let network = NetworkCase(
          model: model, samples: try model.samples(of: pack.tensor("\(name)/input_0.pb")!),
          expected: pack.tensor("\(name)/output_0.pb")!)
        let floats = try network.floats()
        let planned = try network.planned()
        try network.twoParties(planned, floats, network.twin(planned, floats))
      } catch { Issue.record("\(name): \(error)") }
    }
  }
}
