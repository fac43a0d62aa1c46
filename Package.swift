// swift-tools-version: 6.2
import PackageDescription

let settings: [SwiftSetting] = [
  .treatAllWarnings(as: .error), .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"), .enableUpcomingFeature("MemberImportVisibility"),
]

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let protobuf = Target.Dependency.product(name: "SwiftProtobuf", package: "swift-protobuf")
let protocols = [
  "add", "change-ring", "comparison", "concatenate", "dealer", "input", "linear", "offset", "ot", "output",
  "outsourced",
  "pasnet",
  "pooling", "reshape", "rlwe", "store", "subsample-pad", "x2act",
]

func library(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

func system(_ name: String, _ package: String, debian: String) -> Target {
  .systemLibrary(name: name, pkgConfig: package, providers: [.apt([debian])])
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .testTarget(name: name, dependencies: dependencies, resources: resources, swiftSettings: settings)
}

// One line of dependencies; lower never imports upper (ARCHITECTURE.md).
let package = Package(
  name: "PolyMPCNet",
  products: [
    .executable(name: "polympc", targets: ["polympc"]),
    .library(name: "Networks", targets: ["Networks"]),
    .library(name: "ONNX", targets: ["ONNX"]),
    .library(name: "Inference", targets: ["Inference"]),
    .library(name: "Training", targets: ["Training"]),
    .library(name: "Hardware", targets: ["Hardware"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0"),
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/swhitty/FlyingFox", from: "0.27.1"),
    .package(url: "https://github.com/swiftlang/swift-docc-plugin", from: "1.5.0"),
  ],
  targets: [
    system("COpenSSL", "openssl", debian: "libssl-dev"),
    system("COpenBLAS", "openblas", debian: "libopenblas-dev"),
    system("CGMP", "gmp", debian: "libgmp-dev"),
    system("CZlib", "zlib", debian: "zlib1g-dev"),
    system("CPNG", "libpng", debian: "libpng-dev"),
    .target(name: "CKernels"),
    library("Rings", ["CKernels"]),
    library("Randomness", ["COpenSSL", "Rings"]),
    library("Transport", ["COpenSSL", "Randomness"]),
    library("Packing", ["Rings"]),
    library("Lattice", ["CKernels", "Packing", "Randomness", "Rings"]),
    library("ObliviousTransfer", ["CKernels", "COpenSSL", "Randomness", "Rings", "Transport"]),
    library("Programs", ["Rings"]),
    library(
      "Correlations", ["Lattice", "ObliviousTransfer", "Packing", "Programs", "Randomness", "Rings", "Transport"]),
    library(
      "MaterialStore", ["Randomness", "Rings", "Transport", .product(name: "GRDB", package: "GRDB.swift")]),
    library("TwoParty", ["Correlations", "Programs", "Randomness", "Rings", "Transport"]),
    library("Networks", ["Programs", "Randomness", "Rings"]),
    library("ONNX", ["Networks", "Rings", protobuf]),
    library(
      "Inference",
      ["Correlations", "MaterialStore", "Networks", "Programs", "Randomness", "Rings", "Transport", "TwoParty"]),
    library("Training", ["CKernels", "COpenBLAS", "CZlib", "Networks", "Rings"], resources: [.copy("Resources")]),
    .target(
      name: "ProtocolDescriptors", path: "Protocols", exclude: ["README.md"],
      resources: protocols.map { .copy($0) }, swiftSettings: settings),
    .target(
      name: "HardwareModels", path: "HardwareModels", exclude: ["README.md", "rtl"],
      resources: ["devices", "links", "kernels", "hosts"].map { .copy($0) }, swiftSettings: settings),
    library("Tracing", []),
    library(
      "Hardware", ["HardwareModels", "Networks", "Packing", "Programs", "ProtocolDescriptors", "Rings", "Tracing"]),
    library(
      "Daemons",
      [
        "CKernels", "CPNG", "CZlib", "Correlations", "Hardware", "Inference", "Lattice", "MaterialStore", "Networks",
        "ObliviousTransfer", "Packing", "Programs", "ProtocolDescriptors", "Randomness", "Rings", "Tracing",
        "Transport", "TwoParty",
        "Yams", "FlyingFox", logging,
      ]),
    .executableTarget(
      name: "polympc",
      dependencies: [
        "Correlations", "Daemons", "Hardware", "Inference", "MaterialStore", "Networks", "ONNX", "Programs",
        "Randomness", "Rings", "Tracing", "Training", "Transport", logging,
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ],
      swiftSettings: settings),
    library("TestSupport", ["Programs", "Randomness", "Rings", "Transport"]),
    tests("RingsTests", ["CGMP", "Rings"]),
    tests("RandomnessTests", ["Randomness", "Rings"]),
    tests("LatticeTests", ["CGMP", "CKernels", "Lattice", "Packing", "Randomness", "Rings"]),
    tests(
      "ObliviousTransferTests",
      ["CKernels", "COpenSSL", "Hardware", "ObliviousTransfer", "Randomness", "Rings", "TestSupport", "Transport"]),
    tests("TransportTests", ["Randomness", "TestSupport", "Transport"]),
    tests(
      "CorrelationsTests",
      [
        "Correlations", "Hardware", "Lattice", "Packing", "Programs", "Randomness", "Rings", "TestSupport", "Transport",
      ]),
    tests(
      "TwoPartyTests", ["Correlations", "Programs", "Randomness", "Rings", "TestSupport", "Transport", "TwoParty"]),
    tests(
      "MaterialStoreTests",
      [
        "Hardware", "MaterialStore", "Programs", "Randomness", "Rings", "TestSupport", "Transport",
        .product(name: "GRDB", package: "GRDB.swift"),
      ]),
    tests("NetworksTests", ["Networks", "Programs", "Randomness", "Rings"]),
    tests("TracingTests", ["TestSupport", "Tracing"]),
    tests(
      "HardwareTests",
      [
        "Hardware", "HardwareModels", "Networks", "Programs", "ProtocolDescriptors", "Rings", "TestSupport", "Tracing",
      ]),
    tests("RTLTests", ["Hardware", "Randomness", "Rings"]),
    tests("TrainingTests", ["CKernels", "Networks", "Rings", "Training"], resources: [.copy("References")]),
    tests(
      "ONNXTests",
      [
        "Correlations", "Inference", "Lattice", "Networks", "ONNX", "Programs", "Randomness", "Rings", "TestSupport",
        "Transport", protobuf,
      ],
      resources: [.copy("References")]),
    tests(
      "InferenceTests",
      [
        "Correlations", "Hardware", "Inference", "Lattice", "MaterialStore", "Networks", "Programs", "Randomness",
        "Rings", "TestSupport", "Transport", "TwoParty",
      ]),
    tests(
      "DaemonsTests",
      [
        "CZlib", "Correlations", "Daemons", "Hardware", "Inference", "Lattice", "MaterialStore", "Networks",
        "ObliviousTransfer",
        "Programs",
        "Randomness", "Rings", "Tracing", "Transport", logging,
      ],
      resources: [.copy("References")]),
    tests(
      "EndToEndTests",
      [
        "Daemons", "Hardware", "Networks", "ONNX", "Programs", "Rings", "TestSupport", "Tracing", "Training",
        "Transport", "polympc",
      ]),
  ])
