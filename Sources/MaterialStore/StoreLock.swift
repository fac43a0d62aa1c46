internal import Foundation

/// Holds a lock file for one process: the kernel lets go of it whenever the process ends, however it ends.
final class StoreLock: Sendable {
  private let descriptor: Int32

  init(path: String) throws {
    let descriptor = Foundation.open(path, O_CREAT | O_RDWR | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else {
      throw StoreError.unusable(path: path, reason: String(cString: strerror(errno)))
    }
    guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
      let isTaken = errno == EWOULDBLOCK
      let reason = String(cString: strerror(errno))
      close(descriptor)
      throw isTaken ? StoreError.inUse(path: path) : StoreError.unusable(path: path, reason: reason)
    }
    self.descriptor = descriptor
  }

  deinit { close(descriptor) }
}
