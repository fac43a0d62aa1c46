/// What a session is busy with. Everything here is public.
public enum SessionActivity: Hashable, Sendable {
  /// A bulk of so many inferences is prepared.
  case preparation(inferences: Int)
  /// Rows are taken out of a store.
  case lease
  /// A query of so many samples.
  case query(samples: Int)
  /// A step of the program, by index, within a query.
  case step(Int)
}

/// Told what a session does, on its thread. Activities nest; one that fails is not ended.
public protocol SessionObserver: AnyObject {
  /// An activity begins.
  func begin(_ activity: SessionActivity)
  /// The activity that began last ends.
  func end()
  /// Within a preparation: the material of a step is about to be made.
  func prepares(step: Int)
}

extension SessionObserver {
  /// Nothing, unless an observer cares.
  public func prepares(step: Int) {}
}
