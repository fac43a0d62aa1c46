internal import CKernels

/// Instruction set that the linear kernels use. All variants give the same words, bit for bit.
public enum KernelVariant: Int, Sendable, CaseIterable {
  /// Portable C.
  case scalar = 0
  /// 256-bit vectors.
  case avx2 = 1
  /// 512-bit vectors.
  case avx512 = 2

  /// True where this processor runs the variant.
  public var isAvailable: Bool { ck_isa_available(isa) }

  /// The widest variant that this processor runs.
  public static var best: KernelVariant { allCases.last(where: \.isAvailable) ?? .scalar }

  var isa: ck_isa { ck_isa(rawValue: UInt32(rawValue)) }
}

extension ModulusKind {
  var kernelValue: ck_modulus { self == .field ? CK_FIELD : CK_WORD }
}

/// Scratch memory of the linear kernels, for the use of one thread at a time.
///
/// Buffers grow to the largest layer seen and are then reused, so that a run of a network allocates nothing. They hold
/// masked inputs and accumulators, and are overwritten when they grow and when the workspace goes.
public final class LinearWorkspace {
  /// The instruction set of every kernel that uses this workspace.
  public let variant: KernelVariant
  /// Words of input planes that one band of output rows may take, unless a single row takes more. A tuning constant:
  /// it changes no result.
  public let planeBudget: Int

  /// ``planeBudget`` unless told: what fits a second-level cache.
  public static let defaultPlaneBudget = 1 << 15

  private(set) var planes = SecretWords(zeros: 0)
  private(set) var accumulators = SecretWords(zeros: 0)
  private(set) var offsets = SecretWords(zeros: 0)
  private(set) var limbs = SecretWords(zeros: 0)

  /// - Parameters:
  ///   - variant: the instruction set, which this processor must have.
  ///   - planeBudget: see ``planeBudget``.
  public init(variant: KernelVariant = .best, planeBudget: Int = LinearWorkspace.defaultPlaneBudget) {
    precondition(variant.isAvailable, "this processor lacks the instruction set \(variant)")
    precondition(planeBudget > 0, "planeBudget must be positive")
    self.variant = variant
    self.planeBudget = planeBudget
  }

  func reserve(planes words: Int) -> UnsafeMutablePointer<UInt64> { Self.grow(&planes, to: words) }

  func reserve(accumulators words: Int) -> UnsafeMutablePointer<Int64> {
    UnsafeMutableRawPointer(Self.grow(&accumulators, to: words)).assumingMemoryBound(to: Int64.self)
  }

  /// In the place of accumulators.
  func reserve(sums words: Int) -> UnsafeMutablePointer<UInt64> { Self.grow(&accumulators, to: words) }

  func reserve(offsets count: Int) -> UnsafeMutablePointer<UInt32> {
    UnsafeMutableRawPointer(Self.grow(&offsets, to: (count + 1) / 2)).assumingMemoryBound(to: UInt32.self)
  }

  func reserve(limbs count: Int) -> UnsafeMutablePointer<Int32> {
    UnsafeMutableRawPointer(Self.grow(&limbs, to: (count + 1) / 2)).assumingMemoryBound(to: Int32.self)
  }

  /// In the place of limbs.
  func reserve(weights count: Int) -> UnsafeMutablePointer<UInt64> { Self.grow(&limbs, to: count) }

  private static func grow(_ buffer: inout SecretWords, to count: Int) -> UnsafeMutablePointer<UInt64> {
    if buffer.count < count { buffer = SecretWords(zeros: count) }
    return buffer.pointer
  }
}
