import Glibc
import Networks

/// Shape of a batch in memory order: channels, samples, rows, columns.
///
/// The channel is outermost: every channel of a whole batch is one contiguous row. A convolution of many samples is
/// then one matrix product that writes in place, batch normalisation and activations run over contiguous memory, and a
/// flattened feature map is the matrix `[features, samples]` that a fully connected layer wants.
public struct BatchShape: Hashable, Sendable {
  /// Channels of a feature map, or features of a vector.
  public var channels: Int
  /// Samples of the batch.
  public var samples: Int
  /// Rows of a feature map; 1 for a vector.
  public var height: Int
  /// Columns of a feature map; 1 for a vector.
  public var width: Int

  /// Describes a batch.
  public init(channels: Int, samples: Int, height: Int = 1, width: Int = 1) {
    self.channels = channels
    self.samples = samples
    self.height = height
    self.width = width
  }

  /// One number.
  public static let scalar = BatchShape(channels: 1, samples: 1)
  /// Pixels of one channel of one sample.
  public var pixels: Int { height * width }
  /// Elements of one channel over the batch.
  public var channelStride: Int { samples * height * width }
  /// All elements.
  public var count: Int { channels * samples * height * width }
  /// Elements of one sample.
  public var featureCount: Int { channels * height * width }
}

/// Floats on the heap, 64-byte aligned, with the shape of a batch (`BatchShape` gives the memory order).
///
/// Not thread-safe: the workers of one kernel write disjoint parts, everything else is sequential.
public final class FloatTensor {
  /// Shape; `pointer` has `shape.count` elements.
  public let shape: BatchShape
  let storage: FloatStorage

  init(shape: BatchShape, storage: FloatStorage) {
    precondition(storage.capacity >= shape.count)
    self.shape = shape
    self.storage = storage
  }

  /// A new tensor full of zeros.
  public convenience init(shape: BatchShape) {
    let storage = FloatStorage(capacity: shape.count)
    self.init(shape: shape, storage: storage)
    fill(0)
  }

  /// A new tensor with a copy of `values`, in memory order.
  public convenience init(shape: BatchShape, values: [Float]) {
    precondition(values.count == shape.count, "values do not match the shape")
    self.init(shape: shape)
    values.withUnsafeBufferPointer { pointer.update(from: $0.baseAddress!, count: values.count) }
  }

  /// Elements of the tensor.
  public var count: Int { shape.count }
  /// The elements, in memory order.
  public var pointer: UnsafeMutablePointer<Float> { storage.pointer }
  /// A copy of the elements.
  public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

  /// Copies the values of a parameter.
  func load(_ values: [Float], for key: ParameterKey) throws {
    guard values.count == count else {
      throw TrainingError.badParameter(
        node: key.node, name: key.name.rawValue, expected: count, found: values.count)
    }
    values.withUnsafeBufferPointer { pointer.update(from: $0.baseAddress!, count: values.count) }
  }

  /// Sets every element.
  public func fill(_ value: Float) {
    pointer.update(repeating: value, count: count)
  }
}

/// Memory of a tensor.
final class FloatStorage {
  let capacity: Int
  let pointer: UnsafeMutablePointer<Float>

  init(capacity: Int) {
    self.capacity = max(capacity, 1)
    let bytes = (self.capacity * MemoryLayout<Float>.stride + 63) / 64 * 64
    guard let raw = aligned_alloc(64, bytes) else { fatalError("out of memory: \(bytes) bytes for a tensor") }
    pointer = raw.bindMemory(to: Float.self, capacity: self.capacity)
  }

  deinit { free(pointer) }
}

/// Keeps the buffers of one training step for the next: after the first step nothing is allocated.
final class TensorPool {
  private var free: [Int: [FloatStorage]] = [:]
  /// Floats that were ever allocated: what the pool's tensors hold together.
  private(set) var allocated = 0

  /// A tensor with undefined contents.
  func take(_ shape: BatchShape) -> FloatTensor {
    let count = max(shape.count, 1)
    if let storage = free[count]?.popLast() { return FloatTensor(shape: shape, storage: storage) }
    allocated += count
    return FloatTensor(shape: shape, storage: FloatStorage(capacity: count))
  }

  /// Gives a tensor's memory back; the tensor must not be used afterwards.
  func give(_ tensor: FloatTensor) {
    free[tensor.storage.capacity, default: []].append(tensor.storage)
  }
}
