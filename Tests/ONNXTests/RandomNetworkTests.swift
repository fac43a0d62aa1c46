import Networks
import ONNX
import Testing

@Suite("Random networks that NumPy computed")
struct RandomNetworkTests {
  private func run(_ name: String, count: Int) throws {
    let pack = try Pack(name)
    #expect(pack.cases.count == count)
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

  /// The architectures, heads, activations and outputs of PyTorch's users, by both of its exporters.
  @Test("Importer, float network, twin and two parties agree with PyTorch on what it exports")
  func exports() throws { try run("torch", count: 138) }

  /// Batches, odd and non-square pictures, every kind of window, groups, residual sums, joined branches, operator sets 7 to
  /// 21.
  @Test("Importer, float network, twin and two parties agree with NumPy on each")
  func networks() throws { try run("random", count: 80) }

  @Test("So do poolings over windows of every form, of pictures and of sequences")
  func windows() throws { try run("windows", count: 60) }

  @Test("So do constants that differ inside channels, and elements under other shapes")
  func elements() throws { try run("elements", count: 60) }
}
