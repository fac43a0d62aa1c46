import Foundation
import Programs
import TestSupport
import Testing
import Transport

@testable import Inference

/// What goes wrong on any of the six directions between model owner, data owner and dealer ends in an error or in the right result,
/// in bounded time, and does not reach the next session.
@Suite("Faults on every link", .serialized)
struct LinkFaultTests {
  /// What became of a faulty session.
  private enum Ending { case result([[Int64]]), error(any Error), hung, nextSessionFailed(any Error) }

  /// Sessions in flight at once; nearly all of them wait for a time-out.
  private static let concurrency = 64

  @Test("Frames lost, doubled, misplaced, cut, stalled, and bits of every header field", arguments: Trio.Link.allCases)
  func frames(link: Trio.Link) throws {
    let example = Example(Examples.plain(), seed: 41)
    let trio = Trio(model: try example.model())
    let inputs = example.inputs(1, seed: 42)
    let clean = try trio.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    #expect(clean.frames >= 2)
    var faults: [Fault] = []
    for frame in 0..<clean.frames {
      faults += [
        .drop(frame: frame), .duplicate(frame: frame), .swap(frame: frame), .cutFrame(frame: frame),
        .stallFrame(frame: frame),
      ]
      // Kind, flags, sequence number, length by little and by 2^63.
      for (byte, bit) in [(0, 0), (2, 0), (4, 1), (8, 0), (15, 7)] {
        faults.append(.flipInFrame(frame: frame, byte: byte, bit: bit))
      }
    }
    var unnoticed: [Fault] = []
    for (fault, ending) in zip(faults, run(faults, trio, example, inputs, link)) {
      switch ending {
      case .result(let results):
        unnoticed.append(fault)
        #expect(results == clean.results, "\(fault) on \(link) changed the result and nobody noticed")
      case .error: break
      case .hung: Issue.record("\(fault) on \(link): a thread still runs")
      case .nextSessionFailed(let error): Issue.record("\(fault) on \(link): the next session failed: \(error)")
      }
    }
    // Only what comes after the last word that anybody reads may go unnoticed.
    let frames = Set(unnoticed.map(Self.frame))
    #expect(frames.isSubset(of: [clean.frames - 1]), "\(unnoticed) on \(link) went unnoticed")
  }

  private static func frame(_ fault: Fault) -> Int {
    switch fault {
    case .drop(let frame), .duplicate(let frame), .swap(let frame), .cutFrame(let frame), .stallFrame(let frame),
      .flipInFrame(let frame, _, _):
      frame
    case .cut, .stall, .flip, .count: -1
    }
  }

  @Test("Bits of payloads: no hang and no crash, whatever TLS would have stopped", arguments: Trio.Link.allCases)
  func payloads(link: Trio.Link) throws {
    let example = Example(Examples.plain(), seed: 43)
    let trio = Trio(model: try example.model())
    let inputs = example.inputs(1, seed: 44)
    let clean = try trio.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    let faults = (0..<clean.frames).flatMap { frame in
      [(16, 0), (23, 7), (24, 1), (40, 6)].map { Fault.flipInFrame(frame: frame, byte: $0.0, bit: $0.1) }
    }
    for (fault, ending) in zip(faults, run(faults, trio, example, inputs, link)) {
      if case .hung = ending { Issue.record("\(fault) on \(link): a thread still runs") }
    }
  }

  private func run(
    _ faults: [Fault], _ trio: Trio, _ example: Example, _ inputs: [[Int64]], _ link: Trio.Link
  ) -> [Ending] {
    final class Endings: @unchecked Sendable {
      let lock = NSLock()
      var next = 0
      var endings: [Ending?]
      init(_ count: Int) { endings = Array(repeating: nil, count: count) }
    }
    let shared = Endings(faults.count)
    let threads = Threads()
    for _ in 0..<Self.concurrency {
      threads.start {
        while true {
          let index = shared.lock.withLock {
            defer { shared.next += 1 }
            return shared.next
          }
          guard index < faults.count else { return }
          let ending = Self.session(faults[index], trio, example, inputs, link)
          shared.lock.withLock { shared.endings[index] = ending }
        }
      }
    }
    try? threads.join()
    return shared.endings.map { $0 ?? .hung }
  }

  /// One faulty session and, after a loss or a cut, a sound one with the same model and dealer.
  private static func session(
    _ fault: Fault, _ trio: Trio, _ example: Example, _ inputs: [[Int64]], _ link: Trio.Link
  ) -> Ending {
    let dealer = Trio.dealer(partnerSeconds: 1)
    let ending: Ending
    do {
      ending = .result(
        try trio.run(
          batches: [inputs], prepared: 1, fault: fault, on: link, idle: .milliseconds(200), dealer: dealer
        ).results)
    } catch is Threads.Hung { return .hung } catch { ending = .error(error) }
    switch fault {
    case .drop, .cutFrame: break
    default: return ending
    }
    do {
      let result = try trio.run(batches: [inputs], prepared: 0, dealer: dealer, sessionName: "next").results
      let expected = example.twin.run(inputs[0])
      let largest = expected.map(abs).max()!
      guard zip(result[0], expected).allSatisfy({ abs($0 - $1) <= largest / 64 }) else {
        return .nextSessionFailed(InferenceError.sessionEnded)
      }
    } catch { return .nextSessionFailed(error) }
    return ending
  }
}
