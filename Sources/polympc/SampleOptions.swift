import ArgumentParser
import Foundation

/// Which samples of a file are meant: one index, or a half-open range `3..<10`.
struct SampleSelection: ExpressibleByArgument {
  var range: Range<Int>

  init?(argument: String) {
    if let index = Int(argument), index >= 0, index < Int.max {
      range = index..<(index + 1)
      return
    }
    let parts = argument.components(separatedBy: "..<")
    guard parts.count == 2, let first = Int(parts[0]), let end = Int(parts[1]), first >= 0, first < end else {
      return nil
    }
    range = first..<end
  }
}
