/// How a comparison cuts the low k - 1 bits of a k-bit word into digits, and the tree that joins them.
///
/// Protocols/comparison/spec.md. The digits are public. Leaf i is digit i, the lowest first; each level of the tree joins
/// neighbours (1, 0), (3, 2), ..., and an odd one at the top waits. Sizes are bits an element, called planes, because an operator
/// holds bit j of all elements side by side.
public struct ComparisonDigits: Codable, Hashable, Sendable {
  /// Bits of each digit, lowest first.
  public var widths: [Int]

  /// Bits of a digit that a transfer table may have.
  public static let widthRange = 1...6
  /// Digits of a comparison.
  public static let countRange = 1...32

  /// Takes the digits' widths, lowest first; ``isValid`` says whether they are possible.
  public init(widths: [Int]) { self.widths = widths }

  /// Whether every size and the width of the whole comparison (2...64) are possible.
  public var isValid: Bool {
    Self.countRange.contains(widths.count) && widths.allSatisfy { Self.widthRange.contains($0) }
      && widths.reduce(0, +) <= 63
  }

  /// k: bits of the words that are compared.
  public var bits: Int { digitBits + 1 }
  /// Bits of all digits together, k - 1.
  public var digitBits: Int { widths.reduce(0, +) }
  /// Digits.
  public var count: Int { widths.count }

  /// Bits that a leaf's table gives: whether the digit is greater, and, but for the lowest digit, whether it is equal.
  public static func lanes(_ digit: Int) -> Int { digit == 0 ? 1 : 2 }

  /// Bits of all tables that travel: entry 0 of each is zero and stays at home.
  public var tablePlanes: Int { widths.enumerated().reduce(0) { $0 + Self.lanes($1.offset) * ((1 << $1.element) - 1) } }
  /// Pads of all tables, entry 0 included.
  public var padPlanes: Int { widths.enumerated().reduce(0) { $0 + Self.lanes($1.offset) << $1.element } }
  /// Shares of all leaves, which are as many as the chosen pads.
  public var leafPlanes: Int { 2 * count - 1 }

  /// One level of the tree.
  public struct Level: Hashable, Sendable {
    /// Nodes that it reads.
    public var nodes: Int
    /// Nodes that it joins by twos.
    public var pairs: Int { nodes / 2 }
    /// Nodes that it leaves.
    public var results: Int { (nodes + 1) / 2 }
    /// Bits that each party opens: two for the lowest pair, which has no equality, three for any other.
    public var openPlanes: Int { 3 * pairs - 1 }
    /// Bits of its triples: a, b, ab, and but for the lowest pair b', ab'.
    public var triplePlanes: Int { 5 * pairs - 2 }
    /// Shared products among them: ab and ab'.
    public var productPlanes: Int { 2 * pairs - 1 }
  }

  /// The levels, leaves first.
  public var levels: [Level] {
    var levels: [Level] = []
    var nodes = count
    while nodes > 1 {
      levels.append(Level(nodes: nodes))
      nodes = (nodes + 1) / 2
    }
    return levels
  }

  /// Bits of all triples of a party.
  public var triplePlanes: Int { levels.reduce(0) { $0 + $1.triplePlanes } }
  /// Shared products among them.
  public var productPlanes: Int { levels.reduce(0) { $0 + $1.productPlanes } }

  /// One-way messages of a comparison with its multiplexer.
  public var messages: Int { 2 + (levels.count + 1) / 2 * 2 }
  /// Bits an element on the wire: tables, openings of both, and the two hidden bits; the multiplexer's two words come on top.
  public var wireBits: Int { tablePlanes + 2 * levels.reduce(0) { $0 + $1.openPlanes } + 2 }
  /// Correlated oblivious transfers that an element's material takes: a bit of a digit, two a joint of the tree, two for
  /// the multiplexer.
  public var transfers: Int { digitBits + 2 * (count - 1) + 2 }
}

/// What the digits of a comparison are chosen for.
public enum ComparisonPreference: String, Codable, Hashable, Sendable, CaseIterable {
  /// Fewest messages: for links whose delay counts.
  case messages
  /// Fewest bytes, two messages more, four beyond 35 bits: for links whose width counts.
  case bytes
}

extension ComparisonDigits {
  /// Digits for k-bit words.
  ///
  /// - Parameters:
  ///   - bits: k, 2...64.
  ///   - preference: `messages` gives 2 messages up to k = 5 and 4 up to k = 21; 6 are always enough. `bytes` takes 8 where
  ///     they save some.
  public init(bits: Int, preferring preference: ComparisonPreference = .messages) {
    precondition((2...64).contains(bits), "a comparison has 2 to 64 bits")
    let low = bits - 1
    if preference == .messages, low <= 4 {
      self.init(widths: [low])
    } else if preference == .messages, low <= 20 {
      self.init(even: low, count: min(4, low))
    } else {
      // A transfer is weighed like two bits on the wire: it costs one of preparation, and the time of another.
      let counts = preference == .messages ? 1...16 : Self.countRange
      let choices = counts.filter { $0 <= low && low <= 6 * $0 }.map { ComparisonDigits(even: low, count: $0) }
      self = choices.min { $0.wireBits + 2 * $0.transfers < $1.wireBits + 2 * $1.transfers }!
    }
  }

  /// Digits as equal as can be, the wider ones lowest: the lowest digit has the smaller table.
  public init(even bits: Int, count: Int) {
    self.init(widths: (0..<count).map { bits / count + ($0 < bits % count ? 1 : 0) })
  }
}
