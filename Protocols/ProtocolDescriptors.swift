public import Foundation

/// The descriptor files as they ship: each folder here holds `descriptor.json` and the specification it counts.
public enum ProtocolDescriptors {
  /// Folder names.
  public static let names = [
    "add", "dealer", "input", "linear", "output", "pooling", "reshape", "subsample-pad", "x2act",
  ]

  /// The bytes of one descriptor, or nil where the resources were not installed beside the executable.
  public static func data(_ name: String) -> Data? {
    guard names.contains(name) else { return nil }
    return try? Data(contentsOf: Bundle.module.bundleURL.appendingPathComponent("\(name)/descriptor.json"))
  }
}
