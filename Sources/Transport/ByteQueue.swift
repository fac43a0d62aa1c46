import COpenSSL

/// First-in, first-out bytes in one block of memory that grows as needed and shrinks when it runs empty.
struct ByteQueue: ~Copyable {
  private var storage: UnsafeMutableRawBufferPointer
  private var head = 0
  private var tail = 0

  /// What is kept when the queue is empty.
  private static let resting = 1 << 19

  init(capacity: Int = Self.resting) {
    storage = .allocate(byteCount: capacity, alignment: 64)
  }

  deinit {
    // Plain streams pass shares through here.
    OPENSSL_cleanse(storage.baseAddress, storage.count)
    storage.deallocate()
  }

  var count: Int { tail - head }
  var isEmpty: Bool { tail == head }

  /// What can be read, in order.
  var readable: UnsafeRawBufferPointer { UnsafeRawBufferPointer(rebasing: storage[head..<tail]) }

  /// Free memory behind the last byte, at least `minimum` long; ``commit(_:)`` says how much of it was filled.
  mutating func reserve(_ minimum: Int) -> UnsafeMutableRawBufferPointer {
    if storage.count - tail < minimum {
      if head > 0, storage.count - count >= minimum, head >= storage.count / 2 {
        storage.baseAddress!.copyMemory(from: storage.baseAddress! + head, byteCount: count)
        tail -= head
        head = 0
      } else {
        resize(max(2 * storage.count, count + minimum))
      }
    }
    return UnsafeMutableRawBufferPointer(rebasing: storage[tail...])
  }

  mutating func commit(_ count: Int) { tail += count }

  mutating func append(_ bytes: UnsafeRawBufferPointer) {
    guard bytes.count > 0 else { return }
    reserve(bytes.count).copyMemory(from: bytes)
    commit(bytes.count)
  }

  /// Moves up to `buffer.count` bytes out and returns how many.
  mutating func take(into buffer: UnsafeMutableRawBufferPointer) -> Int {
    let size = min(buffer.count, count)
    guard size > 0 else { return 0 }
    buffer.copyMemory(from: UnsafeRawBufferPointer(rebasing: storage[head..<(head + size)]))
    drop(size)
    return size
  }

  mutating func drop(_ size: Int) {
    head += size
    guard head == tail else { return }
    (head, tail) = (0, 0)
    if storage.count > 8 * Self.resting { resize(Self.resting) }
  }

  private mutating func resize(_ capacity: Int) {
    let larger = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 64)
    let kept = count
    if kept > 0 { larger.copyMemory(from: readable) }
    OPENSSL_cleanse(storage.baseAddress, storage.count)
    storage.deallocate()
    storage = larger
    (head, tail) = (0, kept)
  }
}
