internal import COpenSSL
package import Randomness

/// The group of P-256 (FIPS 186-4, D.1.2.3), of prime order, by OpenSSL's constant-time multiplication.
package final class Curve {
  /// Bytes of a point: 4, x, y (SEC 1, 2.3.3, uncompressed).
  static let pointBytes = 65

  let group: OpaquePointer
  let context: OpaquePointer
  private let order: OpaquePointer

  package init() {
    guard let group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1), let context = BN_CTX_secure_new(),
      let order = EC_GROUP_get0_order(group)
    else { fatalError("OpenSSL could not make the curve P-256") }
    (self.group, self.context, self.order) = (group, context, order)
  }

  deinit {
    BN_CTX_free(context)
    EC_GROUP_free(group)
  }

  /// A uniform number in 1 ..< order, by rejection.
  package func scalar(from source: any RandomByteSource) -> Scalar {
    withUnsafeTemporaryAllocation(byteCount: 32, alignment: 8) { bytes in
      defer { OPENSSL_cleanse(bytes.baseAddress, 32) }
      while true {
        source.fill(bytes)
        let scalar = Scalar()
        let read = BN_bin2bn(bytes.bindMemory(to: UInt8.self).baseAddress, 32, scalar.number)
        precondition(read != nil, "OpenSSL could not read a number")
        if BN_is_zero(scalar.number) == 0, BN_cmp(scalar.number, order) < 0 { return scalar }
      }
    }
  }

  /// number G.
  package func multiply(_ scalar: Scalar) -> Point {
    let out = Point(self)
    check(EC_POINT_mul(group, out.pointer, scalar.number, nil, nil, context))
    return out
  }

  /// number P.
  package func multiply(_ scalar: Scalar, _ point: Point) -> Point {
    let out = Point(self)
    check(EC_POINT_mul(group, out.pointer, nil, point.pointer, scalar.number, context))
    return out
  }

  /// P + Q.
  func add(_ a: Point, _ b: Point) -> Point {
    let out = Point(self)
    check(EC_POINT_add(group, out.pointer, a.pointer, b.pointer, context))
    return out
  }

  /// -P.
  func negate(_ point: Point) -> Point {
    let out = Point(self)
    check(EC_POINT_copy(out.pointer, point.pointer))
    check(EC_POINT_invert(group, out.pointer, context))
    return out
  }

  /// Writes the 65 bytes of a point that is not the neutral element.
  func encode(_ point: Point, to bytes: UnsafeMutablePointer<UInt8>) {
    let count = EC_POINT_point2oct(
      group, point.pointer, POINT_CONVERSION_UNCOMPRESSED, bytes, Self.pointBytes, context)
    precondition(count == Self.pointBytes, "the neutral element has no affine encoding")
  }

  /// Reads 65 bytes: coordinates below the field's prime, on the curve; the neutral element has no such encoding, and
  /// the order is prime, so whatever passes generates the group.
  func decode(_ bytes: UnsafePointer<UInt8>, message: String, index: Int) throws -> Point {
    let out = Point(self)
    guard bytes[0] == 4, EC_POINT_oct2point(group, out.pointer, bytes, Self.pointBytes, context) == 1,
      EC_POINT_is_on_curve(group, out.pointer, context) == 1, EC_POINT_is_at_infinity(group, out.pointer) == 0
    else {
      ERR_clear_error()
      throw ObliviousTransferError.malformedPoint(message: message, index: index)
    }
    return out
  }

  private func check(_ result: Int32) { precondition(result == 1, "OpenSSL stopped in P-256") }

  /// A secret number, erased when it goes.
  package final class Scalar {
    let number: OpaquePointer

    init() {
      guard let number = BN_new() else { fatalError("OpenSSL could not allocate a number") }
      BN_set_flags(number, BN_FLG_CONSTTIME)
      self.number = number
    }

    deinit { BN_clear_free(number) }
  }

  /// A point, erased when it goes.
  package final class Point {
    let pointer: OpaquePointer

    init(_ curve: Curve) {
      guard let pointer = EC_POINT_new(curve.group) else { fatalError("OpenSSL could not allocate a point") }
      self.pointer = pointer
    }

    deinit { EC_POINT_clear_free(pointer) }
  }
}
