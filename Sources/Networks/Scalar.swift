import Foundation

/// The few real functions that Swift's standard library leaves to the C library.
enum Scalar {
  static func sqrt(_ x: Double) -> Double { x.squareRoot() }
  static func exp(_ x: Double) -> Double { Foundation.exp(x) }
  static func log(_ x: Double) -> Double { Foundation.log(x) }
  static func log2(_ x: Double) -> Double { Foundation.log2(x) }
  static func cos(_ x: Double) -> Double { Foundation.cos(x) }
  static func exp2(_ x: Double) -> Double { Foundation.exp2(x) }
  /// `2^exponent`, exact.
  static func power(_ exponent: Int) -> Double { Double(sign: .plus, exponent: exponent, significand: 1) }
  /// Three significant digits for people.
  static func format(_ x: Double) -> String { x == 0 ? "0" : String(format: "%.3g", x) }
}
