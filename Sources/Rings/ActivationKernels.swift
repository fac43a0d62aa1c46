internal import CKernels

/// Elementwise steps of the polynomial activation y = ±2^e (z^2 + k z + a0) over F_p, with exact truncation, and of
/// the preparation of its material.
///
/// The model owner holds z0 and the data owner c, z0 + c = z. Material: u + v = alpha c with alpha and u at the model
/// owner, v at the data owner; a random oblivious transfer (bit rho and pad_rho; pad_0 and pad_1). With T bits to drop
/// and an offset O that keeps Y = z^2 + k z + a0 + O in 0 ..< 2^62, y0 + y1 = Y mod p, and the carry out of the modulus
/// is the OR of the two top bits [y >= (p + 1) / 2]. The output lies in F_p or in Z_2^64.
///
/// All words are reduced. No branch and no address depends on a word or on a bit. Arrays hold `count` words unless said
/// otherwise. An output may be the same array as an input of the same width, and must not overlap it otherwise. Bit i
/// of a call is bit `offset + i` of its buffer, least significant bit of each byte first; neighbouring bits are kept.
public enum ActivationKernels {
  /// Model owner, step 1: d = 2 z0 + k - alpha, y0 = u + z0^2 + k z0 + constant, delta = top bit of y0 xor rho.
  ///
  /// - Parameters:
  ///   - z0: its share of the activation's input.
  ///   - alpha: its factor of the multiplication material.
  ///   - u: its share of alpha c.
  ///   - k: linear coefficient in F_p, secret; one channel a call.
  ///   - constant: a0 + O in F_p.
  ///   - rho: choice bits of the oblivious transfers, from bit `rhoOffset` on.
  ///   - count: number of elements.
  ///   - d: receives what is sent to the data owner.
  ///   - y0: receives its share of Y, kept for ``modelOwnerClose(y0:messages:padRho:shift:offsetShifted:output:count:x:)``.
  ///   - delta: receives the bits that are sent to the data owner, from bit `deltaOffset` on.
  public static func modelOwnerOpen(
    z0: UnsafePointer<UInt64>, alpha: UnsafePointer<UInt64>, u: UnsafePointer<UInt64>, k: UInt64, constant: UInt64,
    rho: UnsafePointer<UInt8>, rhoOffset: Int, count: Int, d: UnsafeMutablePointer<UInt64>,
    y0: UnsafeMutablePointer<UInt64>, delta: UnsafeMutablePointer<UInt8>, deltaOffset: Int
  ) {
    ck_x2_open(z0, alpha, u, k, constant, rho, rhoOffset, count, d, y0, delta, deltaOffset)
  }

  /// Data owner, step 2: y1 = d c + vc, w1 its top bit, and for b = 0, 1
  /// m_b = floor(y1 / 2^T) - floor(p / 2^T) (b or w1) + pad_(b xor delta), in the output modulus.
  ///
  /// - Parameters:
  ///   - d: words of the model owner.
  ///   - c: its share of the activation's input.
  ///   - vc: v + c^2 in F_p, see ``fuse(v:c:count:vc:)``.
  ///   - delta: bits of the model owner, from bit `deltaOffset` on.
  ///   - pad0: pad_0 - r' in the output modulus, r' being the fresh mask of the output.
  ///   - pad1: pad_1 - r' in the output modulus.
  ///   - shift: T, 0...62.
  ///   - output: modulus of the messages.
  ///   - count: number of elements.
  ///   - messages: receives 2 count words, m_0 and m_1 of each element in turn.
  public static func dataOwnerAnswer(
    d: UnsafePointer<UInt64>, c: UnsafePointer<UInt64>, vc: UnsafePointer<UInt64>, delta: UnsafePointer<UInt8>,
    deltaOffset: Int, pad0: UnsafePointer<UInt64>, pad1: UnsafePointer<UInt64>, shift: Int, output: ModulusKind,
    count: Int, messages: UnsafeMutablePointer<UInt64>
  ) {
    checkShift(shift)
    ck_x2_answer(d, c, vc, delta, deltaOffset, pad0, pad1, UInt32(shift), output.kernelValue, count, messages)
  }

