import Programs
import Rings
import TestSupport
import Testing
import Transport

@testable import Inference

@Suite("Dealer between two parties that wait for each other")
struct DealerFlowTests {
  /// Comparisons of the sizes of ResNet-20, and a tournament whose runs follow one another, with little to multiply.
  static func program() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 16, height: 32, width: 32), .word)
    func relu() {
      p.add(.comparison(ComparisonSpec(droppedBits: 6, digits: Examples.digits(18))), shape: p.shape)
    }
    for (channels, stride, layers) in [(16, 1, 3), (32, 2, 3), (64, 2, 3)] {
      for layer in 0..<layers {
        p.linear(channels, stride: layer == 0 ? stride : 1, groups: 16)
        relu()
      }
    }
    let window = WindowGeometry(kernel: 3, stride: 1, padding: 1)
    p.add(.maxPool(MaxPoolSpec(window: window, droppedBits: 0, digits: Examples.digits(30))), shape: p.shape)
    p.add(.globalSumPool, shape: Examples.vector(64))
    p.linear(10)
    return p.finish(dropping: 4)
  }

  /// Streams on which little is under way, and at the dealer's end nothing before a flush: what the dealer owes one party
  /// must have left before it writes to the other, which waits for the first.
  @Test("Bulks pass through narrow streams", .timeLimit(.minutes(2)), arguments: [false, true])
  func narrow(hoards: Bool) throws {
    let example = Example(Self.program(), seed: 21)
    var trio = Trio(model: try example.model())
    trio.dealerLinks = StreamOptions(idleTimeout: .seconds(20), inboundLimit: 1 << 14)
    trio.dealerHoards = hoards
    trio.limits.bulk = 2
    let outcome = try trio.run(batches: [], prepared: 3)
    #expect(outcome.dealing.payloadReceived > 1 << 22)
  }
}
