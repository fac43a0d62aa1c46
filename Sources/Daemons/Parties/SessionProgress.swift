import Inference
import Programs

/// What a session of the data owner's daemon is busy with, and how far it is. Public, as the program is.
public struct SessionProgress: Codable, Sendable, Equatable {
  /// What it does.
  public enum Work: String, Codable, Sendable {
    /// Inferences are prepared.
    case preparation
    /// A query runs.
    case query
  }

  /// What it does.
  public var work: Work
  /// Inferences that are prepared together, or samples of the query.
  public var count: Int
  /// Number of the layer that it is at, from one.
  public var layer: Int
  /// Layers altogether.
  public var layers: Int
  /// The layer's name.
  public var name: String

  /// A clause for people.
  public var text: String {
    let what = work == .preparation ? "preparing" : "asking"
    return "\(what) \(count == 1 ? "one" : "\(count)"), layer \(layer) of \(layers) (\(name))"
  }
}

/// Tells how far a session is, and passes on what it hears to a trace.
final class ProgressObserver: SessionObserver {
  private let program: Program
  private let next: (any SessionObserver)?
  private let show: (SessionProgress?) -> Void
  /// Steps that have material, in the order in which it is made.
  private let prepared: [Int]
  private var open: [SessionActivity] = []
  private var progress: SessionProgress?

  /// - Parameter show: gets what the session is busy with; nil where it is idle.
  init(program: Program, next: (any SessionObserver)?, show: @escaping (SessionProgress?) -> Void) {
    (self.program, self.next, self.show) = (program, next, show)
    prepared = PreparationOrder(program).waves.flatMap { $0 }
  }

  func begin(_ activity: SessionActivity) {
    next?.begin(activity)
    open.append(activity)
    switch activity {
    case .preparation(let inferences):
      progress = SessionProgress(work: .preparation, count: inferences, layer: 0, layers: prepared.count, name: "")
    case .query(let samples):
      progress = SessionProgress(work: .query, count: samples, layer: 0, layers: program.steps.count, name: "")
    case .step(let index): advance(index + 1, index)
    case .lease: break
    }
  }

  func prepares(step: Int) {
    next?.prepares(step: step)
    advance((prepared.firstIndex(of: step) ?? 0) + 1, step)
  }

  func end() {
    next?.end()
    _ = open.popLast()
    guard open.isEmpty else { return }
    progress = nil
    show(nil)
  }

  private func advance(_ layer: Int, _ step: Int) {
    progress?.layer = layer
    progress?.name = program.steps[step].name
    show(progress)
  }
}
