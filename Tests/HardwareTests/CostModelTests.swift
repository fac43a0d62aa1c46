import Hardware
import Programs
import Rings
import Testing

@Suite struct CostModelTests {
  /// 1x2x2 input, convolution 1x1 to 3 channels, activation, sum over the picture, fully connected 3 -> 2, output.
  private func program(_ truncation: TruncationVariant) -> Program {
    func tensor(_ c: Int, _ side: Int, _ modulus: ModulusKind) -> TensorInfo {
      TensorInfo(shape: TensorShape(channels: c, height: side, width: side), modulus: modulus, fractionBits: 8)
    }
    let conv = LinearGeometry(inChannels: 1, outChannels: 3, inHeight: 2, inWidth: 2, kernelHeight: 1, kernelWidth: 1)
    let full = LinearGeometry(inChannels: 3, outChannels: 2, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1)
    return Program(
      name: "small",
      steps: [
        Step(name: "input", operation: .input, inputs: [], tensor: tensor(1, 2, .field)),
        Step(name: "conv", operation: .linear(conv), inputs: [0], tensor: tensor(3, 2, .field)),
        Step(
          name: "act", operation: .activation(ActivationSpec(droppedBits: 24, truncation: truncation)), inputs: [1],
          tensor: tensor(3, 2, .word)),
        Step(name: "pool", operation: .globalSumPool, inputs: [2], tensor: tensor(3, 1, .word)),
        Step(name: "full", operation: .linear(full), inputs: [3], tensor: tensor(2, 1, .word)),
        Step(name: "output", operation: .output(droppedBits: 16), inputs: [4], tensor: tensor(2, 1, .word)),
      ])
  }

  @Test func onlineExact() throws {
    let cost = try CostModel().predict(program: program(.exact), phase: .online, batch: 3)
    // To the model owner: 12, 8*4*3 = 96, 16*12*3 = 576. To the data owner: 8*36 + ceil(36/8) = 293, 2*3*6 = 36.
    #expect(cost.messages.map(\.payloadBytes) == [12, 96, 293, 576, 36])
    #expect(cost.messages.map(\.message) == ["query", "maskedInput", "activationOpen", "activationAnswer", "output"])
    let toModel = cost.total.traffic(from: .dataOwner, to: .modelOwner)
    #expect(toModel.payloadBytes == 684 && toModel.frames == 3 && toModel.totalBytes == 732)
    let toData = cost.total.traffic(from: .modelOwner, to: .dataOwner)
    #expect(toData.payloadBytes == 329 && toData.frames == 2 && toData.totalBytes == 361)
    #expect(cost.totalBytes(.modelOwner, .dataOwner) == 1093)
    #expect(cost.flights(.modelOwner, .dataOwner) == 4)
    #expect(cost.rounds(.modelOwner, .dataOwner) == 2)
    #expect(cost.flights(.modelOwner, .dealer) == 0)
    // Masks 4 + 12, linear words 12 + 2, each for 3 samples; multiply-accumulates 12 + 6.
    #expect(cost.total.consumed(.mask) == 48 && cost.total.consumed(.linear) == 42)
    #expect(cost.total.consumed(.ole) == 36 && cost.total.consumed(.transfer) == 36)
    #expect(cost.total.work(.modelOwner, "ring.mac") == 54)
  }

  @Test func onlineLocal() throws {
    let cost = try CostModel().predict(program: program(.local), phase: .online)
    #expect(cost.messages.map(\.payloadBytes) == [12, 32, 96, 96, 12])
    #expect(cost.total.consumed(.transfer) == 0)
  }

  @Test func offline() throws {
    let cost = try CostModel().predict(program: program(.exact), phase: .offline, bulk: 5, source: .dealer)
    #expect(cost.total.traffic(from: .dataOwner, to: .modelOwner).payloadBytes == 12 + 8 * 12 * 5)
    #expect(cost.total.traffic(from: .modelOwner, to: .dataOwner).payloadBytes == 12)
    #expect(cost.total.traffic(from: .dealer, to: .modelOwner).payloadBytes == 32 + 2 * 8 * 12 * 5)
    #expect(cost.total.traffic(from: .dealer, to: .dataOwner).payloadBytes == 32 + 8 * (12 + 2) * 5)
    #expect(cost.total.traffic(from: .dealer, to: .dataOwner).frames == 3)
    #expect(cost.total.traffic(from: .modelOwner, to: .dealer).payloadBytes == 12)
    #expect(cost.flights(.modelOwner, .dataOwner) == 2)
    #expect(cost.flights(.dataOwner, .dealer) == 2)
    #expect(cost.total.produced(.transfer) == 60 && cost.total.produced(.mask) == 80)
    // Transfers 2*12 words of 8 bytes = 12 blocks, masks 6, gamma and v 24; 4 blocks for the input's mask.
    #expect(cost.total.work(.dataOwner, "aes.block") == 5 * (12 + 6 + 24 + 4))
  }

  @Test func sessionAndSetup() throws {
    let setup = try CostModel().predict(program: program(.exact), phase: .setup, source: .dealer)
    #expect(setup.messages.map(\.payloadBytes) == [24, 48])
    let session = try CostModel().predict(program: program(.exact), phase: .session, source: .dealer)
    #expect(session.messages.map(\.payloadBytes) == [64, 32, 1])
  }

  @Test(arguments: CostPhase.allCases, [TruncationVariant.exact, .local])
  func totalsAreSums(phase: CostPhase, truncation: TruncationVariant) throws {
    let cost = try CostModel().predict(program: program(truncation), phase: phase, batch: 2, bulk: 2)
    let traffic = cost.steps.flatMap(\.cost.traffic)
    #expect(traffic.reduce(0) { $0 + $1.payloadBytes } == cost.messages.reduce(0) { $0 + $1.payloadBytes })
    #expect(cost.total.traffic.reduce(0) { $0 + $1.payloadBytes } == traffic.reduce(0) { $0 + $1.payloadBytes })
    #expect(cost.total.traffic.reduce(0) { $0 + $1.frames } == cost.messages.count)
    for kind in MaterialKind.allCases {
      #expect(cost.total.consumed(kind) == cost.steps.reduce(0) { $0 + $1.cost.consumed(kind) })
      #expect(cost.total.produced(kind) == cost.steps.reduce(0) { $0 + $1.cost.produced(kind) })
    }
  }

  /// What a bulk makes is what a batch of the same size spends.
  @Test(arguments: [TruncationVariant.exact, .local])
  func materialBalances(truncation: TruncationVariant) throws {
    let model = try CostModel()
    let offline = try model.predict(program: program(truncation), phase: .offline, bulk: 7)
    let online = try model.predict(program: program(truncation), phase: .online, batch: 7)
    for kind in MaterialKind.allCases { #expect(offline.total.produced(kind) == online.total.consumed(kind)) }
  }

  @Test func badCountsAreRefused() throws {
    let model = try CostModel()
    #expect(throws: HardwareError.invalidCount(what: "batch", found: 0)) {
      try model.predict(program: program(.exact), phase: .online, batch: 0)
    }
    #expect(throws: HardwareError.self) {
      try model.predict(program: program(.exact), phase: .online, batch: .max)
    }
  }

  @Test func tableNamesEveryStep() throws {
    let table = try CostModel().predict(program: program(.exact), phase: .online).table()
    for name in ["input", "conv", "act", "output", "total"] { #expect(table.contains(name)) }
  }
}
