import Foundation
import Programs
import Rings
import TestSupport
import Testing
import Transport

@testable import Inference

/// What goes wrong on any of the six directions between model owner, data owner and dealer ends in an error or in the right result,
/// in bounded time, and does not reach the next session.
@Suite("Faults on every link", .serialized)
struct LinkFaultTests {
  /// Sessions in flight at once; nearly all of them wait for a time-out.
  private static let concurrency = 64

  @Test("Frames lost, doubled, misplaced, cut, stalled, and bits of every header field", arguments: Trio.Link.allCases)
  func frames(link: Trio.Link) throws {
    let example = Example(Examples.plain(), seed: 41)
    try checkFrames(example, link)
  }

  @Test("The same with comparisons", arguments: Trio.Link.allCases)
  func comparisonFrames(link: Trio.Link) throws {
    let program = Examples.pooled(WindowGeometry(kernel: 2, stride: 2, padding: 0), isLabel: true)
    try checkFrames(Example(program, seed: 45), link)
  }

  private func checkFrames(_ example: Example, _ link: Trio.Link) throws {
    let trio = Trio(model: try example.model())
    let inputs = example.inputs(1, seed: 42)
    let clean = try trio.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    #expect(clean.frames >= 2)
    let faults = FaultRunner.frameFaults(clean.frames)
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
    let frames = Set(unnoticed.map(FaultRunner.frame))
    #expect(frames.isSubset(of: [clean.frames - 1]), "\(unnoticed) on \(link) went unnoticed")
  }

  @Test("Bits of payloads: no hang and no crash, whatever TLS would have stopped", arguments: Trio.Link.allCases)
  func payloads(link: Trio.Link) throws {
    let example = Example(Examples.plain(), seed: 43)
    let trio = Trio(model: try example.model())
    let inputs = example.inputs(1, seed: 44)
    let clean = try trio.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    let faults = FaultRunner.payloadFaults(clean.frames)
    for (fault, ending) in zip(faults, run(faults, trio, example, inputs, link)) {
      if case .hung = ending { Issue.record("\(fault) on \(link): a thread still runs") }
    }
  }

  private func run(
    _ faults: [Fault], _ trio: Trio, _ example: Example, _ inputs: [[Int64]], _ link: Trio.Link
  ) -> [FaultEnding] {
    FaultRunner.run(faults, concurrency: Self.concurrency) { Self.session($0, trio, example, inputs, link) }
  }

  /// One faulty session and, after a loss or a cut, a sound one with the same model and dealer.
  private static func session(
    _ fault: Fault, _ trio: Trio, _ example: Example, _ inputs: [[Int64]], _ link: Trio.Link
  ) -> FaultEnding {
    let dealer = Trio.dealer(partnerSeconds: 1)
    let ending: FaultEnding
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

/// The same between two parties that prepare by lattices.
@Suite("Faults between two parties", .serialized)
struct LatticeFaultTests {
  /// Sessions compute here; a few at a time keep within their time-outs.
  private static let concurrency = 6

  @Test("Frames lost, doubled, misplaced, cut, stalled, and bits of every header field", arguments: Duo.Link.allCases)
  func frames(link: Duo.Link) throws {
    let example = Example(Self.program(), seed: 45)
    let duo = Duo(model: try example.model())
    let inputs = example.inputs(1, seed: 46)
    let clean = try duo.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    #expect(clean.frames >= 6)
    let faults = FaultRunner.frameFaults(clean.frames)
    var unnoticed: [Fault] = []
    for (fault, ending) in zip(faults, run(faults, duo, example, inputs, link)) {
      switch ending {
      case .result(let results):
        unnoticed.append(fault)
        #expect(results == clean.results, "\(fault) on \(link) changed the result and nobody noticed")
      case .error: break
      case .hung: Issue.record("\(fault) on \(link): a thread still runs")
      case .nextSessionFailed(let error): Issue.record("\(fault) on \(link): the next session failed: \(error)")
      }
    }
    let frames = Set(unnoticed.map(FaultRunner.frame))
    #expect(frames.isSubset(of: [clean.frames - 1]), "\(unnoticed) on \(link) went unnoticed")
  }

  @Test("Bits of payloads: no hang and no crash, whatever TLS would have stopped", arguments: Duo.Link.allCases)
  func payloads(link: Duo.Link) throws {
    let example = Example(Self.program(), seed: 47)
    // What a worker throws reaches its session.
    let duo = Duo(model: try example.model(), threads: 2)
    let inputs = example.inputs(1, seed: 48)
    let clean = try duo.run(batches: [inputs], prepared: 1, fault: .count, on: link, idle: .seconds(60))
    let faults = FaultRunner.payloadFaults(clean.frames)
    for (fault, ending) in zip(faults, run(faults, duo, example, inputs, link)) {
      if case .hung = ending { Issue.record("\(fault) on \(link): a thread still runs") }
    }
  }

  /// Every kind of frame that preparation has, in few sessions' time.
  private static func program() -> Program {
    var p = ProgramAssembler(TensorShape(channels: 2, height: 6, width: 6))
    p.linear(3, kernel: 3, padding: 1)
    p.activation(28, .exact, to: .word)
    p.add(.reshape, shape: TensorShape(vector: 108))
    p.linear(5)
    return p.finish(dropping: 8)
  }

  private func run(
    _ faults: [Fault], _ duo: Duo, _ example: Example, _ inputs: [[Int64]], _ link: Duo.Link
  ) -> [FaultEnding] {
    FaultRunner.run(faults, concurrency: Self.concurrency) { Self.session($0, duo, example, inputs, link) }
  }

  /// One faulty session and, after a loss or a cut, a sound one with the same model.
  private static func session(
    _ fault: Fault, _ duo: Duo, _ example: Example, _ inputs: [[Int64]], _ link: Duo.Link
  ) -> FaultEnding {
    let ending: FaultEnding
    do {
      ending = .result(
        try duo.run(batches: [inputs], prepared: 1, fault: fault, on: link, idle: .seconds(1)).results)
    } catch is Threads.Hung { return .hung } catch { ending = .error(error) }
    switch fault {
    case .drop, .cutFrame: break
    default: return ending
    }
    do {
      let result = try duo.run(batches: [inputs], prepared: 0, sessionName: "next").results
      let expected = example.twin.run(inputs[0])
      let largest = expected.map(abs).max()!
      guard zip(result[0], expected).allSatisfy({ abs($0 - $1) <= max(64, largest / 64) }) else {
        return .nextSessionFailed(InferenceError.sessionEnded)
      }
    } catch { return .nextSessionFailed(error) }
    return ending
  }
}
