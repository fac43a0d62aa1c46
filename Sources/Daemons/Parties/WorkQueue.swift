import Foundation
import Inference
import Randomness
import Rings
import TwoParty

/// What one session has done for a query.
struct QueryOutcome: Sendable {
  /// Fixed-point outputs, one array a sample; none where shares were asked for.
  var outputs: [[Int64]]
  /// Server 1's share of the result, where shares were asked for.
  var share: SecretBytes?
  var seconds: Double
  var bytesSent: Int
  var bytesReceived: Int
  var rounds: Int
  var preparedOnDemand: Bool
}

/// Work that waits for a session of the data owner, and the place where its client waits.
final class WorkItem: @unchecked Sendable {
  // Unchecked: `state` and `attempts` are touched under the queue's lock only.
  enum Task {
    /// Fixed-point inputs, one array a sample.
    case query([[Int64]])
    /// The seed of server 1's shares of inputs, the query, and its name.
    case shared(SecretKey, ClientQuery, SharedQueryName)
    /// So many further inferences.
    case prepare(Int)
  }

  fileprivate enum State {
    case waiting, running, cancelled
    case done(Result<QueryOutcome?, DaemonsError>)
  }

  let task: Task
  fileprivate var state = State.waiting
  fileprivate var attempts = 0

  init(_ task: Task) { self.task = task }
}

/// The queue between control connections and sessions. First come, first served; bounded.
final class WorkQueue: @unchecked Sendable {
  // Unchecked: everything is touched under `lock`.
  /// Runs of a query whose session breaks before it is given up. Each run takes fresh material.
  static let maximumAttempts = 2

  private let limit: Int
  private let lock = NSCondition()
  private var items: [WorkItem] = []
  private var isClosed = false

  init(limit: Int) { self.limit = limit }

  /// Items that wait.
  var waiting: Int { lock.withLock { items.count } }

  /// Adds work and waits for its end.
  ///
  /// - Parameters:
  ///   - seconds: how long.
  ///   - isAbandoned: asked several times a second; true gives up.
  /// - Throws: ``DaemonsError/refused(code:reason:)``
  func run(_ item: WorkItem, seconds: Double, isAbandoned: () -> Bool) throws -> QueryOutcome? {
    let deadline = Date(timeIntervalSinceNow: seconds)
    lock.lock()
    defer { lock.unlock() }
    guard !isClosed else { throw DaemonsError.refused(code: .stopping, reason: "the daemon is stopping") }
    guard items.count < limit else {
      throw DaemonsError.refused(code: .busy, reason: "\(items.count) requests wait already; try again later")
    }
    items.append(item)
    lock.broadcast()
    while true {
      if case .done(let result) = item.state { return try result.get() }
      let now = Date()
      if now >= deadline || isAbandoned() {
        let wasRunning = if case .running = item.state { true } else { false }
        item.state = .cancelled
        items.removeAll { $0 === item }
        throw DaemonsError.refused(
          code: .timedOut,
          reason: "it took more than \(seconds) s"
            + (wasRunning ? "" : "; no session with the model owner was free, see the daemon's log"))
      }
      _ = lock.wait(until: min(deadline, now.addingTimeInterval(0.25)))
    }
  }

  /// The next item, or nil when none comes in time or the queue is closed.
  func take(seconds: Double) -> WorkItem? {
    lock.lock()
    defer { lock.unlock() }
    if items.isEmpty, !isClosed, seconds > 0 { _ = lock.wait(until: Date(timeIntervalSinceNow: seconds)) }
    guard !items.isEmpty else { return nil }
    let item = items.removeFirst()
    item.state = .running
    item.attempts += 1
    return item
  }

  /// Ends an item.
  func finish(_ item: WorkItem, _ result: Result<QueryOutcome?, DaemonsError>) {
    lock.withLock {
      if case .running = item.state { item.state = .done(result) }
      lock.broadcast()
    }
  }

  /// Puts an item back whose session broke, or ends it if it was tried often enough.
  func retry(_ item: WorkItem, failure: DaemonsError) {
    lock.withLock {
      guard case .running = item.state else { return }
      if item.attempts < Self.maximumAttempts, !isClosed {
        item.state = .waiting
        items.insert(item, at: 0)
      } else {
        item.state = .done(.failure(failure))
      }
      lock.broadcast()
    }
  }

  /// Refuses what waits and what comes; running items go on.
  func close() {
    lock.withLock {
      isClosed = true
      for item in items {
        item.state = .done(.failure(.refused(code: .stopping, reason: "the daemon is stopping")))
      }
      items = []
      lock.broadcast()
    }
  }
}
