public import Lattice
import Randomness
import Rings

/// Transforms of one prime of 50 bits, on the calling thread.
public enum TransformBenchmark {
  /// Transforms in one timing.
  private static let batch = 64

  /// Times both ways, and checks that the way back leads back.
  ///
  /// - Parameter repetitions: timings, each of `batch` transforms one on the other's result.
  public static func run(
    name: String, degree: Int, variant: TransformVariant, repetitions: Int, net: String
  ) -> BenchmarkResult {
    ProcessMemory.resetPeak()
    let prime = LatticePrimes.largest(bits: 50, count: 1)[0]
    let table = NTTTables(degree: degree, prime: prime, variant: variant)
    let words = StreamGenerator(publicSeed: 73).secretWords(.word, count: degree)
    for index in 0..<degree { words.pointer[index] %= prime }
    let start = words.array()
    var (there, back): ([Double], [Double]) = ([], [])
    // One that does not count, then the repetitions.
    for repetition in 0...repetitions {
      let began = SystemCall.seconds()
      for _ in 0..<batch { table.forward(words.pointer) }
      let turned = SystemCall.seconds()
      for _ in 0..<batch { table.inverse(words.pointer) }
      guard repetition > 0 else { continue }
      there.append((turned - began) / Double(batch))
      back.append((SystemCall.seconds() - turned) / Double(batch))
    }
    let wrong = zip(words.array(), start).count { $0 != $1 }
    return BenchmarkResult(
      case: name, phase: BenchmarkPhase.kernel.rawValue, source: "none", net: net,
      seconds: BenchmarkDataOwner.median(there), allS: there, bytesTotal: 0, rounds: 0,
      peakRssMb: BenchmarkResult.Memory(modelOwner: nil, dataOwner: ProcessMemory.peak), maxAbsErr: Double(wrong),
      threads: 1, inferences: 1, elements: degree, inverseSeconds: BenchmarkDataOwner.median(back),
      variant: "\(variant)")
  }
}
