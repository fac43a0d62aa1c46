import Programs

extension TimingSetting {
  /// Transforms of weights in the memory that a model owner gives them unless it is told otherwise: 256 MiB of words, N = 8192
  /// and three primes.
  public static let usualHeldTransforms = (256 << 20) / (8 * 3 * 8192)
}

extension HostModel {
  /// A link of this host by name, or what a described link would be: its rate and latency, with the processor time of the loopback.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  func link(like model: LinkModel) throws -> HostLink {
    if let found = links[model.name] { return found }
    var link = try link(Self.loopback)
    link.roundTrip = model.latency
    link.roundTrip.value *= 2
    link.roundTrip.formula = nil
    link.rate = model.rate
    return link
  }
}

extension HardwareEvaluator {
  /// Whether scripts are played: between two owners on hosts whose routines were measured, online and offline. Scripts of servers
  /// that hold shares have no routines yet.
  var isTimed: Bool {
    guard case .program = mode.kind, target.device == nil, let host = target.host else { return false }
    return mode.deployment == .owned && !host.routines.isEmpty && host.links[HostModel.loopback] != nil
      && (phase == .online || phase == .offline)
  }

  /// A program of this project's protocol on calibrated hosts, by playing the parties' scripts: computation, sending and waiting
  /// overlap as they do in the engine. Nil where they are not played.
  ///
  /// A layer's latency is its part of the whole (``TimePrediction/Step``); what the link takes for its bytes and turns counts as
  /// communication.
  /// - Throws: ``HardwareError``, `ProgramError`
  func timed(_ program: Program) throws -> HardwareEvaluation? {
    guard isTimed, case .program(let source) = mode.kind, let host = target.host else { return nil }
    var setting = try TimingSetting(host: host)
    setting.link = try host.link(like: link)
    setting.heldTransforms = TimingSetting.usualHeldTransforms
    let prediction = try TimingModel(model).predict(
      program: program, phase: phase, batch: batch, bulk: batch, source: source, setting: setting)
    let accounts = try LayerAccount.layers(
      of: program, model: model, source: source, phase: phase, batch: batch, bulk: batch)
    var seconds = Dictionary(prediction.steps.map { ($0.name, $0.seconds) }, uniquingKeysWith: +)
    let accuracy = host.routines.values.map(\.accuracy).max() ?? 0
    var total = HardwareEvaluation.Cost(energy: 0)
    let layers = accounts.map { account in
      var cost = HardwareEvaluation.Cost(operationEnergy: nil)
      let latency = seconds.removeValue(forKey: account.name) ?? 0
      let onLink =
        Double(account.flights) * link.latency.measure.value + account.bits / link.rate.measure.value
      cost.communication = min(latency, onLink)
      cost.computation = latency - cost.communication
      cost.uncertainty = latency * accuracy
      cost.bytes = Int((account.bits / 8).rounded(.up))
      cost.messages = account.messages
      cost.flights = account.flights
      for work in account.work { cost.operations[work.operation, default: 0] += work.count }
      cost.energy = target.pairPower.map { $0 * latency }
      total.add(cost)
      return HardwareEvaluation.Part(name: account.name, operation: account.operation, count: 1, cost: cost)
    }
    // What opens and closes the phase, and steps that send and compute nothing.
    total.computation += max(0, prediction.seconds - total.latency)
    total.energy = target.pairPower.map { $0 * total.latency }
    return HardwareEvaluation(
      network: program.name, protocolName: mode.name, device: target.name, link: link.name, phase: phase, batch: batch,
      layers: layers, total: total)
  }
}
