import Daemons
import Foundation
import Logging
import Transport

/// What the daemons' commands share: log, metrics, administration port, signals.
struct DaemonRunner {
  let logger: Logger
  let metrics = MetricsRegistry()
  private let admin: NetworkAddress?

  init(label: String, common: CommonConfiguration) {
    logger = LineLogHandler.logger(label: label, level: common.logLevel, format: common.logFormat)
    admin = common.admin
  }

  /// Serves until SIGTERM or SIGINT. `stop` begins the graceful end, `wait` waits for it.
  func serve(
    isHealthy: @escaping @Sendable () -> Bool, start: () -> Void, stop: @escaping @Sendable () -> Void,
    wait: () -> Void
  ) throws {
    let server = try admin.map { try AdminServer(address: $0, metrics: metrics, isHealthy: isHealthy) }
    if let server { logger.info("the administration port answers", metadata: ["address": "\(server.address)"]) }
    let stopped = DispatchSemaphore(value: 0)
    let logger = logger
    TerminationSignals.handle { signal in
      logger.info("stopping", metadata: ["signal": "\(signal)"])
      stop()
      stopped.signal()
    }
    start()
    stopped.wait()
    wait()
    server?.stop()
  }
}
