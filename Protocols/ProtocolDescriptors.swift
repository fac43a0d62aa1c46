public import Foundation

/// The descriptor files as they ship: each folder here holds `descriptor.json` and the specification it counts.
public enum ProtocolDescriptors {
  /// Folder names.
  public static let names = [
    "add", "change-ring", "comparison", "concatenate", "dealer", "input", "linear", "offset", "ot", "output",
    "outsourced",
    "pasnet", "pooling", "reshape", "rlwe", "store", "subsample-pad", "x2act",
  ]

  /// The bytes of one descriptor, or nil where the resources were not installed beside the executable.
  public static func data(_ name: String) -> Data? {
    guard names.contains(name) else { return nil }
    return folders.lazy.compactMap {
      try? Data(contentsOf: $0.appendingPathComponent("\(bundle)/\(name)/descriptor.json"))
    }.first
  }

  private static let bundle = "PolyMPCNet_ProtocolDescriptors.resources"

  /// Where resources may lie: beside the image that this code is part of, and beside the program. `Bundle.module` would
  /// stop the process where they are missing; callers of this report it in words.
  private static var folders: [URL] { [Bundle(for: Anchor.self).bundleURL, Bundle.main.bundleURL] }
  private final class Anchor {}
}
