import Foundation

extension TraceFile {
  /// Bytes that a file may have.
  public static let maximumBytes = 1 << 28

  /// Reads a file as ``json()`` writes it.
  ///
  /// - Parameter name: the file's, for messages.
  /// - Throws: ``TraceError/malformed(file:reason:)`` naming the event.
  public init(json: [UInt8], name: String) throws {
    guard json.count <= Self.maximumBytes else {
      throw TraceError.malformed(file: name, reason: "it has more than \(Self.maximumBytes >> 20) MiB")
    }
    let decoded: Document
    do { decoded = try JSONDecoder().decode(Document.self, from: Data(json)) } catch {
      throw TraceError.malformed(file: name, reason: "it is not JSON with a list traceEvents of known events")
    }
    facts = decoded.otherData ?? [:]
    events = try decoded.traceEvents.enumerated().map { index, raw in
      guard let event = raw.event else {
        throw TraceError.malformed(
          file: name, reason: "event \(index) lacks a time, a duration or an id, or one is out of range")
      }
      return event
    }
  }

  private struct Document: Decodable {
    var traceEvents: [RawEvent]
    var otherData: [String: TraceValue]?
  }

  private struct RawEvent: Decodable {
    var ph: String
    var name: String
    var cat: String?
    var pid: Int
    var tid: Int
    var ts: Double?
    var dur: Double?
    var id: Int?
    var args: [String: TraceValue]?

    /// Nil where something is missing or out of range.
    var event: TraceEvent? {
      guard let phase = TraceEvent.Phase(rawValue: ph) else { return nil }
      let (time, duration) = (picoseconds(ts), picoseconds(dur))
      if phase != .metadata && time == nil { return nil }
      if phase == .complete && (duration ?? -1) < 0 { return nil }
      if (phase == .flowStart || phase == .flowEnd) && id == nil { return nil }
      return TraceEvent(
        phase, name: name, category: cat ?? "", process: pid, thread: tid, time: time ?? 0, duration: duration ?? 0,
        flow: id, arguments: (args ?? [:]).sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    }

    /// Within 53 days: far from overflow in what is computed with times.
    private func picoseconds(_ microseconds: Double?) -> Int? {
      guard let microseconds, abs(microseconds) <= Double(Int.max >> 1) / 1e6 else { return nil }
      return Int((microseconds * 1e6).rounded())
    }
  }
}

extension TraceValue: Decodable {
  /// Reads a JSON number or string.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if let value = try? container.decode(Int.self) {
      self = .integer(value)
    } else if let value = try? container.decode(Double.self) {
      self = .number(value)
    } else {
      self = .text(try container.decode(String.self))
    }
  }
}
