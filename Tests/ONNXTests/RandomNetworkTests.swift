import Networks
import ONNX
import Testing

@Suite("Random networks that NumPy computed")
struct RandomNetworkTests {
  static let pack = Result { try Pack("random") }

  /// Batches, odd and non-square pictures, every kind of window, groups, residual sums, joined branches, operator sets 7 to
  /// 21. What cannot be planned yet is named, so that a network that starts or stops to be planned is seen.
  @Test("Importer, float network, twin and two parties agree with NumPy on each")
  func networks() throws {
    let pack = try Self.pack.get()
    #expect(pack.cases.count == 80)
    var unplanned: Set<String> = []
    for name in pack.cases {
      do {
        let model = try NetworkCase.load(pack, name)
        let network = NetworkCase(
          model: model, samples: try model.samples(of: pack.tensor("\(name)/input_0.pb")!),
          expected: pack.tensor("\(name)/output_0.pb")!)
        let floats = try network.floats()
        do {
          let planned = try network.planned()
          try network.twoParties(planned, floats, network.twin(planned, floats))
        } catch NetworksError.unsupportedNode(_, _, let advice) where advice.hasPrefix("reads another linear layer") {
          unplanned.insert(String(name.suffix(3)))
        }
      } catch { Issue.record("\(name): \(error)") }
    }
    #expect(unplanned == Self.unplanned)
  }

  /// Those with two linear layers and nothing but pooling or addition between them.
  static let unplanned: Set<String> = [
    "017", "031", "033", "040", "053", "060", "062", "064", "066", "071", "086",
  ]
}
