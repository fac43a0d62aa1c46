internal import CKernels

extension LinearMap {
  /// out = D x for weights that are full words, as the dealer's corrections are; any number of samples.
  ///
  /// Modulo 2^64 words multiply as they are. Modulo p each weight is split into three signed 22-bit limbs, so the
  /// small-weight kernel runs three times, over chunks of taps that no accumulator overflows. Weights of four output
  /// channels are so prepared at a time; they serve all inputs.
  ///
  /// - Parameters:
  ///   - m: the modulus of weights, inputs and outputs.
  ///   - geometry: a valid geometry.
  ///   - weights: OIHW words, reduced.
  ///   - inputs: one CHW sample each; any word is accepted.
  ///   - outputs: as many as inputs; each receives one CHW sample of reduced words. No overlap with inputs.
  ///   - workspace: scratch memory of this thread.
  public static func applyFull<M: Modulus>(
    _ m: M.Type, geometry: LinearGeometry, weights: UnsafePointer<UInt64>, inputs: [UnsafePointer<UInt64>],
    outputs: [UnsafeMutablePointer<UInt64>], workspace: LinearWorkspace
  ) {
    precondition(inputs.count == outputs.count, "one output for each input")
    let call = FullCall(geometry: geometry, weights: weights, workspace: workspace)
    if geometry.isFullyConnected {
      if M.kind == .word {
        call.dotWords(inputs: inputs, outputs: outputs)
      } else {
        call.dot(m, inputs: inputs[...], outputs: outputs[...])
      }
      return
    }
    // Planes of several samples stand in memory together; the number of samples is limited by their size.
    let layout = BandLayout(geometry, planeBudget: workspace.planeBudget)
    let together = max(1, FullCall.planeLimit / layout.planeWords)
    for first in Swift.stride(from: 0, to: inputs.count, by: together) {
      let samples = first..<min(first + together, inputs.count)
      if M.kind == .word {
        call.convolveWords(layout: layout, inputs: inputs[samples], outputs: outputs[samples])
      } else {
        call.convolve(m, layout: layout, inputs: inputs[samples], outputs: outputs[samples])
      }
    }
  }

  /// The same on memory that is kept alive for the call; counts must be those of the geometry.
  public static func applyFull<M: Modulus>(
    _ m: M.Type, geometry: LinearGeometry, weights: SecretWords, inputs: [SecretWords], outputs: [SecretWords],
    workspace: LinearWorkspace
  ) {
    precondition(weights.count == geometry.weightCount, "weights do not match the geometry")
    precondition(inputs.allSatisfy { $0.count == geometry.inputShape.count }, "inputs do not match the geometry")
    precondition(outputs.allSatisfy { $0.count == geometry.outputShape.count }, "outputs do not match the geometry")
    withExtendedLifetime((weights, inputs, outputs)) {
      applyFull(
        m, geometry: geometry, weights: UnsafePointer(weights.pointer),
        inputs: inputs.map { UnsafePointer($0.pointer) }, outputs: outputs.map(\.pointer), workspace: workspace)
    }
  }
}

/// One call of ``LinearMap/applyFull(_:geometry:weights:inputs:outputs:workspace:)``.
private struct FullCall {
  /// Words of planes that may stand in memory, unless one sample takes more.
  static let planeLimit = 1 << 23

  let geometry: LinearGeometry
  let weights: UnsafePointer<UInt64>
  let workspace: LinearWorkspace

  private func correction<M: Modulus>(_ m: M.Type, _ sum: Int64) -> UInt64 {
    M.multiply(M.reduce(signed: sum), LinearMap.halfOffset)
  }

