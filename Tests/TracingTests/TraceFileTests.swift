import Foundation
import TestSupport
import Testing
import Tracing

@Suite struct TraceFileTests {
  private let file = TraceFile(
    events: TraceEvent.processName("model \"owner\"\n", process: 0)
      + TraceEvent.threadName("link", process: 0, thread: 3) + [
        TraceEvent(
          .complete, name: "conv1 send", category: "send", process: 0, thread: 3, time: 1_234_567_890_123, duration: 1,
          arguments: [("tile", .integer(4)), ("layer", .text("conv1"))]),
        TraceEvent(.flowStart, name: "message", category: "message", process: 0, thread: 3, time: -2_500_000, flow: 7),
        TraceEvent(.flowEnd, name: "message", category: "message", process: 1, thread: 1, time: 40_000_000, flow: 7),
      ], facts: ["offset_ps": .integer(-12), "share": .number(0.5), "title": .text("a\\b\u{1}")])

  /// Times are microseconds with all digits, and the fields are those of the format.
  @Test func isTheFormat() throws {
    let text = String(decoding: file.json(), as: UTF8.self)
    #expect(text.contains("\"ts\":1234567.890123,\"dur\":0.000001"))
    #expect(text.contains("\"ts\":-2.5,\"id\":7}"))
    #expect(text.contains("\"ts\":40,\"id\":7,\"bp\":\"e\"}"))
    let object = try #require(try JSONSerialization.jsonObject(with: Data(file.json())) as? [String: Any])
    let events = try #require(object["traceEvents"] as? [[String: Any]])
    #expect(events.count == file.events.count)
    #expect(events.map { $0["ph"] as? String } == ["M", "M", "M", "M", "s", "f", "X"])
    #expect(events.allSatisfy { $0["pid"] is Int && $0["tid"] is Int && $0["name"] is String })
    #expect((events[0]["args"] as? [String: String]) == ["name": "model \"owner\"\n"])
    #expect((object["otherData"] as? [String: Any])?["title"] as? String == "a\\b\u{1}")
  }

  @Test func isReadAgain() throws {
    let again = try TraceFile(json: file.json(), name: "t")
    #expect(again.facts == file.facts)
    #expect(again.events.count == file.events.count)
    for (a, b) in zip(again.events, file.events.prefix(4) + file.events.suffix(2) + [file.events[4]]) {
      #expect(a.phase == b.phase && a.name == b.name && a.category == b.category)
      #expect(a.process == b.process && a.thread == b.thread && a.time == b.time && a.duration == b.duration)
      #expect(a.flow == b.flow && a.argument("tile") == b.argument("tile"))
    }
  }

  /// What the rules of the format are for is found by them, each fault by its own.
  @Test func faultsAreFound() throws {
    func text(_ change: (inout [TraceEvent]) -> Void) -> [String] {
      var events = TraceEvent.processName("a", process: 0) + TraceEvent.threadName("b", process: 0, thread: 1)
      for (time, duration) in [(0, 100), (10, 20), (200, 50)] {
        events.append(
          TraceEvent(.complete, name: "x", category: "c", process: 0, thread: 1, time: time, duration: duration))
      }
      for (phase, time) in [(TraceEvent.Phase.flowStart, 15), (.flowEnd, 210)] {
        events.append(TraceEvent(phase, name: "m", category: "c", process: 0, thread: 1, time: time, flow: 1))
      }
      change(&events)
      return TraceFormat.faults(TraceFile(events: events).json())
    }
    #expect(text { _ in } == [])
    #expect(text { $0.removeFirst() }.contains { $0.contains("process 0 has 0 names") })
    #expect(text { $0.remove(at: 2) }.contains { $0.contains("thread 1 of process 0 has 0 names") })
    #expect(text { $0[5].duration = 95 }.contains { $0.contains("cross") })
    #expect(text { $0.removeLast() }.contains { $0.contains("one end") })
    #expect(text { $0[7].time = 150 }.contains { $0.contains("outside of all spans") })
    #expect(text { $0[7].time = 220 }.contains { $0.contains("back in time") })
    #expect(text { $0[4].name = "" }.contains { $0.contains("lacks ph, name") })
    let good = String(decoding: file.json(), as: UTF8.self)
    for (old, new) in [
      ("\"bp\":\"e\"", "\"bp\":\"s\""), ("\"ph\":\"X\"", "\"ph\":\"B\""), ("\"tid\":3", "\"tid\":\"3\""),
    ] {
      let before = TraceFormat.faults(Array(good.utf8)).count
      #expect(TraceFormat.faults(Array(good.replacingOccurrences(of: old, with: new).utf8)).count > before, "\(new)")
    }
    #expect(TraceFormat.faults(Array("[]".utf8)) != [])
  }

