import CMemcheck
import Glibc
import Rings

/// Runs all cases under memcheck; see ../kernels/harness.h for the method.
@main
enum ConstantTime {
  static func main() throws {
    guard ct_is_watched() != 0 else {
      print("constant-time: run this under valgrind")
      exit(2)
    }
    guard seesJumps() else {
      print("constant-time: a jump that depends on a secret went unseen")
      exit(2)
    }
    var failed = 0
    let cases = RingCases.all + TransferCases.all + PartyCases.all
    for (name, body) in cases {
      let before = ct_errors()
      try body()
      let errors = ct_errors() - before
      if errors > 0 {
        failed += 1
        print("FAILED: \(name), \(errors) times")
      }
    }
    print("memcheck: \(failed) of \(cases.count) protocols and ring operations failed")
    exit(failed == 0 ? 0 : 1)
  }

  /// Proves that the run sees what it looks for.
  @inline(never)
  private static func seesJumps() -> Bool {
    let before = ct_errors()
    let words = SecretSource(0).words(64, .word)
    var taken = 0
    for index in 0..<words.count where words.pointer[index] >> 40 & 1 == 1 { write(-1, nil, 0); taken += 1 }
    return ct_errors() > before && taken >= 0
  }
}
