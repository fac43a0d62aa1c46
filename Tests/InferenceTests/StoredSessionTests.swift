import Correlations
import Foundation
import Programs
import Randomness
import Testing
import Transport
import TwoParty

@testable import Inference
@testable import MaterialStore

@Suite("Sessions over stores")
struct StoredSessionTests {
  /// Both parties' stores in a folder that is gone with this object.
  private final class Stores {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("polympc-stored-\(UUID().uuidString)")
    let (model, data): (MaterialStore, MaterialStore)

    init(limit: Int = 1 << 28, pieceBytes: Int) throws {
      try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
      let path = folder.path
      func store(_ name: String) throws -> MaterialStore {
        try MaterialStore(path: "\(path)/\(name)", limit: limit, pieceBytes: pieceBytes)
      }
      (model, data) = (try store("model"), try store("data"))
    }

    deinit { try? FileManager.default.removeItem(at: folder) }
  }

  @Test("Material that went through many pieces gives the answers of material that stayed in memory", arguments: 0...3)
  func same(index: Int) throws {
    let program = [Examples.plain(), Examples.joined(), Examples.mixed(), Examples.floored()][index]
    let example = Example(program, seed: 31)
    let inputs = example.inputs(3, seed: 32)
    let batches = [[inputs[0]], Array(inputs[1...])]
    var duo = Duo(model: try example.model())
    let expected = try duo.run(batches: batches, prepared: 3)
    let stores = try Stores(pieceBytes: 1000)
    duo.stores = (stores.model, stores.data)
    let found = try duo.run(batches: batches, prepared: 3)
    #expect(found.results == expected.results)
    #expect(stores.model.heldBytes == 0 && stores.data.heldBytes == 0)
    // A batch beyond what memory may hold is leased and asked in parts; a row at a time always is.
    duo.limits.preparedBytes = 0
    duo.limits.materialBytes = 0
    let parts = try duo.run(batches: [inputs], prepared: 3, sessionName: "another")
    #expect(parts.results.count == 3)
    #expect(parts.query.flights > found.query.flights)
  }

  @Test("Stores without room refuse before anything is prepared, at whichever end", arguments: [true, false])
  func refusal(atModelOwner: Bool) throws {
    let example = Example(Examples.mixed(), seed: 33)
    let bytes = (
      model: ModelOwnerMaterial.byteCount(example.program), data: DataOwnerMaterial.byteCount(example.program)
    )
    let (small, large) = (
      try Stores(limit: 2 * min(bytes.0, bytes.1) + 1, pieceBytes: 512), try Stores(pieceBytes: 512)
    )
    var duo = Duo(model: try example.model())
    duo.stores = atModelOwner ? (small.model, large.data) : (large.model, small.data)
    let error = #expect(throws: StoreError.self) { try duo.run(batches: [], prepared: 3) }
    switch try #require(error) {
    case .peerFull(let needed, let room):
      #expect(atModelOwner && needed == 3 * bytes.model && room == small.model.limit)
    case .full(let needed, let held, let limit):
      #expect(!atModelOwner && needed == 3 * bytes.data && held == 0 && limit == small.data.limit)
    default: Issue.record("\(error!)")
    }
    for store in [small.model, small.data, large.model, large.data] {
      #expect(store.room == store.limit && store.readyCount == 0)
    }
  }
}
