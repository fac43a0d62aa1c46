/// Turns counts into stages: the prices of a target and a link in whole ticks.
struct StageMaker {
  private let evaluator: HardwareEvaluator
  private let prices: [String: HardwareTarget.Price]
  private let bitsPerSecond: Double
  private let latency: Double
  /// The host whose overheads count: not where it only helps a board.
  private let host: HostModel?

  /// Asks for the price of every operation that occurs.
  init(_ evaluator: HardwareEvaluator, work: [LayerAccount.Work]) throws {
    self.evaluator = evaluator
    var prices: [String: HardwareTarget.Price] = [:]
    for work in work where prices[work.operation] == nil {
      prices[work.operation] = try evaluator.target.price(work.operation)
    }
    self.prices = prices
    bitsPerSecond = evaluator.link.rate.measure.value
    latency = evaluator.link.latency.measure.value
    host = evaluator.target.device == nil ? evaluator.target.host : nil
  }

  /// A message: the link is busy with its bits, and it arrives the link's latency later.
  func send(
    _ name: String, from: CostParty, to: CostParty, bits: Double, space: FlowStage.Space, isAnswer: Bool,
    isAwaited: Bool = true
  ) throws -> FlowStage {
    let total = max(1, try ScheduleTime.ticks(seconds: latency + bits / bitsPerSecond))
    let busy = min(total, max(1, try ScheduleTime.ticks(seconds: bits / bitsPerSecond)))
    return FlowStage(
      name: name, kind: .send(to: to), space: space, isAnswer: isAnswer, isAwaited: isAwaited,
      work: [StageWork(party: from, kind: .link, lane: "link", ticks: busy, latency: total - busy)])
  }

  /// Operations of one kind; nil where there are none.
  func compute(_ work: LayerAccount.Work, data: Int, weights: Int) throws -> FlowStage? {
    guard work.count > 0 else { return nil }
    let price = prices[work.operation]!
    let ticks = max(1, try ScheduleTime.ticks(seconds: work.count * price.seconds))
    let fill = try ScheduleTime.ticks(seconds: price.fill)
    let parties = work.party == .both ? [CostParty.modelOwner, .dataOwner] : [work.party]
    return FlowStage(
      name: work.operation, kind: .compute, space: .result,
      work: parties.map {
        StageWork(
          party: $0, kind: price.isOnHost ? .processor : Self.kind(work.operation),
          lane: price.isOnHost ? "processor" : work.operation, ticks: ticks, latency: fill, dataBytes: data,
          weightBytes: weights)
      })
  }

  /// What a host pays for a query.
  func start(isFirst: Bool) -> [FlowStage] { isFirst ? overhead(.query, [.dataOwner]) : [] }
  /// What a host pays for a step, at each party.
  func overhead(ofStep account: LayerAccount) -> [FlowStage] {
    account.isStep ? overhead(.step, [.modelOwner]) + overhead(.step, [.dataOwner]) : []
  }
  /// What hosts pay for a frame, both ends together.
  func overhead(ofFrameFrom party: CostParty) -> [FlowStage] { overhead(.frame, [party]) }

  private func overhead(_ overhead: HostModel.Overhead, _ parties: [CostParty]) -> [FlowStage] {
    guard let host, let ticks = try? ScheduleTime.ticks(seconds: host.seconds(overhead)), ticks > 0 else { return [] }
    return [
      FlowStage(
        name: overhead.rawValue, kind: .compute, space: .result,
        work: parties.map { StageWork(party: $0, kind: .processor, lane: "processor", ticks: ticks) })
    ]
  }

  private static func kind(_ operation: String) -> LaneKind {
    switch operation.split(separator: ".")[0] {
    case "aes", "sample": .generator
    case "ot", "bit", "curve", "code": .transfer
    default: operation == "paper.transfer" ? .transfer : .multiplier
    }
  }
}
