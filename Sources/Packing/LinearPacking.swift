public import Rings

/// How the masks of a linear layer, for several inferences, are placed in the coefficients of polynomials over
/// Z_t[X]/(X^N + 1), so that products with weight polynomials give the layer's outputs at known coefficients.
///
/// An input polynomial carries ci virtual channels (polyphase components of the padded input, see `PackingAxis`) of a
/// band of output rows: channel c, position i at coefficient c*S + i. The weight of channel c, output o and tap offset d
/// stands at exponent o*ci*S - c*S - d; negative exponents are taken through X^N = -1. Output o of the sum of products
/// then stands at o*ci*S + position. Coefficient packing without rotations follows Cheetah (Huang et al., USENIX
/// Security 2022, section 3) with shared padding, stacked inferences and several outputs a polynomial added.
///
/// Everything here is public: both parties derive the same plan from geometry, number of inferences, degree and costs.
/// No secret decides a branch or an index.
public struct LinearPacking: Sendable {
  /// A band of output rows (of all inferences, one above another) that shares polynomials.
  struct Band: Sendable {
    let rows: Range<Int>
    let extent: PackingExtent
    let set: Int
    let firstInput: Int
    let firstOutput: Int
  }

  /// Weight polynomials of one division of the slots, used by every band with that division.
  struct WeightSet: Sendable {
    let channelsPerInput: Int
    let outputsPerOutput: Int
    /// Distance between channels.
    var spacing: Int
    let firstWeight: Int
    /// Input blocks each output block sees.
    let inputBlocks: [Range<Int>]
    /// Weight polynomials before each output block; one more entry than output blocks.
    let weightsBefore: [Int]
  }

  /// The layer.
  public let geometry: LinearGeometry
  /// Inferences packed together.
  public let inferences: Int
  /// Number of coefficients N of a polynomial.
  public let degree: Int
  /// What the plan minimises.
  public let costs: PackingCosts

  let stack: PackingStack
  let bands: [Band]
  let sets: [WeightSet]
  /// Input block or output block to band.
  let bandOfInput, bandOfOutput: [Int]

  /// Plans a layer.
  ///
  /// - Parameters:
  ///   - geometry: the layer; must be valid.
  ///   - inferences: 1 ... 4096 inferences whose masks share polynomials.
  ///   - degree: N, a power of two.
  ///   - costs: what to minimise; the same at both parties.
  /// - Throws: `RingsError` for an invalid geometry, ``LinearPackingError`` for the other arguments or a kernel whose
  ///   window does not fit into N coefficients.
  public init(geometry: LinearGeometry, inferences: Int, degree: Int, costs: PackingCosts = PackingCosts()) throws {
    try geometry.validate()
    guard 1...4096 ~= inferences else { throw LinearPackingError.inferences(inferences) }
    guard 2...65536 ~= degree, degree & (degree - 1) == 0 else { throw LinearPackingError.degree(degree) }
    let rows = PackingAxis(
      inputs: geometry.inHeight, outputs: geometry.outHeight, kernel: geometry.kernelHeight,
      stride: geometry.strideHeight, padding: geometry.padTop)
    let columns = PackingAxis(
      inputs: geometry.inWidth, outputs: geometry.outWidth, kernel: geometry.kernelWidth,
      stride: geometry.strideWidth, padding: geometry.padLeft)
    let plan = try Self.plan(geometry, rows, columns, inferences, degree, costs)
    self.geometry = geometry
    self.inferences = inferences
    self.degree = degree
    self.costs = costs
    stack = plan.stack
    let phases = rows.phases.count * columns.phases.count
    let channels = geometry.inChannels * phases
    var sets: [WeightSet] = []
    var bands: [Band] = []
    var inputs: [Int] = []
    var outputs: [Int] = []
    for choice in plan.bands {
      let extent = plan.stack.extent(choice.rows)
      let known = sets.firstIndex {
        $0.channelsPerInput == choice.channelsPerInput && $0.outputsPerOutput == choice.outputsPerOutput
      }
      let index = known ?? sets.count
      if known == nil { sets.append(WeightSet(choice, geometry, phases: phases, after: sets.last)) }
      sets[index].spacing = max(sets[index].spacing, extent.spacing)
      bands.append(
        Band(rows: choice.rows, extent: extent, set: index, firstInput: inputs.count, firstOutput: outputs.count))
      let blocks = (channels + choice.channelsPerInput - 1) / choice.channelsPerInput
      inputs += repeatElement(bands.count - 1, count: blocks)
      outputs += repeatElement(bands.count - 1, count: sets[index].inputBlocks.count)
    }
    if geometry.groups == 1 {
      for index in sets.indices {
        let slots = sets[index].channelsPerInput * sets[index].outputsPerOutput
        let reads = bands.reduce(0) { $1.set == index ? max($0, $1.extent.reads) : $0 }
        sets[index].spacing = PackingAlignment.raised(
          sets[index].spacing, taps: plan.stack.taps, reads: reads, limit: degree / slots)
      }
    }
    self.sets = sets
    self.bands = bands
    bandOfInput = inputs
    bandOfOutput = outputs
  }

