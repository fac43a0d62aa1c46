internal import Rings

/// What was produced beyond what was asked for. An extension makes correlated transfers in batches; whole batches go
/// straight to whoever draws, the rest of a batch waits here. Memory is that of one batch.
struct Reservoir: ~Copyable {
  /// Transfers of a batch.
  let batch: Int
  private let memory: SecretWords
  private var left = 0

  init(batch: Int) {
    self.batch = batch
    memory = SecretWords(uninitialized: 2 * batch)
  }

  /// Transfers that are here.
  var count: Int { left }

  /// Writes `count` blocks; `produce` makes some number of whole batches at a place.
  mutating func draw(
    _ count: Int, into out: UnsafeMutablePointer<UInt64>,
    produce: (_ batches: Int, _ out: UnsafeMutablePointer<UInt64>) throws -> Void
  ) throws {
    var done = 0
    func missing() -> Int { count - done }
    done = take(count, out)
    if missing() >= batch {
      let batches = missing() / batch
      try produce(batches, out + 2 * done)
      done += batches * batch
    }
    if missing() > 0 {
      try produce(1, memory.pointer)
      left = batch
      done += take(missing(), out + 2 * done)
    }
  }

  private mutating func take(_ count: Int, _ out: UnsafeMutablePointer<UInt64>) -> Int {
    let size = min(count, left)
    guard size > 0 else { return 0 }
    out.update(from: memory.pointer + 2 * (batch - left), count: 2 * size)
    left -= size
    return size
  }
}
