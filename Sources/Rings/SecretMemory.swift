internal import CKernels

/// Words on the heap that are overwritten when the last reference goes.
///
/// A reference type: written only by its creator, before it is shared. The address is fixed and 64-byte aligned.
public final class SecretWords: @unchecked Sendable {
  /// Number of words.
  public let count: Int
  private let storage: UnsafeMutableRawPointer

  /// Words of unspecified content, to be written before they are read.
  public init(uninitialized count: Int) {
    precondition(count >= 0 && count <= Int.max / 16, "SecretWords: count out of range")
    self.count = count
    storage = .allocate(byteCount: max(count * 8, 64), alignment: 64)
    storage.bindMemory(to: UInt64.self, capacity: count)
  }

  /// Words that are all zero.
  public convenience init(zeros count: Int) {
    self.init(uninitialized: count)
    pointer.initialize(repeating: 0, count: count)
  }

  /// A copy of `values`.
  public convenience init(_ values: [UInt64]) {
    self.init(uninitialized: values.count)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.initialize(from: base, count: source.count) }
    }
  }

  deinit {
    ck_zeroize(storage, count * 8)
    storage.deallocate()
  }

  /// The first word; valid while this object lives.
  ///
  /// A local constant of this type lives to the end of its scope, but an element of a local array does not: the
  /// compiler may release the array after its last use, and the memory is then overwritten. Where only an array holds
  /// the object, enclose the use of the pointer in `withExtendedLifetime`.
  public var pointer: UnsafeMutablePointer<UInt64> { storage.assumingMemoryBound(to: UInt64.self) }

  /// All words; valid while this object lives.
  public var buffer: UnsafeMutableBufferPointer<UInt64> { .init(start: pointer, count: count) }

  /// A copy, which is not overwritten when it goes: for tests and for results that are public.
  public func array() -> [UInt64] { Array(buffer) }
}

/// Bytes on the heap (keys, packed bits) that are overwritten when the last reference goes.
///
/// A reference type: written only by its creator, before it is shared. The address is fixed and 64-byte aligned.
public final class SecretBytes: @unchecked Sendable {
  /// Number of bytes.
  public let count: Int
  private let storage: UnsafeMutableRawPointer

  /// Bytes of unspecified content, to be written before they are read.
  public init(uninitialized count: Int) {
    precondition(count >= 0, "SecretBytes: count out of range")
    self.count = count
    storage = .allocate(byteCount: max(count, 64), alignment: 64)
    storage.bindMemory(to: UInt8.self, capacity: count)
  }

  /// Bytes that are all zero.
  public convenience init(zeros count: Int) {
    self.init(uninitialized: count)
    pointer.initialize(repeating: 0, count: count)
  }

  /// A copy of `values`.
  public convenience init(_ values: [UInt8]) {
    self.init(uninitialized: values.count)
    values.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.initialize(from: base, count: source.count) }
    }
  }

  deinit {
    ck_zeroize(storage, count)
    storage.deallocate()
  }

  /// The first byte; valid while this object lives.
  ///
  /// A local constant of this type lives to the end of its scope, but an element of a local array does not: the
  /// compiler may release the array after its last use, and the memory is then overwritten. Where only an array holds
  /// the object, enclose the use of the pointer in `withExtendedLifetime`.
  public var pointer: UnsafeMutablePointer<UInt8> { storage.assumingMemoryBound(to: UInt8.self) }

  /// All bytes; valid while this object lives.
  public var buffer: UnsafeMutableBufferPointer<UInt8> { .init(start: pointer, count: count) }

  /// A copy, which is not overwritten when it goes: for tests and for results that are public.
  public func array() -> [UInt8] { Array(buffer) }
}
