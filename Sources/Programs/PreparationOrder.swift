/// In what order a bulk is prepared: first every linear step, whose masks are all drawn in advance, then every activation and
/// comparison, which need the data owner's shares of linear outputs. So a bulk takes few round trips, however deep the network.
///
/// Within a wave the data owner sends its requests ahead of the answers. Both parties handle requests in one order.
public struct PreparationOrder: Sendable {
  /// What the data owner does next.
  public enum Event: Hashable, Sendable {
    /// It sends what the other party needs for a step.
    case request(Int)
    /// It takes the answer.
    case collect(Int)
  }

  /// Bytes of requests that may be under way: enough to hide the time a link takes, and below what either end takes in before
  /// it is asked for (`StreamOptions.inboundLimit`), so that two ends that both send never wait for each other. LOCAL.
  public static let window = 32 << 20

  /// Steps of both waves, each in program order.
  public let waves: [[Int]]

  /// The order for a program.
  public init(_ program: Program) {
    waves = [
      program.linearSteps,
      program.steps.indices.filter {
        switch program.steps[$0].operation {
        case .activation, .comparison, .maxPool, .argMax: true
        default: false
        }
      },
    ]
  }

  /// The data owner's events in one wave.
  /// - Parameter bytes: what the request of a step takes; nil where a step takes several turns, so that nothing else may be under
  ///   way meanwhile.
  public static func events(_ wave: [Int], bytes: (Int) throws -> Int?) rethrows -> [Event] {
    var events: [Event] = []
    var open: [(step: Int, bytes: Int)] = []
    for step in wave {
      guard let size = try bytes(step) else {
        events += open.map { .collect($0.step) } + [.request(step), .collect(step)]
        open = []
        continue
      }
      while let first = open.first, open.reduce(size, { $0 + $1.bytes }) > window {
        events.append(.collect(first.step))
        open.removeFirst()
      }
      events.append(.request(step))
      open.append((step, size))
    }
    return events + open.map { .collect($0.step) }
  }

  /// Runs of comparisons from one on, as far as steps that compare follow one another in the second wave.
  public func comparisons(from step: Int, stage: Int, of program: Program) -> [ComparisonStage] {
    let comparing = Set(program.comparisonSteps)
    let following = waves[1].drop { $0 < step }.prefix { comparing.contains($0) }
    return following.flatMap { index in
      program.comparisonStages(index)!.dropFirst(index == step ? stage : 0)
    }
  }
}
