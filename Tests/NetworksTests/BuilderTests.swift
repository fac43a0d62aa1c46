import Networks
import Rings
import Testing

struct PublishedNetwork: Sendable, CustomTestStringConvertible {
  var name: String
  var batchNorm = true
  var parameters: Int
  var products: Int
  var testDescription: String { name }
}

@Suite struct BuilderTests {
  /// Parameters: torchvision 0.20, `sum(p.numel() for p in model.parameters())`; for CIFAR the same with ten classes and
  /// the stem 3x3, He et al. (0.27 and 0.46 million), and the usual VGG-16 with one linear layer (14.73 million).
  /// Products: weights times output pixels, as the papers count (4.09, 15.47, 0.30, 3.66, 1.81, 0.35, 2.83 times 10^9).
  static let published = [
    PublishedNetwork(name: "resnet18-imagenet", parameters: 11_689_512, products: 1_814_073_344),
    PublishedNetwork(name: "resnet34-imagenet", parameters: 21_797_672, products: 3_663_761_408),
    PublishedNetwork(name: "resnet50-imagenet", parameters: 25_557_032, products: 4_089_184_256),
    PublishedNetwork(
      name: "vgg16-imagenet", batchNorm: false, parameters: 138_357_544, products: 15_470_264_320),
    PublishedNetwork(name: "mobilenetv2-imagenet", parameters: 3_504_872, products: 300_774_272),
    PublishedNetwork(
      name: "squeezenet-imagenet", batchNorm: false, parameters: 1_235_496, products: 349_151_936),
    PublishedNetwork(name: "densenet121-imagenet", parameters: 7_978_856, products: 2_834_161_664),
    PublishedNetwork(name: "resnet20", parameters: 269_722, products: 40_551_040),
    PublishedNetwork(name: "resnet32", parameters: 464_154, products: 68_862_592),
    PublishedNetwork(name: "resnet18", parameters: 11_173_962, products: 555_422_720),
    PublishedNetwork(name: "resnet34", parameters: 21_282_122, products: 1_159_402_496),
    PublishedNetwork(name: "resnet50", parameters: 23_520_842, products: 1_297_829_888),
    PublishedNetwork(name: "vgg16", parameters: 14_724_042, products: 313_201_664),
    PublishedNetwork(name: "mobilenetv2", parameters: 2_236_682, products: 87_976_448),
  ]

  static func trained(_ graph: Graph) throws -> Int {
    try graph.parameterShapes().reduce(0) {
      $1.key.name.isTrainable ? $0 + $1.value.reduce(1, *) : $0
    }
  }

  @Test("Published sizes", arguments: published)
  func sizes(net: PublishedNetwork) throws {
    let options = BuilderOptions(activation: .relu, pooling: .maximum, batchNorm: net.batchNorm)
    let graph = try #require(Builders.named(net.name, options: options))
    try graph.validate()
    #expect(try Self.trained(graph) == net.parameters)
    #expect(try Report(graph).multiplyAccumulates == net.products)
  }

