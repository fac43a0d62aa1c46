internal import CKernels

/// Bit-sliced and word loops of the comparison protocol (Protocols/comparison/spec.md).
///
/// A plane is one bit of many elements, bit i % 8 of byte i / 8; the planes of a call lie one after the other, `bytes` bytes
/// each. What lies beyond the last element in a plane's last byte is undefined until ``trim(_:planes:count:)``. Widths of digits
/// are 1...6, lowest digit first. No branch and no address depends on a word or a bit. All variants give the same bits.
public struct ComparisonKernels: Sendable {
  private let isa: Int32

  /// - Parameter variant: an instruction set that this processor has.
  public init(variant: KernelVariant = .best) {
    precondition(variant.isAvailable, "this processor lacks the instruction set \(variant)")
    isa = Int32(variant.rawValue)
  }

  /// Plane b is bit b of each word, for b below `bits`.
  public func slice(_ words: UnsafePointer<UInt64>, count: Int, bits: Int, planes: UnsafeMutablePointer<UInt8>) {
    precondition((1...64).contains(bits))
    ck_slice(isa, words, count, UInt32(bits), planes, (count + 7) / 8)
  }

  /// Clears what lies beyond `count` elements in each plane.
  public static func trim(_ bits: UnsafeMutablePointer<UInt8>, planes: Int, count: Int) { ck_trim(bits, planes, count) }

  /// P0's tables and leaf shares from the planes of z0's low bits and its pads.
  public func tables(
    _ widths: [UInt8], bytes: Int, z: UnsafePointer<UInt8>, pads: UnsafePointer<UInt8>,
    tables: UnsafeMutablePointer<UInt8>, leaves: UnsafeMutablePointer<UInt8>
  ) {
    check(widths)
    ck_compare_tables(isa, widths, UInt32(widths.count), bytes, z, pads, tables, leaves)
  }

  /// P1's leaf shares from its digits, the tables and its chosen pads.
  public func leaves(
    _ widths: [UInt8], bytes: Int, choices: UnsafePointer<UInt8>, tables: UnsafePointer<UInt8>,
    chosen: UnsafePointer<UInt8>, leaves: UnsafeMutablePointer<UInt8>
  ) {
    check(widths)
    ck_compare_leaves(isa, widths, UInt32(widths.count), bytes, choices, tables, chosen, leaves)
  }

  /// The pads that digits choose.
  public func choose(
    _ widths: [UInt8], bytes: Int, choices: UnsafePointer<UInt8>, pads: UnsafePointer<UInt8>,
    chosen: UnsafeMutablePointer<UInt8>
  ) {
    check(widths)
    ck_compare_choose(isa, widths, UInt32(widths.count), bytes, choices, pads, chosen)
  }

  /// Moves pad j of every digit to j xor its digit of `shift`, in place.
  public func permute(
    _ widths: [UInt8], bytes: Int, shift: UnsafePointer<UInt8>, pads: UnsafeMutablePointer<UInt8>
  ) {
    check(widths)
    ck_compare_permute(isa, widths, UInt32(widths.count), bytes, shift, pads)
  }

  /// The bits that a party opens on a level of `nodes` nodes.
  public func open(
    nodes: Int, bytes: Int, shares: UnsafePointer<UInt8>, triples: UnsafePointer<UInt8>,
    opened: UnsafeMutablePointer<UInt8>
  ) {
    ck_compare_open(isa, UInt32(nodes), bytes, shares, triples, opened)
  }

  /// Joins the pairs of a level in place.
  public func join(
    leads: Bool, nodes: Int, bytes: Int, shares: UnsafeMutablePointer<UInt8>, triples: UnsafePointer<UInt8>,
    own: UnsafePointer<UInt8>, peer: UnsafePointer<UInt8>
  ) {
    ck_compare_join(isa, leads ? 1 : 0, UInt32(nodes), bytes, shares, triples, own, peer)
  }

  /// The products that complete `first` party's triples of a level, given both parties' factors and the second one's shares.
  public func products(
    nodes: Int, bytes: Int, first: UnsafePointer<UInt8>, second: UnsafePointer<UInt8>,
    products: UnsafeMutablePointer<UInt8>
  ) {
    ck_compare_products(isa, UInt32(nodes), bytes, first, second, products)
  }

