import Foundation
import Programs
import Randomness
import Rings
import TestSupport
import Testing
import Transport

@testable import Correlations

@Suite("Orders from hostile parties")
struct DealerOrderTests {
  private func order(_ program: Program = Dealing.randomProgram(seed: 1)) -> DealerOrder {
    DealerOrder(pairing: Dealing.session, isModelOwner: true, peerFingerprint: .zero, program: program)
  }

  private func refused(_ bytes: [UInt8]) {
    do {
      _ = try DealerOrder(decoding: bytes)
      Issue.record("accepted: \(String(decoding: bytes.prefix(200), as: UTF8.self))")
    } catch {
      guard case .invalidOrder(let reason)? = error as? CorrelationError else {
        Issue.record("not an error of orders: \(error)")
        return
      }
      #expect(!reason.isEmpty)
    }
  }

  @Test("An order comes back from its bytes")
  func roundTrip() throws {
    let order = order()
    #expect(try DealerOrder(decoding: order.encoded()) == order)
  }

  @Test("Every truncation, and what is no order at all")
  func truncated() throws {
    let bytes = try order().encoded()
    for length in stride(from: 0, to: bytes.count, by: 7) { refused(Array(bytes[..<length])) }
    for text in [
      "null", "[]", "{}", "7", "\"order\"", String(repeating: "[", count: 100_000), "\u{0}", "{\"pairing\":7}",
    ] {
      refused(Array(text.utf8))
    }
    refused([UInt8](repeating: 0xFF, count: 4096))
  }

  /// Every integer of the order replaced by values that no check must let through to an allocation or a loop.
  @Test("Huge, negative and fractional numbers anywhere never stop the process")
  func hostileNumbers() throws {
    let text = String(decoding: try order().encoded(), as: UTF8.self)
    let numbers = text.ranges(of: /:-?[0-9]+/)
    #expect(numbers.count > 20)
    for range in numbers {
      for value in ["9223372036854775807", "-1", "-9223372036854775808", "4294967296", "1e300", "0.5", "65537"] {
        var hostile = text
        hostile.replaceSubrange(range, with: ":" + value)
        // A name or a scale may stand any number; then the rest must be a valid program all the same.
        do { try DealerOrder(decoding: Array(hostile.utf8)).program.validate() } catch {
          #expect(error is CorrelationError)
        }
      }
    }
  }

  @Test("Shapes that contradict their operations")
  func hostileShapes() throws {
    for count in [1 << 25, 1 << 40, Int.max, 0, -5] {
      var program = Dealing.randomProgram(seed: 1)
      program.steps[0].tensor.shape = TensorShape(channels: count, height: 1, width: 1)
      refused(try order(program).encoded())
      program.steps[0].tensor.shape = TensorShape(channels: count, height: count, width: count)
      refused(try order(program).encoded())
    }
    for (index, inputs) in [(1, [1]), (1, [-1]), (2, [Int.max]), (1, []), (1, [0, 0])] {
      var program = Dealing.randomProgram(seed: 1)
      program.steps[index].inputs = inputs
      refused(try order(program).encoded())
    }
    var program = Dealing.randomProgram(seed: 1)
    program.version = 2
    refused(try order(program).encoded())
    program = Dealing.randomProgram(seed: 1)
    program.steps = Array(repeating: program.steps[0], count: Program.maximumSteps + 1)
    refused(try order(program).encoded())
  }
}