  /// The cheapest plan over the ways to cut planes into strips.
  private static func plan(
    _ geometry: LinearGeometry, _ rows: PackingAxis, _ columns: PackingAxis, _ inferences: Int, _ degree: Int,
    _ costs: PackingCosts
  ) throws -> (stack: PackingStack, bands: [PackingPlanner.Choice]) {
    var best: (cost: Int, stack: PackingStack, bands: [PackingPlanner.Choice])?
    var tried = 0
    var strips = 1
    while strips <= columns.outputs && tried < 3 {
      let stack = PackingStack(
        rows: rows, columns: columns, inferences: inferences, strips: strips, isGrouped: geometry.groups > 1)
      let planner = PackingPlanner(
        stack: stack, degree: degree, channels: geometry.inChannels * rows.phases.count * columns.phases.count,
        outputs: geometry.outChannels, groups: geometry.groups, tapsPerOutput: geometry.tapsPerOutput, costs: costs)
      if let found = planner.plan() {
        tried += 1
        if best == nil || found.cost < best!.cost { best = (found.cost, stack, found.bands) }
        // Strips save nothing where whole planes fit.
        if strips == 1 && stack.itemRows * stack.pitch <= degree { break }
      }
      // The next number of strips that makes them narrower.
      strips = stack.stripWidth > 1 ? (columns.outputs + stack.stripWidth - 2) / (stack.stripWidth - 1) : Int.max
    }
    guard let best else {
      throw LinearPackingError.kernelTooLarge(words: rows.taps * columns.taps, degree: degree)
    }
    return (best.stack, best.bands)
  }

  /// Virtual channels an input channel has.
  var phasesPerChannel: Int { stack.rows.phases.count * stack.columns.phases.count }
  /// Virtual channels of the layer.
  var virtualChannels: Int { geometry.inChannels * phasesPerChannel }

  /// Number of input polynomials.
  public var inputCount: Int { bandOfInput.count }
  /// Number of output polynomials.
  public var outputCount: Int { bandOfOutput.count }
  /// Number of weight polynomials.
  public var weightCount: Int { sets.last.map { $0.firstWeight + $0.weightsBefore.last! } ?? 0 }
  /// Number of products of an input and a weight polynomial.
  public var productCount: Int { bands.reduce(0) { $0 + sets[$1.set].weightsBefore.last! } }
}

extension LinearPacking.WeightSet {
  /// The weight polynomials of a division of slots: those of output and input blocks that share a group.
  init(_ choice: PackingPlanner.Choice, _ geometry: LinearGeometry, phases: Int, after: Self?) {
    channelsPerInput = choice.channelsPerInput
    outputsPerOutput = choice.outputsPerOutput
    spacing = 0
    firstWeight = after.map { $0.firstWeight + $0.weightsBefore.last! } ?? 0
    let channelsOfGroup = geometry.inChannels / geometry.groups * phases
    let outputsOfGroup = geometry.outChannels / geometry.groups
    let blocks = stride(from: 0, to: geometry.outChannels, by: choice.outputsPerOutput).map { first in
      let last = min(first + choice.outputsPerOutput, geometry.outChannels) - 1
      let lower = first / outputsOfGroup * channelsOfGroup
      let upper = (last / outputsOfGroup + 1) * channelsOfGroup
      return lower / choice.channelsPerInput..<(upper - 1) / choice.channelsPerInput + 1
    }
    inputBlocks = blocks
    weightsBefore = blocks.reduce(into: [0]) { $0.append($0.last! + $1.count) }
  }
}
