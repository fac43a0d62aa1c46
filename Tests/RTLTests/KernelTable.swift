import Foundation
import Hardware

/// The figures of HardwareModels/rtl/measured.json, which `measure` writes.
struct KernelTable: Decodable {
  struct Row: Decodable {
    var name, module: String
    var parameters: [String: Int]
    /// Operations that start together, cycles between two starts, cycles of fill.
    var operations, interval, depth: Int
    /// By family.
    var resources: [String: [String: Double]]

    /// Cycles of so many operations, as the hardware model counts them.
    func cycles(_ count: Int) throws -> Int { try model.cycles(operations: count, lanes: 1) }

    /// This row as a kernel of the hardware model, on as many lanes as it has.
    private var model: KernelModel {
      get throws {
        func number(_ value: Int, _ unit: String) -> [String: Any] {
          ["value": value, "unit": unit, "kind": "measured", "source": "measured.json", "accuracy": 0]
        }
        let none = number(0, "1")
        let kernel: [String: Any] = [
          "lanes": number(1, "1"), "width": number(operations, "op"), "interval": number(interval, "cycle"),
          "depth": number(depth, "cycle"), "energy": number(0, "J/op"),
          "resources": ["dsp": none, "lut": none, "ff": none, "bram36": none, "uram": none],
        ]
        let file: [String: Any] = [
          "format": 1, "kind": "kernels", "name": name, "title": name, "kernels": ["ring.mac": kernel],
        ]
        let data = try JSONSerialization.data(withJSONObject: file)
        return try KernelSet(data, file: name).kernels["ring.mac"]!
      }
    }
  }

  var kernels: [Row]

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("HardwareModels/rtl")

  static func load() throws -> KernelTable {
    try JSONDecoder().decode(KernelTable.self, from: Data(contentsOf: folder.appendingPathComponent("measured.json")))
  }

  static func row(_ name: String) throws -> Row {
    guard let row = try load().kernels.first(where: { $0.name == name }) else {
      throw Simulators.Failure(description: "measured.json has no set \(name)")
    }
    return row
  }
}
