extension TraceFile {
  /// The file's text, UTF-8: times in microseconds, as the format has them, with all digits. Names come first, then all events in
  /// the order of time, spans before what lies in them.
  public func json() -> [UInt8] {
    var text = TraceText()
    text.bytes.reserveCapacity(160 * events.count + 256)
    text.put("{\"displayTimeUnit\":\"ns\",\"otherData\":")
    text.put(facts.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
    text.put(",\"traceEvents\":[")
    for (index, event) in ordered().enumerated() {
      text.put(index == 0 ? "\n" : ",\n")
      text.put(event)
    }
    text.put("\n]}\n")
    return text.bytes
  }

  private func ordered() -> [TraceEvent] {
    func rank(_ index: Int) -> (Int, Int, Int, Int, Int) {
      let event = events[index]
      switch event.phase {
      case .metadata: return (0, 0, 0, 0, index)
      case .complete: return (1, event.time, 0, -event.duration, index)
      case .flowStart, .flowEnd: return (1, event.time, 1, 0, index)
      }
    }
    return events.indices.map(rank).sorted { $0 < $1 }.map { events[$0.4] }
  }
}

/// JSON text that grows.
private struct TraceText {
  var bytes: [UInt8] = []

  mutating func put(_ text: String) { bytes += text.utf8 }

  mutating func put(_ event: TraceEvent) {
    put("{\"ph\":\"\(event.phase.rawValue)\",\"name\":")
    quote(event.name)
    if !event.category.isEmpty {
      put(",\"cat\":")
      quote(event.category)
    }
    put(",\"pid\":\(event.process),\"tid\":\(event.thread)")
    if event.phase != .metadata {
      put(",\"ts\":")
      microseconds(event.time)
    }
    if event.phase == .complete {
      put(",\"dur\":")
      microseconds(event.duration)
    }
    if let flow = event.flow { put(",\"id\":\(flow)") }
    // Without it an arrow ends at the next span that begins, not in the one that holds it.
    if event.phase == .flowEnd { put(",\"bp\":\"e\"") }
    let arguments = event.arguments
    if !arguments.isEmpty {
      put(",\"args\":")
      put(arguments)
    }
    put("}")
  }

  mutating func put(_ fields: [(name: String, value: TraceValue)]) {
    put("{")
    for (index, field) in fields.enumerated() {
      if index > 0 { put(",") }
      quote(field.name)
      put(":")
      switch field.value {
      case .integer(let value): put("\(value)")
      case .number(let value): if value.isFinite { put("\(value)") } else { quote("\(value)") }
      case .text(let value): quote(value)
      }
    }
    put("}")
  }

  /// Picoseconds as a decimal number of microseconds.
  private mutating func microseconds(_ picoseconds: Int) {
    let magnitude = picoseconds.magnitude
    if picoseconds < 0 { put("-") }
    put("\(magnitude / 1_000_000)")
    var rest = magnitude % 1_000_000
    guard rest > 0 else { return }
    put(".")
    var unit: UInt = 100_000
    while rest > 0 {
      bytes.append(UInt8(ascii: "0") + UInt8(rest / unit))
      rest %= unit
      unit /= 10
    }
  }

  private mutating func quote(_ text: String) {
    bytes.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"):
        bytes.append(UInt8(ascii: "\\"))
        bytes.append(byte)
      case 0..<32: put("\\u00" + (byte < 16 ? "0" : "1") + String(byte % 16, radix: 16))
      default: bytes.append(byte)
      }
    }
    bytes.append(UInt8(ascii: "\""))
  }
}
