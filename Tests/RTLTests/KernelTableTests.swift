import Foundation
import Hardware
import Testing

/// What needs no tools: the tables agree with each other. That they agree with the tools is checked by `measure check`.
@Suite struct KernelTableTests {
  struct Lists: Decodable {
    struct Kernel: Decodable {
      var name, module: String
      var parameters: [String: Int]
      var operations: Int
      var families: [String]
    }
    struct Design: Decodable {
      var family: String
      var classes: [String: String]
    }
    var kernels: [Kernel]
    var designs: [String: Design]
  }

  private static func lists() throws -> Lists {
    let file = KernelTable.folder.appendingPathComponent("kernels.json")
    return try JSONDecoder().decode(Lists.self, from: Data(contentsOf: file))
  }

  @Test func everyListedSetIsMeasured() throws {
    let (lists, table) = (try Self.lists(), try KernelTable.load())
    #expect(lists.kernels.map(\.name) == table.kernels.map(\.name))
    for (listed, row) in zip(lists.kernels, table.kernels) {
      #expect(listed.module == row.module && listed.parameters == row.parameters)
      #expect(listed.operations == row.operations && Set(listed.families) == Set(row.resources.keys))
    }
  }

  /// The kernels that predictions take hold the measured figures, as measured ones.
  @Test func predictionsTakeWhatWasMeasured() throws {
    let library = try HardwareLibrary.load()
    for (name, design) in try Self.lists().designs {
      let set = try #require(library.kernelSets[name])
      for (operation, kernel) in design.classes {
        let (model, row) = (try #require(set.kernels[operation]), try KernelTable.row(kernel))
        #expect(model.module == row.module)
        for (quantity, value) in [
          (model.width, row.operations), (model.interval, row.interval), (model.depth, row.depth),
        ] {
          #expect(quantity.kind == .measured && quantity.value == Double(value), "\(name), \(operation)")
        }
        for (resource, value) in try #require(row.resources[design.family]) {
          let quantity = try #require(model.resources[resource])
          #expect(quantity.kind == .measured && quantity.value == value, "\(name), \(operation), \(resource)")
        }
      }
    }
  }

  /// depth + ceil(n / (lanes * width)) * interval.
  @Test func cyclesAreThoseOfAPipeline() throws {
    let kernel = try #require(try HardwareLibrary.load().kernelSets["polympc"]?.kernels["ring.mac"])
    let (width, depth) = (Int(kernel.width.value), Int(kernel.depth.value))
    #expect(kernel.cycles(operations: 1, lanes: 3) == depth + 1)
    #expect(kernel.cycles(operations: 3 * width, lanes: 3) == depth + 1)
    #expect(kernel.cycles(operations: 3 * width + 1, lanes: 3) == depth + 2)
    #expect(kernel.cycles(operations: 300 * width, lanes: 3) == depth + 100)
  }
}
