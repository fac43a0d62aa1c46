import Programs

/// The scripts of all parties in a phase.
struct PhaseScripts {
  private(set) var parties: [PartyScript] = []
  /// What they are made of.
  let steps: [StepScript]

  /// - Parameter heldTransforms: polynomials of weights whose transforms the model owner has in memory.
  init(
    _ costs: CostModel, program: Program, phase: CostPhase, batch: Int, bulk: Int, source: CostModel.Source,
    heldTransforms: Int
  ) throws {
    var steps = try costs.scripts(program: program, phase: phase, batch: batch, bulk: bulk, source: source)
    Self.hold(heldTransforms, &steps)
    self.steps = steps
    let all: [CostParty] =
      source == .dealer && phase == .offline
      ? [.modelOwner, .dataOwner, .dealer]
      : [
        .modelOwner, .dataOwner,
      ]
    guard phase == .offline else {
      parties = all.map { party in
        var script = PartyScript(party)
        for step in steps {
          script.add(step)
          script.mark(step)
        }
        return script
      }
      return
    }
    let bulk = BulkScript(program, steps, inferences: bulk, source)
    parties = all.map { bulk.script($0) }
  }

  /// The first polynomials that are asked for stay in memory.
  private static func hold(_ held: Int, _ steps: inout [StepScript]) {
    var left = Double(held)
    for index in steps.indices {
      guard var work = steps[index].work[.modelOwner]?["latticeLinear"], let units = work["lattice.weight"] else {
        continue
      }
      let spared = min(left, units)
      left -= spared
      for routine in StepScript.ofTransforms { work[routine]? *= 1 - spared / units }
      steps[index].work[.modelOwner]!["latticeLinear"] = work
    }
  }
}

/// The order in which a bulk is prepared: `PreparationOrder`, and what each source does about comparisons.
private struct BulkScript {
  let order: PreparationOrder
  let program: Program
  let inferences: Int
  let source: CostModel.Source
  let opening: [StepScript]
  let closing: [StepScript]
  /// By step of the program: its runs.
  let steps: [Int: [StepScript]]

  init(_ program: Program, _ scripts: [StepScript], inferences: Int, _ source: CostModel.Source) {
    (self.program, self.inferences, self.source) = (program, inferences, source)
    order = PreparationOrder(program)
    opening = Array(scripts.prefix { $0.index == nil })
    closing = scripts.reversed().prefix { $0.index == nil }.reversed()
    steps = Dictionary(grouping: scripts.filter { $0.index != nil }) { $0.index! }
  }

  private func isCompared(_ step: Int) -> Bool { program.comparisonStages(step) != nil }

  func script(_ party: CostParty) -> PartyScript {
    var script = PartyScript(party)
    for step in opening { script.add(step) }
    // Masks, and what follows from masks alone.
    let waves = Set(order.waves.joined())
    for index in program.steps.indices where !waves.contains(index) {
      for step in steps[index] ?? [] { script.add(step) }
    }
    for wave in order.waves {
      if party == .dataOwner { requests(wave, &script) } else { answers(wave, party, &script) }
      if party == .dealer { for other in [CostParty.modelOwner, .dataOwner] { script.append(.flush(to: other)) } }
    }
    for step in closing { script.add(step) }
    return script
  }

  /// The data owner's events.
  private func requests(_ wave: [Int], _ script: inout PartyScript) {
    let events = PreparationOrder.events(wave) { index -> Int? in
      guard !isCompared(index) else { return nil }
      return Int(
        (steps[index] ?? []).flatMap(\.messages).filter { $0.from == .dataOwner }.reduce(0) { $0 + $1.bytes })
    }
    for event in events {
      switch event {
      case .request(let index):
        if !isCompared(index) { for step in steps[index] ?? [] { script.add(step, .request) } }
      case .collect(let index):
        for step in steps[index] ?? [] {
          if isCompared(index), source == .lattice {
            compare(step, &script)
          } else {
            script.add(step, isCompared(index) ? .all : .collect)
          }
        }
        steps[index]?.last.map { script.mark($0) }
      }
    }
  }

  /// What the model owner, or the dealer, does step by step.
  private func answers(_ wave: [Int], _ party: CostParty, _ script: inout PartyScript) {
    var place = 0
    while place < wave.count {
      let index = wave[place]
      guard isCompared(index), source == .lattice else {
        for step in steps[index] ?? [] { script.add(step) }
        // After linear steps a dealer holds back what is left, after others nothing.
        if party == .dealer, !program.linearSteps.contains(index) {
          for other in [CostParty.modelOwner, .dataOwner] { script.append(.flush(to: other)) }
        }
        steps[index]?.last.map { script.mark($0) }
        place += 1
        continue
      }
      let following = wave[place...].prefix { isCompared($0) }
      drawAhead(following.flatMap { steps[$0] ?? [] }, stages: following.flatMap { stages($0) }, &script)
      place += following.count
    }
  }

