public import Programs
import Randomness
public import Rings
import Transport

extension Purpose {
  static let comparisonPads = Purpose(label: "comparison pads")
  static let comparisonTriples = Purpose(label: "comparison triples")
  static let comparisonChoice = Purpose(label: "comparison choice")
  static let multiplexerChoice = Purpose(label: "multiplexer choice")
  static let multiplexerFactor = Purpose(label: "multiplexer factor")
  static let multiplexerShare = Purpose(label: "multiplexer share")
}

/// What each party draws for a run of comparisons of one inference, before any correction; the dealer draws both.
struct ComparisonDraw {
  let triples: SecretBytes
  let rho: SecretBytes
  /// g at the model owner, gamma at the data owner.
  let factor: SecretWords
  /// h0 at the model owner, w1 at the data owner.
  let share: SecretWords
  /// The model owner's pads, or the data owner's random digits.
  let planes: SecretBytes

  init(_ streams: BulkStreams, isModelOwner: Bool, layer: Int, serial: UInt64, _ stage: ComparisonStage) {
    func bits(_ purpose: Purpose, _ planes: Int) -> SecretBytes {
      let bytes = SecretBytes(uninitialized: ComparisonTile.bytes(planes: planes, count: stage.count))
      streams.generator(purpose, step: layer, serial: serial).fill(UnsafeMutableRawBufferPointer(bytes.buffer))
      return bytes
    }
    func words(_ purpose: Purpose) -> SecretWords {
      streams.words(purpose, step: layer, serial: serial, modulus: stage.modulus, count: stage.count)
    }
    triples = bits(.comparisonTriples, stage.digits.triplePlanes)
    rho = bits(.multiplexerChoice, 1)
    factor = words(.multiplexerFactor)
    share = words(.multiplexerShare)
    planes =
      isModelOwner
      ? bits(.comparisonPads, stage.padPlanes) : bits(.comparisonChoice, stage.shiftPlanes)
  }
}

/// Planes of products among those of triples, level by level.
enum TriplePlanes {
  /// Writes the dealt products over the model owner's own draws, or computes them.
  static func forEachProduct(_ digits: ComparisonDigits, _ body: (_ triple: Int, _ product: Int) -> Void) {
    var (triple, product) = (0, 0)
    for level in digits.levels {
      for pair in 0..<level.pairs {
        for lane in 0..<(pair == 0 ? 1 : 2) {
          body(triple + 2 + 2 * lane, product)
          product += 1
        }
        triple += pair == 0 ? 3 : 5
      }
    }
  }

  /// Puts products into triples; both of one inference, tile by tile.
  static func insert(_ products: SecretBytes, into triples: SecretBytes, _ stage: ComparisonStage) {
    let digits = stage.digits
    ComparisonTile.forEach(stage.count) { first, _, bytes in
      let from = products.pointer + digits.productPlanes * first / 8
      let to = triples.pointer + digits.triplePlanes * first / 8
      forEachProduct(digits) { triple, product in
        (to + triple * bytes).update(from: from + product * bytes, count: bytes)
      }
    }
  }
}

extension DealerSession {
  /// Chosen pads and h1 to the data owner; products and w0 to the model owner.
  func dealComparison(
    _ layer: Int, _ stage: ComparisonStage, _ model: BulkStreams, _ data: BulkStreams, _ serials: Range<UInt64>
  ) throws {
    let digits = stage.digits
    let kernels = ComparisonKernels()
    let widths = digits.kernelWidths
    let chosenBytes = ComparisonTile.bytes(planes: stage.chosenPlanes, count: stage.count)
    let productBytes = ComparisonTile.bytes(planes: digits.productPlanes, count: stage.count)
    try dataOwner.beginSend(.comparisonDealt, byteCount: serials.count * (chosenBytes + 8 * stage.count))
    try modelOwner.beginSend(.comparisonProducts, byteCount: serials.count * (productBytes + 8 * stage.count))
    for serial in serials {
      let first = ComparisonDraw(model, isModelOwner: true, layer: layer, serial: serial, stage)
      let second = ComparisonDraw(data, isModelOwner: false, layer: layer, serial: serial, stage)
      let chosen = SecretBytes(uninitialized: chosenBytes)
      let products = SecretBytes(uninitialized: productBytes)
      ComparisonTile.forEach(stage.count) { start, _, bytes in
        let choices = second.planes.pointer + stage.shiftPlanes * start / 8
        let pads = first.planes.pointer + stage.padPlanes * start / 8
        let tile = chosen.pointer + stage.chosenPlanes * start / 8
        kernels.choose(widths, bytes: bytes, choices: choices, pads: pads, chosen: tile)
        stage.turn(bytes: bytes)?.choose(
          choices + digits.digitBits * bytes, pads: pads + digits.padPlanes * bytes,
          chosen: tile + digits.leafPlanes * bytes)
        var triple = digits.triplePlanes * start / 8
        var product = digits.productPlanes * start / 8
        for level in digits.levels {
          kernels.products(
            nodes: level.nodes, bytes: bytes, first: first.triples.pointer + triple,
            second: second.triples.pointer + triple, products: products.pointer + product)
          triple += level.triplePlanes * bytes
          product += level.productPlanes * bytes
        }
      }
      let h1 = share(second.rho, first.factor, less: first.share, stage.modulus)
      let w0 = share(first.rho, second.factor, less: second.share, stage.modulus)
      try dataOwner.write(UnsafeRawBufferPointer(chosen.buffer))
      try dataOwner.write(UnsafeRawBufferPointer(h1.buffer))
      try modelOwner.write(UnsafeRawBufferPointer(products.buffer))
      try modelOwner.write(UnsafeRawBufferPointer(w0.buffer))
    }
    try dataOwner.endSend(flush: false)
    try modelOwner.endSend(flush: false)
  }

