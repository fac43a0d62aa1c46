import Correlations
import Programs
import Rings
public import Transport

extension FrameKind {
  /// Model owner -> data owner: leaf tables, and the openings of the tree's first level.
  public static let comparisonTables = FrameKind(rawValue: 0x70)
  /// Data owner -> model owner: openings of one or two levels, and behind the first ones its masked shares of turns.
  public static let comparisonDataOpenings = FrameKind(rawValue: 0x71)
  /// Model owner -> data owner: openings of two levels, with more to come.
  public static let comparisonModelOpenings = FrameKind(rawValue: 0x72)
  /// Model owner -> data owner: its last openings, delta0 and D.
  public static let comparisonSelect = FrameKind(rawValue: 0x73)
  /// Data owner -> model owner: delta1 and y1 less r'.
  public static let comparisonAnswer = FrameKind(rawValue: 0x74)
}

/// What travels when, of which both parties and the descriptor must think alike (Protocols/comparison/spec.md).
struct ComparisonFlow {
  let stage: ComparisonStage
  let levels: [ComparisonDigits.Level]

  init(_ stage: ComparisonStage) {
    self.stage = stage
    levels = stage.digits.levels
    precondition(!stage.answersTurns || !levels.isEmpty, "turns travel with openings")
  }

  /// Bits that a party opens on a level; none beyond the last.
  func open(_ level: Int) -> Int { level < levels.count ? levels[level].openPlanes : 0 }

  /// First plane of a level's triples among all of a tile.
  func triple(_ level: Int) -> Int { levels[..<level].reduce(0) { $0 + $1.triplePlanes } }

  /// Bits of each message of an element.
  var tablePlanes: Int { stage.tablePlanes + open(0) }
  func dataOpenings(_ level: Int) -> Int { open(level) + open(level + 1) }
  /// The first ones come with shares of turns, where these travel.
  func dataPlanes(_ level: Int) -> Int { dataOpenings(level) + (level == 0 ? stage.answerPlanes : 0) }
  func modelPlanes(_ level: Int) -> Int { open(level + 1) + open(level + 2) }
  /// Whether the model owner's message after openings of `level` is its last one.
  func isLast(_ level: Int) -> Bool { level + 2 >= levels.count }
  func selectPlanes(_ level: Int) -> Int { open(level + 1) + 1 }

  /// Payload bytes of `planes` bits, and a word if there is one, an element of `batch` samples.
  func byteCount(_ planes: Int, words: Int = 0, batch: Int) -> Int {
    batch * (ComparisonTile.bytes(planes: planes, count: stage.count) + 8 * words * stage.count)
  }

  /// Most bits that a message carries, for scratch memory.
  var widestPlanes: Int {
    levels.indices.reduce(tablePlanes) { max($0, dataPlanes($1), modelPlanes($1), selectPlanes($1)) }
  }
}

/// What a party keeps of one sample between the messages; planes tile by tile.
struct ComparisonState {
  /// Shares of the nodes, leaves first; each level overwrites them.
  let shares: SecretBytes
  /// Its openings of the level that waits for the peer's.
  let kept: SecretBytes
  /// Its share of b, once known; before that the top bit of its word.
  let bit: SecretBytes
  /// delta0, at the model owner.
  let delta: SecretBytes

  init(_ flow: ComparisonFlow) {
    func bytes(_ planes: Int) -> SecretBytes {
      SecretBytes(uninitialized: ComparisonTile.bytes(planes: planes, count: flow.stage.count))
    }
    shares = bytes(flow.stage.digits.leafPlanes)
    kept = bytes(flow.levels.first?.openPlanes ?? 0)
    bit = bytes(1)
    delta = bytes(1)
  }
}

/// One tile of one sample at one party: the tree's steps on pointers into state, material and messages.
struct ComparisonTree {
  let kernels: ComparisonKernels
  let flow: ComparisonFlow
  let leads: Bool
  let count: Int
  let bytes: Int
  let shares: UnsafeMutablePointer<UInt8>
  let kept: UnsafeMutablePointer<UInt8>
  let triples: UnsafePointer<UInt8>

  init(
    _ kernels: ComparisonKernels, _ flow: ComparisonFlow, leads: Bool, _ state: ComparisonState, triples: SecretBytes,
    first: Int, count: Int, bytes: Int
  ) {
    self.kernels = kernels
    self.flow = flow
    self.leads = leads
    self.count = count
    self.bytes = bytes
    shares = state.shares.pointer + flow.stage.digits.leafPlanes * first / 8
    kept = state.kept.pointer + (flow.levels.first?.openPlanes ?? 0) * first / 8
    self.triples = UnsafePointer(triples.pointer) + flow.stage.digits.triplePlanes * first / 8
  }

  /// Opens a level: keeps the bits, and writes them to a message.
  /// - Returns: the bytes written.
  func open(_ level: Int, to message: UnsafeMutablePointer<UInt8>) -> Int {
    let planes = flow.open(level)
    guard planes > 0 else { return 0 }
    kernels.open(
      nodes: flow.levels[level].nodes, bytes: bytes, shares: shares, triples: triples + flow.triple(level) * bytes,
      opened: kept)
    ComparisonKernels.trim(kept, planes: planes, count: count)
    message.update(from: kept, count: planes * bytes)
    return planes * bytes
  }

  /// Joins the level whose openings are kept with the peer's.
  /// - Returns: the bytes read.
  func join(_ level: Int, with peer: UnsafePointer<UInt8>) -> Int {
    let planes = flow.open(level)
    guard planes > 0 else { return 0 }
    kernels.join(
      leads: leads, nodes: flow.levels[level].nodes, bytes: bytes, shares: shares,
      triples: triples + flow.triple(level) * bytes, own: kept, peer: peer)
    return planes * bytes
  }

  /// Adds the root's share to the party's share of b, complemented if `flips`.
  func finish(_ bit: UnsafeMutablePointer<UInt8>, flips: Bool) {
    let flip: UInt8 = flips ? 0xff : 0
    for index in 0..<bytes { bit[index] ^= shares[index] ^ flip }
  }
}

extension FramedChannel {
  func write(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) throws {
    try write(UnsafeRawBufferPointer(start: bytes, count: count))
  }

  func read(_ bytes: UnsafeMutablePointer<UInt8>, _ count: Int) throws {
    try read(into: UnsafeMutableRawBufferPointer(start: bytes, count: count))
  }
}