  /// Model owner, step 3: x - r' = floor(y0 / 2^T) - offsetShifted + m_b - pad_rho, with b the top bit of y0.
  ///
  /// - Parameters:
  ///   - y0: its share of Y.
  ///   - messages: 2 count words of the data owner, m_0 and m_1 of each element in turn.
  ///   - padRho: pad_rho in the output modulus.
  ///   - shift: T, 0...62.
  ///   - offsetShifted: floor(O / 2^T), less than p.
  ///   - output: modulus of messages and result.
  ///   - count: number of elements.
  ///   - x: receives its share of the output, x - r', within two units of Y / 2^T.
  public static func modelOwnerClose(
    y0: UnsafePointer<UInt64>, messages: UnsafePointer<UInt64>, padRho: UnsafePointer<UInt64>, shift: Int,
    offsetShifted: UInt64, output: ModulusKind, count: Int, x: UnsafeMutablePointer<UInt64>
  ) {
    checkShift(shift)
    ck_x2_close(y0, messages, padRho, UInt32(shift), offsetShifted, output.kernelValue, count, x)
  }

  /// y1 = d c + vc in F_p, the data owner's share of Y.
  public static func dataOwnerShare(
    d: UnsafePointer<UInt64>, c: UnsafePointer<UInt64>, vc: UnsafePointer<UInt64>, count: Int,
    y1: UnsafeMutablePointer<UInt64>
  ) {
    ck_x2_data_share(d, c, vc, count, y1)
  }

  /// Local variant, data owner: x = -floor((p - y1) / 2^T) - mask in the output modulus, for T in 0...62. This is what
  /// it sends to the model owner.
  ///
  /// With ``modelOwnerLocal(y0:received:shift:output:count:x:)`` it truncates without oblivious transfer: right within
  /// two units for |Y| small, and wrong by about p / 2^T with probability |Y| / p. The constant holds no offset here.
  public static func dataOwnerLocal(
    y1: UnsafePointer<UInt64>, mask: UnsafePointer<UInt64>, shift: Int, output: ModulusKind, count: Int,
    x: UnsafeMutablePointer<UInt64>
  ) {
    checkShift(shift)
    ck_x2_local_data(y1, mask, UInt32(shift), output.kernelValue, count, x)
  }

  /// Local variant, model owner: x - mask = floor(y0 / 2^T) + received in the output modulus, for T in 0...62.
  public static func modelOwnerLocal(
    y0: UnsafePointer<UInt64>, received: UnsafePointer<UInt64>, shift: Int, output: ModulusKind, count: Int,
    x: UnsafeMutablePointer<UInt64>
  ) {
    checkShift(shift)
    ck_x2_local_model(y0, received, UInt32(shift), output.kernelValue, count, x)
  }

  /// vc = v + c^2 in F_p, once the material is complete and before the query.
  public static func fuse(
    v: UnsafePointer<UInt64>, c: UnsafePointer<UInt64>, count: Int, vc: UnsafeMutablePointer<UInt64>
  ) {
    ck_field_multiply_add(v, c, c, count, vc)
  }

  /// u = u' + alpha delta in F_p: moves material dealt for gamma to c = gamma + delta.
  public static func correct(
    u: UnsafePointer<UInt64>, alpha: UnsafePointer<UInt64>, delta: UnsafePointer<UInt64>, count: Int,
    corrected: UnsafeMutablePointer<UInt64>
  ) {
    ck_field_multiply_add(u, alpha, delta, count, corrected)
  }

  private static func checkShift(_ shift: Int) { precondition((0...62).contains(shift), "shift out of range") }
}

/// Sums and differences of whole arrays, for either modulus named at run time.
public enum Elementwise {
  /// output = a + b. The output may be one of the operands.
  public static func add(
    _ kind: ModulusKind, _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, count: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    ck_add(kind.kernelValue, a, b, count, output)
  }

  /// output = a - b. The output may be one of the operands.
  public static func subtract(
    _ kind: ModulusKind, _ a: UnsafePointer<UInt64>, _ b: UnsafePointer<UInt64>, count: Int,
    output: UnsafeMutablePointer<UInt64>
  ) {
    ck_subtract(kind.kernelValue, a, b, count, output)
  }
}
