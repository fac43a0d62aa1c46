import Synchronization

/// Labels of one series: names and values.
public typealias MetricLabels = [String: String]

/// The metrics of one daemon, passed to whoever counts; there is no global registry.
///
/// A metric is declared once, with its help text, and may then be changed from any thread.
public final class MetricsRegistry: Sendable {
  private struct Histogram {
    var counts: [UInt64]
    var sum: Double = 0
    var count: UInt64 = 0
  }

  private struct Family {
    var kind: String
    var help: String
    var buckets: [Double] = []
    var values: [MetricLabels: Double] = [:]
    var histograms: [MetricLabels: Histogram] = [:]
  }

  private let families = Mutex<[String: Family]>([:])

  /// An empty registry.
  public init() {}

  /// Declares a counter, which only grows.
  public func counter(_ name: String, help: String) -> MetricCounter {
    families.withLock { $0[name] = $0[name] ?? Family(kind: "counter", help: help) }
    return MetricCounter(registry: self, name: name)
  }

  /// Declares a gauge, which may also fall.
  public func gauge(_ name: String, help: String) -> MetricGauge {
    families.withLock { $0[name] = $0[name] ?? Family(kind: "gauge", help: help) }
    return MetricGauge(registry: self, name: name)
  }

  /// Declares a histogram with upper bounds of its buckets, ascending; `+Inf` is added.
  public func histogram(_ name: String, help: String, buckets: [Double]) -> MetricHistogram {
    precondition(zip(buckets, buckets.dropFirst()).allSatisfy { $0 < $1 }, "bounds of buckets ascend")
    families.withLock { $0[name] = $0[name] ?? Family(kind: "histogram", help: help, buckets: buckets) }
    return MetricHistogram(registry: self, name: name)
  }

  fileprivate func add(_ name: String, _ labels: MetricLabels, _ amount: Double) {
    families.withLock { $0[name]?.values[labels, default: 0] += amount }
  }

  fileprivate func set(_ name: String, _ labels: MetricLabels, _ value: Double) {
    families.withLock { $0[name]?.values[labels] = value }
  }

  fileprivate func observe(_ name: String, _ labels: MetricLabels, _ value: Double) {
    families.withLock { families in
      guard let buckets = families[name]?.buckets else { return }
      let empty = Histogram(counts: [UInt64](repeating: 0, count: buckets.count))
      var histogram = families[name]?.histograms[labels] ?? empty
      for (index, bound) in buckets.enumerated() where value <= bound { histogram.counts[index] += 1 }
      histogram.sum += value
      histogram.count += 1
      families[name]?.histograms[labels] = histogram
    }
  }

  /// The value of a counter or gauge; 0 when it was never changed.
  public func value(_ name: String, _ labels: MetricLabels = [:]) -> Double {
    families.withLock { $0[name]?.values[labels] ?? 0 }
  }

  /// Prometheus' text format, version 0.0.4, families and series in alphabetical order.
  public func text() -> String {
    var lines: [String] = []
    for (name, family) in families.withLock({ $0 }).sorted(by: { $0.key < $1.key }) {
      lines.append("# HELP \(name) \(Self.escape(family.help, quote: false))")
      lines.append("# TYPE \(name) \(family.kind)")
      if family.kind != "histogram", family.values.isEmpty { lines.append("\(name) 0") }
      for (labels, value) in Self.ordered(family.values) {
        lines.append("\(name)\(Self.format(labels)) \(Self.format(value))")
      }
      for (labels, histogram) in Self.ordered(family.histograms) {
        for (bound, count) in zip(family.buckets, histogram.counts) {
          lines.append("\(name)_bucket\(Self.format(labels, bound: Self.format(bound))) \(count)")
        }
        lines.append("\(name)_bucket\(Self.format(labels, bound: "+Inf")) \(histogram.count)")
        lines.append("\(name)_sum\(Self.format(labels)) \(Self.format(histogram.sum))")
        lines.append("\(name)_count\(Self.format(labels)) \(histogram.count)")
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func ordered<Value>(_ series: [MetricLabels: Value]) -> [(MetricLabels, Value)] {
    series.map { ($0.key, $0.value) }.sorted { format($0.0) < format($1.0) }
  }

  private static func format(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
  }

  private static func format(_ labels: MetricLabels, bound: String? = nil) -> String {
    var parts = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\(escape($0.value, quote: true))\"" }
    if let bound { parts.append("le=\"\(bound)\"") }
    return parts.isEmpty ? "" : "{" + parts.joined(separator: ",") + "}"
  }

  private static func escape(_ text: String, quote: Bool) -> String {
    var escaped = ""
    for character in text {
      switch character {
      case "\\": escaped += "\\\\"
      case "\n": escaped += "\\n"
      case "\"" where quote: escaped += "\\\""
      default: escaped.append(character)
      }
    }
    return escaped
  }
}

/// A counter of a ``MetricsRegistry``.
public struct MetricCounter: Sendable {
  fileprivate let registry: MetricsRegistry
  fileprivate let name: String

  /// Adds a non-negative amount.
  public func add(_ amount: Double = 1, _ labels: MetricLabels = [:]) {
    precondition(amount >= 0, "a counter only grows")
    registry.add(name, labels, amount)
  }
}

/// A gauge of a ``MetricsRegistry``.
public struct MetricGauge: Sendable {
  fileprivate let registry: MetricsRegistry
  fileprivate let name: String

  /// Adds an amount, which may be negative.
  public func add(_ amount: Double, _ labels: MetricLabels = [:]) { registry.add(name, labels, amount) }
  /// Sets the value.
  public func set(_ value: Double, _ labels: MetricLabels = [:]) { registry.set(name, labels, value) }
}

/// A histogram of a ``MetricsRegistry``.
public struct MetricHistogram: Sendable {
  fileprivate let registry: MetricsRegistry
  fileprivate let name: String

  /// Counts one observation.
  public func observe(_ value: Double, _ labels: MetricLabels = [:]) { registry.observe(name, labels, value) }
}
