import Synchronization
import Testing

@testable import Lattice

@Suite struct WorkerPoolTests {
  private struct Failure: Error, Equatable { let index: Int }

  @Test(arguments: [1, 2, 5]) func resultsComeInOrder(threads: Int) throws {
    let pool = WorkerPool(threads: threads)
    for count in [0, 1, 2, 7, 1000] {
      let called = Mutex([Int](repeating: 0, count: count))
      let results = try pool.map(count) { index in
        called.withLock { $0[index] += 1 }
        return index * index
      }
      #expect(results == (0..<count).map { $0 * $0 })
      #expect(called.withLock { $0 }.allSatisfy { $0 == 1 })
      var received: [Int] = []
      try pool.forEach(count) {
        $0
      } receive: { index, value in
        #expect(index == value)
        received.append(value)
      }
      #expect(received == Array(0..<count))
    }
  }

  /// Two calls wait for one another, which one thread alone could not outlast.
  @Test func callsRunAtOnce() throws {
    let pool = WorkerPool(threads: 2)
    let present = Mutex(0)
    _ = try pool.map(2) { _ in
      present.withLock { $0 += 1 }
      while present.withLock({ $0 }) < 2 {}
    }
    #expect(present.withLock { $0 } == 2)
  }

  @Test(arguments: [1, 3]) func theLowestErrorIsThrownAndThePoolGoesOn(threads: Int) throws {
    let pool = WorkerPool(threads: threads)
    #expect(throws: Failure(index: 4)) {
      try pool.map(20) { index in if index >= 4 { throw Failure(index: index) } }
    }
    #expect(try pool.map(3) { $0 } == [0, 1, 2])
  }
}