  @Test(arguments: [
    "", "[]", "{}", "{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"a\",\"pid\":0,\"tid\":0}]}",
    "{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"a\",\"pid\":0,\"tid\":0,\"ts\":1}]}",
    "{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"a\",\"pid\":0,\"tid\":0,\"ts\":1,\"dur\":-1}]}",
    "{\"traceEvents\":[{\"ph\":\"X\",\"name\":\"a\",\"pid\":0,\"tid\":0,\"ts\":1e300,\"dur\":1}]}",
    "{\"traceEvents\":[{\"ph\":\"s\",\"name\":\"a\",\"pid\":0,\"tid\":0,\"ts\":1}]}",
    "{\"traceEvents\":[{\"ph\":\"Q\",\"name\":\"a\",\"pid\":0,\"tid\":0,\"ts\":1}]}",
  ])
  func otherTextIsRefused(text: String) {
    #expect(throws: TraceError.self) { try TraceFile(json: Array(text.utf8), name: "t") }
  }
}

@Suite struct ClockAlignmentTests {
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ state >> 29
    }
  }

  /// Frames there and back with random delays, between clocks that differ by a known offset.
  private func sightings(offset: Int, seed: UInt64, count: Int, drift: Double = 0) -> [ClockAlignment.Sighting] {
    var numbers = Numbers(state: seed)
    var now = 5_000_000
    func second(_ time: Int) -> Int { time + offset + Int(Double(time) * drift) }
    return (0..<count).map { index in
      let delay = Int.random(in: 1000...900_000, using: &numbers)
      let isForward = index % 2 == 0
      let (sent, received) = (now, now + delay)
      now += delay + Int.random(in: 0...50_000, using: &numbers)
      return isForward
        ? ClockAlignment.Sighting(isForward: true, sent: sent, received: second(received))
        : ClockAlignment.Sighting(isForward: false, sent: second(sent), received: received)
    }
  }

  @Test(arguments: [0, 1, -1, 1_000_000_000_000, -86_400_000_000_000_000], [UInt64(1), 2, 3, 4])
  func findsAKnownSkew(offset: Int, seed: UInt64) throws {
    let found = try ClockAlignment(sightings(offset: offset, seed: seed, count: 200))
    #expect(abs(found.offset - offset) <= found.uncertainty)
    // Half of the least of 199 sums of two delays.
    #expect(found.uncertainty < 200_000 && found.roundTrips == 199)
  }

  /// Rates that differ by 50 parts in a million for the length of the exchange stay within what is stated and the drift.
  @Test func toleratesDrift() throws {
    let frames = sightings(offset: 777, seed: 9, count: 100, drift: 5e-5)
    let found = try ClockAlignment(frames)
    let drift = Int(5e-5 * Double(frames.map { max($0.sent, $0.received) }.max()!))
    #expect(abs(found.offset - 777) <= found.uncertainty + drift)
  }

  @Test func needsARoundTrip() {
    #expect(throws: TraceError.self) { try ClockAlignment([]) }
    #expect(throws: TraceError.self) {
      try ClockAlignment(sightings(offset: 3, seed: 1, count: 9).filter { $0.isForward })
    }
  }
}