  @Test func pictureSetsAndPoolsChangeShapes() throws {
    func shape(_ name: String, _ layer: String, dataset: PictureData? = nil) throws -> TensorShape {
      let graph = try #require(Builders.named(name, dataset: dataset, options: BuilderOptions()))
      let node = try #require(graph.nodes.first { $0.name == layer })
      return try graph.shapes()[node.id]
    }
    #expect(
      try shape("resnet50", "stem.pool", dataset: .imageNet)
        == TensorShape(channels: 64, height: 56, width: 56))
    #expect(
      try shape("resnet18-pool", "stem.pool") == TensorShape(channels: 64, height: 16, width: 16))
    #expect(
      try shape("resnet18-pool", "stage4.block2.act")
        == TensorShape(channels: 512, height: 2, width: 2))
    #expect(
      try shape("resnet18", "stage4.block2.act") == TensorShape(channels: 512, height: 4, width: 4))
    #expect(try shape("vgg16", "pool5") == TensorShape(channels: 512, height: 1, width: 1))
    #expect(try shape("vgg16-imagenet", "pool5") == TensorShape(channels: 512, height: 7, width: 7))
    #expect(
      try shape("mobilenetv2", "head.act") == TensorShape(channels: 1280, height: 4, width: 4))
    #expect(
      try shape("mobilenetv2-imagenet", "head.act")
        == TensorShape(channels: 1280, height: 7, width: 7))
    #expect(try shape("resnet20-cifar100", "fc") == TensorShape(vector: 100))
  }

  @Test func choicesAreTaken() throws {
    let relu = BuilderOptions(activation: .relu, pooling: .maximum)
    func operations(_ name: String) throws -> Set<String> {
      Set(try #require(Builders.named(name, options: relu)).nodes.map(\.operation.label))
    }
    #expect(try operations("mobilenetv2").contains("clipped-relu"))
    #expect(try !operations("mobilenetv2").contains("relu"))
    #expect(try operations("resnet50-imagenet").isSuperset(of: ["relu", "maxpool"]))
    #expect(try operations("lenet").contains("maxpool"))
    let polynomial = try #require(Builders.named("mobilenetv2", options: BuilderOptions()))
    #expect(!polynomial.nodes.contains { $0.operation.isComparison })
    let plain = try #require(Builders.named("resnet50", options: BuilderOptions(batchNorm: false)))
    #expect(!plain.nodes.contains { $0.operation.label == "bn" })
  }

  @Test func factorsScaleChannelsAndLayers() throws {
    let half = try #require(Builders.named("resnet20-w0.5", options: BuilderOptions()))
    #expect(half.name == "resnet20-w0.5")
    #expect(try half.shapes()[1].channels == 8)
    let short = try #require(Builders.named("resnet20", options: BuilderOptions(depth: 0.34)))
    #expect(short.nodes.count { $0.operation.label == "add" } == 3)
    let thin = try #require(Builders.named("vgg16-w0.25-d0.5", options: BuilderOptions()))
    #expect(thin.nodes.count { $0.operation.label == "conv" } == 1 + 1 + 2 + 2 + 2)
    try thin.validate()
    // Sandler et al.: 1.4 times the channels; torchvision's rule gives 48 for the stem and 1792 for the head.
    let wide = try #require(Builders.named("mobilenetv2-imagenet-w1.4", options: BuilderOptions()))
    #expect(try wide.shapes()[1].channels == 48)
    #expect(
      try Self.trained(#require(Builders.named("mobilenetv2-imagenet-w1.4", activation: .relu)))
        == 6_108_776)
    for name in [
      "resnet50-w0.25", "mobilenetv2-w0.5-d0.5", "lenet-w2", "digits-w0.5", "resnet32-d2", "squeezenet-w0.25",
      "squeezenet-cifar100-pool", "densenet121-w0.125-d0.25", "densenet121-cifar100-pool",
    ] {
      try #require(Builders.named(name, options: BuilderOptions())).validate()
    }
  }

  @Test(arguments: [
    "", "alexnet", "resnet20-imagenet", "resnet18-w", "resnet18-w0", "resnet18-wnan",
    "resnet18-w2-w2", "vgg16-pool",
    "resnet18-imagenet-pool", "lenet-cifar10", "resnet18-", "resnet18-w1e9",
    "resnet18-cifar10-imagenet",
  ])
  func unknownNamesGiveNothing(name: String) {
    #expect(Builders.named(name) == nil)
  }

  @Test func namesAndDatasetsMustAgree() {
    #expect(
      Builders.named("resnet50-imagenet", dataset: .cifar10, options: BuilderOptions()) == nil)
    #expect(
      Builders.named("resnet50-imagenet", dataset: .imageNet, options: BuilderOptions()) != nil)
    #expect(Builders.named("resnet20", dataset: .imageNet, options: BuilderOptions()) == nil)
    #expect(Builders.named("lenet", dataset: .cifar10, options: BuilderOptions()) == nil)
  }
}