  func convolve<M: Modulus>(
    _ m: M.Type, layout: BandLayout, inputs: ArraySlice<UnsafePointer<UInt64>>,
    outputs: ArraySlice<UnsafeMutablePointer<UInt64>>
  ) {
    let taps = geometry.tapsPerOutput
    let positions = geometry.outHeight * geometry.outWidth
    let stride = layout.accumulatorStride
    let offsets = workspace.reserve(offsets: taps)
    let planes = workspace.reserve(planes: inputs.count * layout.planeWords + Int(CK_OVERREAD))
    let accumulators = workspace.reserve(accumulators: 2 * ChannelBlocks.width * stride)
    let limbs = workspace.reserve(limbs: 3 * ChannelBlocks.width * min(taps, LinearMap.limbChunk))
    var band = layout.band
    ck_band_offsets(&band, offsets)
    let all = ChannelBlocks(geometry)
    let inputsPerGroup = geometry.inChannels / geometry.groups * geometry.inHeight * geometry.inWidth
    for group in 0..<geometry.groups {
      for rowBegin in Swift.stride(from: 0, to: geometry.outHeight, by: layout.rows) {
        let rows = min(layout.rows, geometry.outHeight - rowBegin)
        band.row_begin = UInt32(rowBegin)
        band.row_count = UInt32(rows)
        for (place, input) in inputs.enumerated() {
          ck_band_fill(&band, input + group * inputsPerGroup, planes + place * layout.planeWords)
        }
        for index in 0..<all.blocksPerGroup {
          let block = all.block(group: group, index: index)
          for first in Swift.stride(from: 0, to: taps, by: LinearMap.limbChunk) {
            let count = min(LinearMap.limbChunk, taps - first)
            withSums(block, first: first, count: count, interleaved: true, limbs: limbs) { limbSums in
              for (place, output) in outputs.enumerated() {
                for limb in 0..<3 {
                  ck_convolve(
                    workspace.variant.isa, UInt32(block.width), planes + place * layout.planeWords, offsets + first,
                    limbs + limb * block.width * count, count, rows * geometry.outWidth, accumulators, stride)
                  for row in 0..<block.channels {
                    ck_finish(
                      M.kind.kernelValue, accumulators + 2 * row * stride, accumulators + (2 * row + 1) * stride,
                      rows * geometry.outWidth, correction(m, limbSums[limb * block.width + row]),
                      UInt32(limb) * UInt32(CK_LIMB_BITS), first + limb != 0,
                      output + (block.firstChannel + row) * positions + rowBegin * geometry.outWidth)
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  func dot<M: Modulus>(
    _ m: M.Type, inputs: ArraySlice<UnsafePointer<UInt64>>, outputs: ArraySlice<UnsafeMutablePointer<UInt64>>
  ) {
    let taps = geometry.tapsPerOutput
    let sums = workspace.reserve(accumulators: 2 * ChannelBlocks.width)
    let limbs = workspace.reserve(limbs: 3 * ChannelBlocks.width * min(taps, LinearMap.limbChunk))
    for block in ChannelBlocks(geometry).all {
      for first in Swift.stride(from: 0, to: taps, by: LinearMap.limbChunk) {
        let count = min(LinearMap.limbChunk, taps - first)
        withSums(block, first: first, count: count, interleaved: false, limbs: limbs) { limbSums in
          for (input, output) in zip(inputs, outputs) {
            for limb in 0..<3 {
              ck_dot(
                workspace.variant.isa, UInt32(block.width), input + block.group * taps + first,
                limbs + limb * block.width * count, count, count, sums)
              for row in 0..<block.channels {
                ck_finish(
                  M.kind.kernelValue, sums + 2 * row, sums + 2 * row + 1, 1,
                  correction(m, limbSums[limb * block.width + row]), UInt32(limb) * UInt32(CK_LIMB_BITS),
                  first + limb != 0, output + block.firstChannel + row)
              }
            }
          }
        }
      }
    }
  }

  /// Modulo 2^64.
  func convolveWords(
    layout: BandLayout, inputs: ArraySlice<UnsafePointer<UInt64>>, outputs: ArraySlice<UnsafeMutablePointer<UInt64>>
  ) {
    let taps = geometry.tapsPerOutput
    let positions = geometry.outHeight * geometry.outWidth
    let stride = layout.accumulatorStride
    let offsets = workspace.reserve(offsets: taps)
    let planes = workspace.reserve(planes: inputs.count * layout.planeWords + Int(CK_OVERREAD))
    let sums = workspace.reserve(sums: ChannelBlocks.width * stride)
    let rowsOfWeights = workspace.reserve(weights: ChannelBlocks.width * taps)
    var band = layout.band
    band.offset = 0
    ck_band_offsets(&band, offsets)
    let all = ChannelBlocks(geometry)
    let inputsPerGroup = geometry.inChannels / geometry.groups * geometry.inHeight * geometry.inWidth
    for group in 0..<geometry.groups {
      for rowBegin in Swift.stride(from: 0, to: geometry.outHeight, by: layout.rows) {
        let rows = min(layout.rows, geometry.outHeight - rowBegin)
        band.row_begin = UInt32(rowBegin)
        band.row_count = UInt32(rows)
        for (place, input) in inputs.enumerated() {
          ck_band_fill(&band, input + group * inputsPerGroup, planes + place * layout.planeWords)
        }
        for index in 0..<all.blocksPerGroup {
          let block = all.block(group: group, index: index)
          ck_interleave(
            weights + block.firstChannel * taps, taps, UInt32(block.channels), UInt32(block.width), taps, rowsOfWeights)
          for (place, output) in outputs.enumerated() {
            ck_convolve_words(
              workspace.variant.isa, UInt32(block.width), planes + place * layout.planeWords, offsets, rowsOfWeights,
              taps, rows * geometry.outWidth, sums, stride)
            for row in 0..<block.channels {
              (output + (block.firstChannel + row) * positions + rowBegin * geometry.outWidth).update(
                from: sums + row * stride, count: rows * geometry.outWidth)
            }
          }
        }
      }
    }
  }

  /// Modulo 2^64, one position.
  func dotWords(inputs: [UnsafePointer<UInt64>], outputs: [UnsafeMutablePointer<UInt64>]) {
    let taps = geometry.tapsPerOutput
    for block in ChannelBlocks(geometry).all {
      // Rows are read where they are: there is none beyond the block's.
      let width = block.width == block.channels ? block.width : 1
      for (input, output) in zip(inputs, outputs) {
        for channel in Swift.stride(from: block.firstChannel, to: block.firstChannel + block.channels, by: width) {
          ck_dot_words(
            workspace.variant.isa, UInt32(width), input + block.group * taps, weights + channel * taps, taps, taps,
            output + channel)
        }
      }
    }
  }

  /// Splits a chunk of a block into limbs and passes on their sums, [limb][channel of the block].
  private func withSums(
    _ block: ChannelBlocks.Block, first: Int, count: Int, interleaved: Bool, limbs: UnsafeMutablePointer<Int32>,
    body: (UnsafeMutablePointer<Int64>) -> Void
  ) {
    let taps = geometry.tapsPerOutput
    withUnsafeTemporaryAllocation(of: Int64.self, capacity: 3 * ChannelBlocks.width) { sums in
      guard let base = sums.baseAddress else { return }
      ck_split_limbs(
        weights + block.firstChannel * taps + first, taps, UInt32(block.channels), UInt32(block.width), count,
        interleaved, limbs, base)
      body(base)
      ck_zeroize(base, 3 * ChannelBlocks.width * 8)
    }
  }
}
