import Lattice
import ObliviousTransfer
import Rings
import Testing

@testable import Daemons

@Suite("Benchmark cases")
struct BenchmarkCaseTests {
  @Test("are read by name")
  func read() throws {
    #expect(try BenchmarkCase("lenet:poly:32").kind == .network("lenet", batch: 32))
    #expect(try BenchmarkCase("resnet18-imagenet:poly:1").kind == .network("resnet18-imagenet", batch: 1))
    #expect(try BenchmarkCase("square:65536").kind == .network("square:65536", batch: 1))
    #expect(try BenchmarkCase("lenet:relu:3").kind == .network("lenet:relu", batch: 3))
    #expect(try BenchmarkCase("relu:1048576").kind == .network("relu:1048576:20", batch: 1))
    #expect(try BenchmarkCase("maxpool:16384:24").kind == .network("maxpool:16384:24", batch: 1))
    #expect(try BenchmarkCase("relu:65536:64").kind == .network("relu:65536:64", batch: 1))
    #expect(try BenchmarkCase("relu:9:64:bytes").kind == .network("relu:9:64:bytes", batch: 1))
    #expect(try BenchmarkCase("ole:1048576").kind == .evaluations(1 << 20))
    #expect(
      try BenchmarkCase("conv:64:32:56").kind
        == .linear(
          LinearGeometry(inChannels: 64, outChannels: 32, inHeight: 56, inWidth: 56, kernel: 3, stride: 1, padding: 1)))
    #expect(
      try BenchmarkCase("conv:3:64:224:7:2").kind
        == .linear(
          LinearGeometry(inChannels: 3, outChannels: 64, inHeight: 224, inWidth: 224, kernel: 7, stride: 2, padding: 3))
    )
    #expect(try BenchmarkCase("cot:1000").kind == .transfers(1000, .silent))
    #expect(try BenchmarkCase("cot:1000:silent").kind == .transfers(1000, .silent))
    #expect(try BenchmarkCase("cot:7:softspoken").kind == .transfers(7, .softSpoken(k: 4)))
    #expect(try BenchmarkCase("cot:7:softspoken:8").kind == .transfers(7, .softSpoken(k: 8)))
    #expect(try BenchmarkCase("ntt:8192").kind == .transform(degree: 8192, variant: .best))
    #expect(try BenchmarkCase("ntt:1024:scalar").kind == .transform(degree: 1024, variant: .scalar))
    #expect(try BenchmarkCase("ntt:8192").defaultPhase == .kernel)
    #expect(try BenchmarkCase("ole:9").defaultPhase == .preprocessing)
    #expect(try BenchmarkCase("lenet:poly:1").defaultPhase == .online)
  }

  @Test(
    "that are none are refused in words that say which there are",
    arguments: [
      "", ":", "vgg:poly:1", "lenet", "lenet:gelu:1", "lenet:poly", "lenet:poly:0", "lenet:poly:257", "lenet:poly:1:2",
      "relu", "relu:0", "relu:9:7", "relu:9:65", "relu:9:20:1", "maxpool:x", "lenet:relu:0",
      "square", "square:0", "square:x", "conv", "conv:1:1", "conv:0:1:8", "conv:1:1:8:16", "conv:1:1:8:3:0",
      "conv:1:1:8:3:1:1", "conv:4096:4096:1024", "respond:1", "ole", "ole:0", "ole:-1", "ole:99999999999999999999",
      "ntt",
      "cot", "cot:0", "cot:1:iknp", "cot:1:softspoken:3", "cot:1:softspoken:4:4", "cot:1:silent:4", "ntt:1000", "ntt:8",
      "ntt:32768", "ntt:8192:sse", "ntt:8192:scalar:1",
    ])
  func refused(name: String) {
    let error = #expect(throws: DaemonsError.self) { try BenchmarkCase(name) }
    #expect(error?.description.contains("conv:IN:OUT:SIZE") == true)
  }

  @Test("Responses are right on any number of threads", arguments: [1, 2])
  func responses(threads: Int) throws {
    guard case .responses(let geometry) = try BenchmarkCase("respond:8:10:20:3").kind else { return }
    let result = try ResponseBenchmark.run(
      name: "respond:8:10:20:3", geometry: geometry, threads: threads, repetitions: 2, net: "local")
    #expect(result.maxAbsErr <= 64 && result.allS.count == 2 && result.threads == threads)
    #expect(result.bytesTotal % 71680 == 0 && result.bytesTotal > 0)
  }

  @Test("A transform's timing checks itself")
  func transform() throws {
    guard case .transform(let degree, let variant) = try BenchmarkCase("ntt:256:scalar").kind else { return }
    let result = TransformBenchmark.run(
      name: "ntt:256:scalar", degree: degree, variant: variant, repetitions: 3, net: "local")
    #expect(result.maxAbsErr == 0 && result.allS.count == 3 && result.seconds > 0)
    #expect(result.variant == "scalar" && result.inverseSeconds! > 0 && result.bytesTotal == 0)
  }
}
