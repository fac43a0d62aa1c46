import Programs
import Rings
import TestSupport
import Testing

@Suite("Order of preparation")
struct PreparationOrderTests {
  @Test("Small requests go ahead of all answers")
  func ahead() {
    #expect(
      PreparationOrder.events([3, 5, 8]) { _ in 1000 } == [
        .request(3), .request(5), .request(8), .collect(3), .collect(5), .collect(8),
      ])
    #expect(PreparationOrder.events([]) { _ in 1 } == [])
  }

  @Test("No more is under way than the window holds, but for a request that is larger alone")
  func window() {
    let part = PreparationOrder.window / 2
    let sizes = [1: part, 2: part, 3: part + 1, 4: 3 * part, 5: 1]
    #expect(
      PreparationOrder.events([1, 2, 3, 4, 5]) { sizes[$0]! } == [
        .request(1), .request(2), .collect(1), .collect(2), .request(3), .collect(3), .request(4), .collect(4),
        .request(5), .collect(5),
      ])
  }

  @Test("A step that takes turns has the link to itself")
  func turns() {
    #expect(
      PreparationOrder.events([1, 2, 3, 4]) { $0 == 3 ? nil : 1 } == [
        .request(1), .request(2), .collect(1), .collect(2), .request(3), .collect(3), .request(4), .collect(4),
      ])
  }

  @Test("Every request has one answer, later, and both come in the order of the wave", arguments: 0..<20)
  func random(seed: Int) {
    let wave = (0..<30).filter { ($0 &* 7 &+ seed) % 3 != 0 }
    let events = PreparationOrder.events(wave) { (($0 &* 2_654_435_761 &+ seed) % 97) * PreparationOrder.window / 60 }
    #expect(events.compactMap { if case .request(let step) = $0 { step } else { nil } } == wave)
    #expect(events.compactMap { if case .collect(let step) = $0 { step } else { nil } } == wave)
    for step in wave {
      #expect(events.firstIndex(of: .request(step))! < events.firstIndex(of: .collect(step))!)
    }
  }

  @Test("Masks are chosen by the first linear step that reads them, unless something is computed with them before")
  func chooser() {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 4, width: 4))
    p.linear(2, kernel: 3, padding: 1)
    let first = p.activation(20)
    p.add(
      .sumPool(WindowGeometry(kernel: 2, stride: 2, padding: 0)), from: [first],
      shape: TensorShape(channels: 2, height: 2, width: 2))
    p.linear(3)
    p.linear(2, kernel: 3, padding: 1, from: first)
    let program = p.finish(dropping: 8)
    #expect(program.maskChooser(ofTensor: 0) == 1)
    #expect(program.maskChooser(ofTensor: first) == nil)
    #expect(PreparationOrder(program).waves == [program.linearSteps, [first]])
  }
}