  /// Adds `unit` times a number to each word of Z_2^64, and -`unit` times it from element `negatedFrom` on.
  ///
  /// - Parameters:
  ///   - planes: the numbers' bits, the lowest first.
  ///   - bits: of a number, 1...64.
  ///   - negatedFrom: may lie outside of 0..<`count`.
  public func add(
    _ planes: UnsafePointer<UInt8>, bits: Int, unit: UInt64, negatedFrom: Int = .max, count: Int,
    to words: UnsafeMutablePointer<UInt64>
  ) {
    precondition((1...64).contains(bits))
    ck_add_planes(isa, planes, UInt32(bits), (count + 7) / 8, unit, max(0, min(negatedFrom, count)), count, words)
  }

  // MARK: Multiplexer

  /// P0: delta0 = b0 xor rho0, D = m0 (1 - 2 b0) - g.
  public func select(
    _ kind: ModulusKind, count: Int, b0: UnsafePointer<UInt8>, rho0: UnsafePointer<UInt8>, m0: UnsafePointer<UInt64>,
    g: UnsafePointer<UInt64>, delta0: UnsafeMutablePointer<UInt8>, d: UnsafeMutablePointer<UInt64>
  ) {
    ck_mux_select(isa, kind.number, count, b0, rho0, m0, g, delta0, d)
  }

  /// P1: delta1 = b1 xor rho1, and y1 + offset.
  public func answer(
    _ kind: ModulusKind, count: Int, b1: UnsafePointer<UInt8>, rho1: UnsafePointer<UInt8>,
    delta0: UnsafePointer<UInt8>, d: UnsafePointer<UInt64>, operand: UnsafePointer<UInt64>,
    h1: UnsafePointer<UInt64>, w1: UnsafePointer<UInt64>, offset: UnsafePointer<UInt64>,
    delta1: UnsafeMutablePointer<UInt8>, answer: UnsafeMutablePointer<UInt64>
  ) {
    ck_mux_answer(isa, kind.number, count, b1, rho1, delta0, d, operand, h1, w1, offset, delta1, answer)
  }

  /// P0: y0 + answer (+ base). The output may be `answer`.
  public func close(
    _ kind: ModulusKind, count: Int, b0: UnsafePointer<UInt8>, delta0: UnsafePointer<UInt8>,
    delta1: UnsafePointer<UInt8>, m0: UnsafePointer<UInt64>, h0: UnsafePointer<UInt64>, w0: UnsafePointer<UInt64>,
    base: UnsafePointer<UInt64>?, answer: UnsafePointer<UInt64>, out: UnsafeMutablePointer<UInt64>
  ) {
    ck_mux_close(isa, kind.number, count, b0, delta0, delta1, m0, h0, w0, base, answer, out)
  }

  /// out = -x where the bit is set, x elsewhere. The output may be `x`.
  public static func negate(
    _ kind: ModulusKind, where bits: UnsafePointer<UInt8>, _ x: UnsafePointer<UInt64>, count: Int,
    out: UnsafeMutablePointer<UInt64>
  ) {
    ck_negate_where(kind.number, count, bits, x, out)
  }

  /// out = x where the bit is set, 0 elsewhere. The output may be `x`.
  public static func keep(
    where bits: UnsafePointer<UInt8>, _ x: UnsafePointer<UInt64>, count: Int, out: UnsafeMutablePointer<UInt64>
  ) {
    ck_keep_where(count, bits, x, out)
  }

  /// Shares of floor(x / 2^shift) in `kind` from shares of x in Z_2^64, each party alone: the one that leads floors, the other
  /// negates, floors, negates. Off by one unit at most, and by a whole turn with probability |x|/2^64.
  public static func truncate(
    leads: Bool, shift: Int, _ share: UnsafePointer<UInt64>, count: Int, to kind: ModulusKind,
    out: UnsafeMutablePointer<UInt64>
  ) {
    precondition((0...63).contains(shift), "shift out of range")
    ck_truncate_share(kind.number, leads ? 1 : 0, UInt32(shift), count, share, out)
  }

  private func check(_ widths: [UInt8]) {
    precondition(widths.allSatisfy { (1...CK_DIGIT_BITS).contains(Int32($0)) }, "a digit has 1 to 6 bits")
  }
}

extension ModulusKind {
  fileprivate var number: Int32 { Int32(kernelValue.rawValue) }
}
