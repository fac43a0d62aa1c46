import CKernels
import Foundation

/// Resident memory of this process.
public enum ProcessMemory {
  /// To be called first in a process that prepares or computes with polynomials: freed buffers stay for the next ones, up to
  /// 256 MiB.
  public static func keepFreed() { ck_keep_memory() }

  /// Forgets the peak so far, after giving freed memory back.
  public static func resetPeak() {
    ck_release_memory()
    // 5 resets the peak (proc(5)); where it is not allowed the peak is that of the whole run.
    try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
  }

  /// Peak since the last reset, mebibytes; zero where the system does not tell.
  public static var peak: Double {
    guard let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap({ Double($0) })
    else { return 0 }
    return kibibytes / 1024
  }

  /// Keeps this process on one core.
  /// - Returns: whether the system did.
  @discardableResult public static func pin(toCore core: Int) -> Bool { ck_pin_to_core(Int32(core)) }
}
