import Rings
import Testing

@Suite struct GeometryTests {
  private let valid = LinearGeometry(
    inChannels: 8, outChannels: 16, inHeight: 32, inWidth: 30, kernel: 3, stride: 2, padding: 1)

  @Test func derivesItsShapes() throws {
    try valid.validate()
    #expect(valid.outputShape == TensorShape(channels: 16, height: 16, width: 15))
    #expect(valid.tapsPerOutput == 72)
    #expect(valid.weightCount == 1152)
    #expect(valid.multiplyAccumulates == 72 * 16 * 16 * 15)
    #expect(!valid.isFullyConnected)
    #expect(LinearGeometry(inFeatures: 5, outFeatures: 2).isFullyConnected)
    #expect(TensorShape(vector: 7) == TensorShape(channels: 7, height: 1, width: 1))
  }

  @Test func refusesDimensionsOutOfRange() {
    let positive: [WritableKeyPath<LinearGeometry, Int>] = [
      \.inChannels, \.outChannels, \.inHeight, \.inWidth, \.kernelHeight, \.kernelWidth, \.strideHeight, \.strideWidth,
      \.groups,
    ]
    for path in positive {
      for value in [0, -1, Int.min, 65537, Int.max] {
        var g = valid
        g[keyPath: path] = value
        #expect(throws: RingsError.self) { try g.validate() }
      }
    }
    let padding: [WritableKeyPath<LinearGeometry, Int>] = [
      \.padTop, \.padLeft, \.padBottom, \.padRight,
    ]
    for path in padding {
      for value in [-1, Int.min, 65537, Int.max] {
        var g = valid
        g[keyPath: path] = value
        #expect(throws: RingsError.self) { try g.validate() }
      }
    }
  }

  @Test func refusesWhatDoesNotFitTogether() {
    var g = valid
    g.groups = 3
    #expect(throws: RingsError.groupsDoNotDivide(groups: 3, channels: 8)) { try g.validate() }
    g = valid
    g.kernelHeight = 35
    #expect(throws: RingsError.emptyOutput(name: "height", paddedInput: 34, kernel: 35)) { try g.validate() }
    g = valid
    g.kernelWidth = 33
    #expect(throws: RingsError.emptyOutput(name: "width", paddedInput: 32, kernel: 33)) { try g.validate() }
  }

  @Test func refusesWhatIsTooLarge() {
    let many = LinearGeometry(inFeatures: 65536, outFeatures: 65536)
    #expect(throws: RingsError.tooLarge(name: "weights", limit: 1 << 28)) { try many.validate() }
    let wide = LinearGeometry(inChannels: 65536, outChannels: 1, inHeight: 65536, inWidth: 65536, kernel: 1)
    #expect(throws: RingsError.tooLarge(name: "input elements", limit: 1 << 28)) { try wide.validate() }
    let tall = LinearGeometry(
      inChannels: 1, outChannels: 4, inHeight: 1, inWidth: 1, kernelHeight: 1, kernelWidth: 1, padTop: 65536,
      padLeft: 65536)
    #expect(throws: RingsError.tooLarge(name: "output elements", limit: 1 << 28)) { try tall.validate() }
    let scratch = LinearGeometry(
      inChannels: 65536, outChannels: 1, inHeight: 1, inWidth: 4096, kernelHeight: 1, kernelWidth: 2, padLeft: 1)
    #expect(throws: RingsError.tooLarge(name: "words of scratch in an output row", limit: 1 << 24)) {
      try scratch.validate()
    }
    #expect(throws: Never.self) { try LinearGeometry(inFeatures: 25088, outFeatures: 4096).validate() }
  }

  @Test func errorsSayWhatToDo() {
    #expect(
      RingsError.groupsDoNotDivide(groups: 3, channels: 8).description
        == "The layer has 3 groups, which do not divide its 8 channels; change one of them.")
  }
}
