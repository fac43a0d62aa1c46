import Hardware
import Programs
import Rings
import TestSupport
import Testing
import Transport

/// Cost is code: what the store's frames take must EQUAL what its descriptor says.
@Suite("Measured cost of a store equals its descriptor")
struct StoreCostTests {
  /// What the store adds to a program's cost in a phase.
  private func added(_ phase: CostPhase, lease: Int = 1) throws -> [(from: CostParty, payload: Int, frames: Int)] {
    var assembler = ProgramAssembler(TensorShape(channels: 4, height: 1, width: 1))
    assembler.activation(8, .exact, to: .word)
    let program = assembler.finish(dropping: 4)
    let model = try CostModel()
    let with = try model.predict(program: program, phase: phase, lease: lease, usesStore: true).total
    let without = try model.predict(program: program, phase: phase, lease: lease).total
    return [(CostParty.dataOwner, CostParty.modelOwner), (.modelOwner, .dataOwner)].map {
      let (one, two) = (with.traffic(from: $0.0, to: $0.1), without.traffic(from: $0.0, to: $0.1))
      return ($0.0, one.payloadBytes - two.payloadBytes, one.frames - two.frames)
    }
  }

  @Test("Opening, end of a bulk, lease", arguments: [1, 3, 8])
  func equal(rows: Int) throws {
    let folder = try Folder()
    let model = try StoreParty(isModelOwner: true, folder: folder)
    let data = try StoreParty(isModelOwner: false, folder: folder)
    #expect(try meet(model, data, session: 1, [.prepare(rows), .lease(rows)]).isEmpty)
    for (index, phase) in [CostPhase.session, .offline, .lease].enumerated() {
      let predicted = try added(phase, lease: rows)
      let measured = data.meters[index]
      // The lease's first frame is the test's own announcement of one byte.
      let own = phase == .lease ? 1 : 0
      #expect(measured.payloadSent - own == predicted[0].payload && measured.messagesSent - own == predicted[0].frames)
      #expect(measured.payloadReceived == predicted[1].payload && measured.messagesReceived == predicted[1].frames)
      let mirrored = model.meters[index]
      #expect(mirrored.payloadSent == measured.payloadReceived && mirrored.payloadReceived == measured.payloadSent)
    }
  }

  @Test("A store adds nothing to queries and to set-up", arguments: [CostPhase.online, .setup])
  func none(phase: CostPhase) throws {
    #expect(try added(phase).allSatisfy { $0.payload == 0 && $0.frames == 0 })
  }
}
