import Correlations
import Foundation
import Inference
import Logging
import MaterialStore
import Networks
import Randomness
import Testing

@testable import Daemons

@Suite("Stores that could never hold an inference")
struct StoreRoomTests {
  private let benchmark: BenchmarkCase
  private let file: ModelFile
  private let folder = FileManager.default.temporaryDirectory.appendingPathComponent(
    "polympc-room-\(UUID().uuidString)")

  init() throws {
    benchmark = try BenchmarkCase("lenet:relu:1")
    file = try benchmark.model("lenet:relu")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  }

  private func store(_ name: String) -> StoreConfiguration {
    var store = StoreConfiguration(path: folder.appendingPathComponent(name).path)
    store.limit = 0
    return store
  }

  private var logger: Logger { Logger(label: "test") { _ in SwiftLogNoOpLogHandler() } }

  @Test("are refused when a daemon starts, with both sizes and what to do")
  func refused() throws {
    defer { try? FileManager.default.removeItem(at: folder) }
    let served = try benchmark.served()
    let plan = try file.planned().plan
    let address = NetworkAddress(host: "127.0.0.1", port: 0)
    var model = ModelOwnerConfiguration(
      common: CommonConfiguration(identity: ""), model: "", listen: address, peers: [], source: .lattice)
    model.store = store("model.store")
    let bytes = ModelOwnerMaterial.byteCount(plan.program)
    let refusal = StoreError.rowTooLarge(bytes: bytes, limit: 0)
    #expect(throws: refusal) {
      try ModelOwnerDaemon(
        configuration: model, model: served.model, agreement: served.agreement, wire: .plain, logger: logger,
        metrics: MetricsRegistry())
    }
    let mebibytes = (bytes + 1 << 20 - 1) >> 20
    for part in ["\(bytes)", "--store-limit) to \(mebibytes) mebibytes", "without a store"] {
      #expect("\(refusal)".contains(part), "\(refusal)")
    }
    var data = DataOwnerConfiguration(
      common: CommonConfiguration(identity: ""), plan: "", peer: PinnedAddress(address: address, fingerprint: .zero),
      source: .lattice, control: folder.appendingPathComponent("control.sock").path)
    data.store = store("data.store")
    #expect(throws: StoreError.rowTooLarge(bytes: DataOwnerMaterial.byteCount(plan.program), limit: 0)) {
      try DataOwnerDaemon(
        configuration: data, plan: plan, agreement: served.agreement, wire: .plain, logger: logger,
        metrics: MetricsRegistry())
    }
  }
}