  private func stages(_ step: Int) -> [ComparisonStage] { program.comparisonStages(step) ?? [] }

  // MARK: Comparisons by transfers, inference by inference and digit by digit

  /// Draws of the model owner, what the data owner does with them, and what the model owner does with its corrections.
  private static let draws = "transferNoise"
  /// Bytes of the silent extension's frames, a transfer: 1600 a group of 20,480, and those of the next round's reserve.
  private static let noiseBytes = 1600.0 / 20480 * (1 + 143_942.0 / 2_252_218)

  private func each(_ work: RoutineCounts?) -> RoutineCounts { (work ?? [:]).mapValues { $0 / Double(inferences) } }

  private func noise(_ step: StepScript, _ party: CostParty, _ message: String) -> Double {
    Self.noiseBytes * (step.work[party]?[message]?["silent.give"] ?? 0) / Double(inferences)
  }

  /// The corrections of one inference's digits.
  private func choices(_ step: StepScript) -> ArraySlice<ScriptMessage> {
    let all = step.messages.filter { $0.name == "transferChoices" }
    return all.prefix(all.count / inferences)
  }

  /// The draws of one inference fall in as many parts as it has digits, and one for what follows them: joints and multiplexers.
  private func draws(_ step: StepScript) -> Int { choices(step).count + 1 }

  private func part(_ work: RoutineCounts, of parts: Int) -> RoutineCounts { work.mapValues { $0 / Double(parts) } }

  private func compare(_ step: StepScript, _ script: inout PartyScript) {
    let work = step.work[.dataOwner] ?? [:]
    script.append(work[StepScript.local] ?? [:])
    let (choices, draws) = (choices(step), draws(step))
    let noise = noise(step, .modelOwner, Self.draws) / Double(draws)
    let factors = step.messages.first { $0.name == "comparisonFactors" }
    let give = each(work["comparisonFactors"]).filter { $0.key == "silent.give" }
    for _ in 0..<inferences {
      for message in choices {
        script.receive(from: .modelOwner, noise)
        script.append(part(each(work[Self.draws]), of: draws))
        script.append(part(each(work["transferChoices"]), of: choices.count))
        script.send(to: .modelOwner, message.bytes, flushes: true)
      }
      script.receive(from: .modelOwner, noise)
      script.append(part(each(work[Self.draws]), of: draws))
      script.append(give)
      script.send(to: .modelOwner, self.noise(step, .dataOwner, "comparisonFactors"), flushes: true)
      script.append(each(work["comparisonFactors"]).filter { $0.key != "silent.give" })
      if let factors { script.send(to: .modelOwner, factors.bytes, flushes: true) }
    }
  }

  /// The model owner draws runs ahead, as far as their blocks stay within a bound of memory.
  private func drawAhead(_ runs: [StepScript], stages: [ComparisonStage], _ script: inout PartyScript) {
    let limit = 32 << 20
    let queue = zip(runs, stages).flatMap { run, stage in
      (0..<inferences).map {
        (run, bytes: 16 * stage.count * (stage.tableWidths.count + 1), isLast: $0 == inferences - 1)
      }
    }
    var (drawn, held) = (0, 0)
    for (place, entry) in queue.enumerated() {
      while drawn < queue.count, drawn <= place || held + queue[drawn].bytes <= limit {
        let run = queue[drawn].0
        let parts = draws(run)
        for _ in 0..<parts {
          script.append(part(each(run.work[.modelOwner]?[Self.draws]), of: parts))
          script.send(to: .dataOwner, noise(run, .modelOwner, Self.draws) / Double(parts), flushes: true)
        }
        held += queue[drawn].bytes
        drawn += 1
      }
      held -= entry.bytes
      take(entry.0, &script)
      if entry.isLast { script.mark(entry.0) }
    }
  }

  private func take(_ step: StepScript, _ script: inout PartyScript) {
    let work = step.work[.modelOwner] ?? [:]
    let choices = choices(step)
    for message in choices {
      script.receive(from: .dataOwner, message.bytes)
      script.append(part(each(work["transferChoices"]), of: choices.count))
    }
    script.receive(from: .dataOwner, noise(step, .dataOwner, "comparisonFactors"))
    let take = each(work["comparisonFactors"]).filter { $0.key == "silent.take" }
    script.append(take)
    if let factors = step.messages.first(where: { $0.name == "comparisonFactors" }) {
      script.receive(from: .dataOwner, factors.bytes)
    }
    script.append(each(work["comparisonFactors"]).filter { $0.key != "silent.take" })
  }
}
