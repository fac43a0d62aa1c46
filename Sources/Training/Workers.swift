import CKernels
import COpenBLAS
import Dispatch

/// Threads of the trainer.
///
/// Work over samples is cut into a fixed number of shards that does not depend on the number of threads, every shard is
/// computed by one thread in one order, and sums over shards are taken in the order of the shards. So the number of
/// threads changes no bit of a result.
public final class Workers {
  /// Shards of the samples of a batch.
  static let shards = 4
  /// Threads in use, 1 or more.
  public let threads: Int
  /// Instruction set of the float kernels.
  let isa: ck_isa
  private var scratch: [[FloatStorage?]]

  /// Workers on `threads` threads. Sets OpenBLAS to one thread a caller, for the whole process.
  public convenience init(threads: Int) {
    self.init(threads: threads, isa: [CK_AVX512, CK_AVX2].first { ck_float_isa_available($0) } ?? CK_SCALAR)
  }

  /// The same with a given instruction set, for tests.
  init(threads: Int, isa: ck_isa) {
    precondition(threads >= 1)
    precondition(ck_float_isa_available(isa), "this processor lacks the instruction set")
    self.threads = threads
    self.isa = isa
    openblas_set_num_threads(1)
    scratch = Array(repeating: Array(repeating: nil, count: 4), count: Workers.shards)
  }

  /// Calls `body(0) ... body(count - 1)`, several at a time; every call must touch memory of its own.
  func each(_ count: Int, _ body: (Int) -> Void) {
    if threads == 1 || count <= 1 {
      for index in 0..<count { body(index) }
    } else {
      let lanes = min(threads, count)
      withoutActuallyEscaping(body) { escapable in
        // Safe by the contract above: no two calls touch the same memory, and all have returned when this returns.
        nonisolated(unsafe) let shared = escapable
        DispatchQueue.concurrentPerform(iterations: lanes) { lane in
          for index in stride(from: lane, to: count, by: lanes) { shared(index) }
        }
      }
    }
  }

  /// Calls `body` for every channel, each on one thread.
  func eachChannel(_ channels: Int, _ body: (Int) -> Void) {
    each(Workers.shards) { shard in
      for channel in Workers.samples(of: shard, in: channels) { body(channel) }
    }
  }

  /// The samples (or rows, or channels) of one shard.
  static func samples(of shard: Int, in count: Int) -> Range<Int> {
    (count * shard / shards)..<(count * (shard + 1) / shards)
  }

  /// Prepares `slot` of every shard's scratch memory for `count` floats; call before `each`.
  func reserve(slot: Int, count: Int) {
    for shard in 0..<Workers.shards where (scratch[shard][slot]?.capacity ?? 0) < count {
      scratch[shard][slot] = FloatStorage(capacity: count)
    }
  }

  /// Scratch memory of a shard, as reserved.
  func scratch(shard: Int, slot: Int) -> UnsafeMutablePointer<Float> {
    scratch[shard][slot]!.pointer
  }

  /// Adds the first `count` floats of every shard's slot to `output`, in the order of the shards.
  func accumulateShards(slot: Int, count: Int, into output: UnsafeMutablePointer<Float>) {
    for shard in 0..<Workers.shards {
      let part = scratch(shard: shard, slot: slot)
      for index in 0..<count { output[index] += part[index] }
    }
  }
}