  /// rho factor - other.
  private func share(
    _ rho: SecretBytes, _ factor: SecretWords, less other: SecretWords, _ modulus: ModulusKind
  ) -> SecretWords {
    let out = SecretWords(uninitialized: factor.count)
    ComparisonKernels.keep(where: rho.pointer, factor.pointer, count: factor.count, out: out.pointer)
    Elementwise.subtract(modulus, out.pointer, other.pointer, count: factor.count, output: out.pointer)
    return out
  }
}

extension DealerModelOwnerSource {
  /// Takes products and w0 from the dealer, and moves both to the data owner's share by its delta.
  public func comparison(
    step: Int, stage number: Int, of stage: ComparisonStage,
    receive: (Int, consuming ModelOwnerComparisonMaterial) -> Void
  ) throws {
    let layer = ComparisonKey(step: step, stage: number).layer
    let (streams, serials) = current
    let digits = stage.digits
    let productBytes = ComparisonTile.bytes(planes: digits.productPlanes, count: stage.count)
    let deltaBytes = ComparisonTile.bytes(planes: stage.shiftPlanes, count: stage.count)
    var dealt: [(SecretBytes, SecretWords)] = []
    try dealer.beginReceive(.comparisonProducts, byteCount: serials.count * (productBytes + 8 * stage.count))
    for _ in serials {
      let products = try dealer.readSecretBytes(productBytes)
      dealt.append((products, try dealer.readSecretWords(stage.count, stage.modulus)))
    }
    dealer.endReceive()
    try peer.beginReceive(.comparisonDelta, byteCount: serials.count * (deltaBytes + 8 * stage.count))
    for (position, serial) in serials.enumerated() {
      let draw = ComparisonDraw(streams, isModelOwner: true, layer: layer, serial: serial, stage)
      let (products, w) = dealt[position]
      TriplePlanes.insert(products, into: draw.triples, stage)
      let shift = try peer.readSecretBytes(deltaBytes)
      let delta = try peer.readSecretWords(stage.count, stage.modulus)
      ComparisonCorrection.move(draw.planes, by: shift, stage)
      ComparisonCorrection.add(delta, where: draw.rho, to: w, stage.modulus)
      receive(
        position,
        ModelOwnerComparisonMaterial(
          pads: draw.planes, triples: draw.triples, rho: draw.rho, g: draw.factor, h: draw.share, w: w))
    }
    peer.endReceive()
  }
}

extension DealerDataOwnerSource {
  /// Masks from its own seed.
  public func masks(step: Int, stage: Int, count: Int, modulus: ModulusKind) throws -> [SecretWords] {
    let (streams, serials) = current
    // Run 0 of a step shares no key with the step's own mask: numbers of runs begin at 1 here.
    let layer = ComparisonKey(step: step, stage: stage + 1).layer
    return serials.map { streams.words(.mask, step: layer, serial: $0, modulus: modulus, count: count) }
  }

  /// Takes chosen pads and h1 from the dealer, and tells the model owner how to move its part to the shares.
  public func comparison(
    step: Int, stage number: Int, of stage: ComparisonStage, compared: [SecretWords], operands: [SecretWords],
    offsets: [SecretWords], receive: (Int, consuming DataOwnerComparisonMaterial) -> Void
  ) throws {
    let layer = ComparisonKey(step: step, stage: number).layer
    let (streams, serials) = current
    let chosenBytes = ComparisonTile.bytes(planes: stage.chosenPlanes, count: stage.count)
    let deltaBytes = ComparisonTile.bytes(planes: stage.shiftPlanes, count: stage.count)
    // All of the dealer's first: it may be held up by the model owner, who reads nothing from here meanwhile.
    var dealt: [(SecretBytes, SecretWords)] = []
    try dealer.beginReceive(.comparisonDealt, byteCount: serials.count * (chosenBytes + 8 * stage.count))
    for _ in serials {
      let pads = try dealer.readSecretBytes(chosenBytes)
      dealt.append((pads, try dealer.readSecretWords(stage.count, stage.modulus)))
    }
    dealer.endReceive()
    try peer.beginSend(.comparisonDelta, byteCount: serials.count * (deltaBytes + 8 * stage.count))
    for (position, serial) in serials.enumerated() {
      let draw = ComparisonDraw(streams, isModelOwner: false, layer: layer, serial: serial, stage)
      let (pads, h) = dealt[position]
      let choices = ComparisonCorrection.slice(compared[position], stage)
      let shift = ComparisonCorrection.shift(choices, from: draw.planes, stage)
      let operand = operands[position]
      let delta = SecretWords(uninitialized: stage.count)
      ComparisonKernels.negate(
        stage.modulus, where: draw.rho.pointer, operand.pointer, count: stage.count, out: delta.pointer)
      Elementwise.subtract(
        stage.modulus, delta.pointer, draw.factor.pointer, count: stage.count, output: delta.pointer)
      try peer.write(UnsafeRawBufferPointer(shift.buffer))
      try peer.write(UnsafeRawBufferPointer(delta.buffer))
      receive(
        position,
        DataOwnerComparisonMaterial(
          choices: choices, pads: pads, triples: draw.triples, rho: draw.rho, operand: operand, h: h, w: draw.share,
          offset: offsets[position]))
    }
    try peer.endSend()
  }
}
