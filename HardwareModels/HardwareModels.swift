public import Foundation

/// The model files as they ship: folders of JSON, described in README.md beside this file.
public enum HardwareModels {
  /// Names of the files of a folder, without their extension, sorted; nil where the resources were not installed beside the
  /// executable.
  public static func names(in folder: String) -> [String]? {
    folders.lazy.compactMap { try? FileManager.default.contentsOfDirectory(atPath: "\($0.path)/\(bundle)/\(folder)") }
      .first?
      .filter { $0.hasSuffix(".json") }.map { String($0.dropLast(5)) }.sorted()
  }

  /// The bytes of one file, or nil where there is none.
  public static func data(_ folder: String, _ name: String) -> Data? {
    guard !name.contains("/") else { return nil }
    return folders.lazy.compactMap {
      try? Data(contentsOf: $0.appendingPathComponent("\(bundle)/\(folder)/\(name).json"))
    }.first
  }

  private static let bundle = "PolyMPCNet_HardwareModels.resources"

  /// Where resources may lie: beside the image that this code is part of, and beside the program.
  private static var folders: [URL] { [Bundle(for: Anchor.self).bundleURL, Bundle.main.bundleURL] }
  private final class Anchor {}
}
