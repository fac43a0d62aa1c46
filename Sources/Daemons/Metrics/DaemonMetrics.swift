import MaterialStore
import Transport

/// The metrics that all daemons share; a series that a role never changes stays at zero.
struct DaemonMetrics: Sendable {
  let queries: MetricCounter
  let samples: MetricCounter
  let querySeconds: MetricHistogram
  let bytes: MetricCounter
  let sessions: MetricGauge
  let sessionsEnded: MetricCounter
  let prepared: MetricGauge
  let stored: MetricGauge
  let storedBytes: MetricGauge
  let preparedTotal: MetricCounter
  let prepareSeconds: MetricHistogram
  let onDemand: MetricCounter
  let failures: MetricCounter

  init(_ registry: MetricsRegistry) {
    queries = registry.counter("polympc_queries_total", help: "Queries, by outcome.")
    samples = registry.counter("polympc_samples_total", help: "Samples classified.")
    querySeconds = registry.histogram(
      "polympc_query_seconds", help: "Seconds from a query's arrival to its answer.",
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30])
    bytes = registry.counter(
      "polympc_bytes_total", help: "Bytes with the other party, framing included, by direction and phase.")
    sessions = registry.gauge("polympc_sessions", help: "Sessions that are open.")
    sessionsEnded = registry.counter("polympc_sessions_ended_total", help: "Sessions that ended, by outcome.")
    prepared = registry.gauge("polympc_prepared_inferences", help: "Inferences prepared and at hand in memory.")
    stored = registry.gauge("polympc_store_inferences", help: "Inferences that wait in the store.")
    storedBytes = registry.gauge("polympc_store_bytes", help: "Bytes of material in the store.")
    preparedTotal = registry.counter("polympc_prepared_inferences_total", help: "Inferences prepared since the start.")
    prepareSeconds = registry.histogram(
      "polympc_prepare_seconds", help: "Seconds that the preparation of a bulk takes.",
      buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60])
    onDemand = registry.counter(
      "polympc_prepared_on_demand_total", help: "Inferences prepared while a query waited.")
    failures = registry.counter("polympc_failures_total", help: "Failures, by reason.")
  }

  /// Shows what a store holds.
  func show(_ store: MaterialStore?) {
    guard let store else { return }
    stored.set(Double(store.readyCount))
    storedBytes.set(Double(store.heldBytes))
  }

  /// Counts the bytes between two readings of a channel's meters.
  func count(_ meters: ChannelMeters, phase: String) {
    bytes.add(Double(meters.totalSent), ["direction": "sent", "phase": phase])
    bytes.add(Double(meters.totalReceived), ["direction": "received", "phase": phase])
  }
}

/// A short name of an error, for a metric's label: few values, none chosen by a peer.
func failureReason(_ error: any Error) -> String {
  switch error {
  case let error as TransportError:
    switch error {
    case .timedOut: "timed-out"
    case .peerClosed, .socketFailed: "connection-lost"
    case .interrupted: "interrupted"
    case .handshakeFailed, .notTLS, .fingerprintMismatch, .refusedByPeer: "handshake"
    case .helloMismatch, .malformedHello: "hello"
    case .cannotConnect, .cannotResolve: "unreachable"
    default: "protocol"
    }
  default: "protocol"
  }
}
