/// Once-only material of the samples of a batch: an owning list of noncopyable values.
public struct MaterialBatch<Material: ~Copyable>: ~Copyable {
  private let storage: UnsafeMutablePointer<Material>
  private let capacity: Int
  /// Samples.
  public private(set) var count = 0

  /// An empty list with room for `capacity` samples.
  public init(capacity: Int) {
    self.capacity = capacity
    storage = .allocate(capacity: max(capacity, 1))
  }

  deinit {
    storage.deinitialize(count: count)
    storage.deallocate()
  }

  /// Adds the next sample's material.
  public mutating func append(_ material: consuming Material) {
    precondition(count < capacity)
    (storage + count).initialize(to: material)
    count += 1
  }

  /// Lends the material of a sample.
  public borrowing func with<R: ~Copyable>(_ sample: Int, _ body: (borrowing Material) throws -> R) rethrows -> R {
    precondition(sample >= 0 && sample < count)
    return try body(storage[sample])
  }

  /// Lends the material of a sample for taking parts out of it.
  public mutating func withMutable<R: ~Copyable>(_ sample: Int, _ body: (inout Material) throws -> R) rethrows -> R {
    precondition(sample >= 0 && sample < count)
    return try body(&storage[sample])
  }
}
