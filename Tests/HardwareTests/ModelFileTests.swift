import Foundation
import Hardware
import HardwareModels
import Testing

@Suite struct ModelFileTests {
  private static func text(_ folder: String, _ name: String) -> String {
    String(decoding: HardwareModels.data(folder, name) ?? Data(), as: UTF8.self)
  }

  @Test func shippedOnesAreValid() throws {
    let library = try HardwareLibrary.load()
    #expect(Set(library.devices.keys).isSuperset(of: ["zcu104", "alveo-u250", "alveo-u280", "vck190", "pynq-z2"]))
    #expect(Set(library.links.keys).isSuperset(of: ["board-1gbs", "ethernet-1g", "ethernet-10g", "wan"]))
    #expect(Set(library.kernelSets.keys).isSuperset(of: ["paper", "polympc"]))
  }

  /// PP*freq of the paper, out of the share of the board's multipliers.
  @Test func paperKernelsHaveTheFittedRate() throws {
    let library = try HardwareLibrary.load()
    let device = try library.device("zcu104")
    let kernel = try #require(library.kernels(of: device)["paper.op"])
    #expect(kernel.laneCount(on: device) == 1350)
    #expect(kernel.rate(lanes: 1350, clock: device.clock) == Measure(2.7e11, Dimension(second: -1, operation: 1)))
    #expect(try library.link("board-1gbs").time(bits: 8e9) == 1.0001)
  }

  @Test(arguments: [
    ("\"unit\": \"MHz\"", "\"unit\": \"MB\"", "clock.unit"),
    ("\"unit\": \"MHz\"", "\"unit\": \"furlong\"", "clock.unit"),
    ("\"unit\": \"W\"", "\"unit\": \"W\", \"colour\": 1", "power.colour"),
    ("\"clock\": {", "\"klock\": {", "clock"),
    ("\"part\"", "\"spare\": 1, \"part\"", "spare"),
    ("\"value\": 1728", "\"value\": -1728", "resources.dsp.value"),
    ("\"value\": 1728", "\"value\": \"1728\"", "resources.dsp.value"),
    ("\"kind\": \"device\"", "\"kind\": \"link\"", "kind"),
    ("\"name\": \"zcu104\"", "\"name\": \"zcu105\"", "name"),
    ("\"format\": 1", "\"format\": 2", "format"),
    ("\"kind\": \"derived\"", "\"kind\": \"known\"", "power.kind"),
    ("\"value\": 8,", "\"value\": 8, \"formula\": \"clock\",", "power.formula"),
    ("\"value\": 200", "\"value\": 200, \"formula\": \"clock\"", "clock.formula"),
    ("\"accuracy\": 0.02", "\"accuracy\": -1", "power.accuracy"),
    ("\"board-1gbs\",", "7,", "links"),
  ])
  func mistakesAreNamedByFileAndKey(old: String, new: String, key: String) throws {
    var text = Self.text("devices", "zcu104")
    let range = try #require(text.range(of: old))
    text.replaceSubrange(range, with: new)
    #expect {
      try DeviceModel(Data(text.utf8), file: "zcu104.json", named: "zcu104")
    } throws: { error in
      guard case .schema("zcu104.json", let found, _)? = error as? HardwareError else { return false }
      return found == key
    }
  }

  @Test(arguments: [
    ("lineRate*1448/1538", "lineRate*1448"), ("lineRate*1448/1538", "latency*1448/1538"),
    ("lineRate*1448/1538", "speed"), ("lineRate*1448/1538", "lineRate*"),
    ("lineRate*1448/1538", "lineRate + latency"),
  ])
  func formulasAreHeldToTheirValue(old: String, new: String) throws {
    let text = Self.text("links", "ethernet-1g").replacingOccurrences(of: old, with: new)
    #expect {
      try LinkModel(Data(text.utf8), file: "x.json")
    } throws: { error in
      guard case .schema("x.json", let key, _)? = error as? HardwareError else { return false }
      return key.hasPrefix("rate.")
    }
  }

  /// Every key of every shipped file: without it, or with a stranger beside it, the file is refused by that very key.
  @Test(arguments: HardwareLibrary.ModelFolder.allCases)
  func everyKeyIsNeededAndNoOtherIsTaken(folder: HardwareLibrary.ModelFolder) throws {
    let optional: Set<String> = ["control", "formula", "lineRate", "module", "power"]
    for name in HardwareModels.names(in: folder.rawValue) ?? [] {
      let top = try #require(
        try JSONSerialization.jsonObject(with: Data(Self.text(folder.rawValue, name).utf8)) as? [String: Any])
      // Hosts list many numbers of one form: one of each list is tried.
      let sample = ["operations", "routines"].compactMap { list in (top[list] as? [String: Any])?.keys.min() }
      let paths = Self.paths(top).filter { path in
        folder != .hosts || path.count < 2 || !["operations", "routines"].contains(path[0]) || sample.contains(path[1])
      }
      for path in paths {
        // Classes of operations, routines and links may be there or not, and a host without the last two times no engine.
        let isClass = path.count == 2 && ["kernels", "operations", "overheads", "routines", "links"].contains(path[0])
        let isTiming = folder == .hosts && path.count == 1 && ["routines", "links"].contains(path[0])
        let isOptional =
          isClass || isTiming || (optional.contains(path.last!) && (folder == .hosts || path.last != "power"))
        if !isOptional { #expect(Self.refusal(folder, Self.edited(top, path) { _ in nil }) == Self.blamed(path)) }
      }
      for object in Set(paths.map { $0.dropLast() }) {
        let stranger = object + ["stranger"]
        #expect(Self.refusal(folder, Self.edited(top, Array(stranger)) { _ in 1 }) == stranger.joined(separator: "."))
      }
    }
  }

  @Test(arguments: [(80.0, nil), (1.5, "lanes.value"), (1e300, "lanes.value"), (0, "lanes.value"), (-1, "lanes.value")])
  func lanesAreWholeAndWithinReason(lanes: Double, key: String?) throws {
    let top = try #require(
      try JSONSerialization.jsonObject(with: Data(Self.text("kernels", "paper").utf8)) as? [String: Any])
    let path = ["kernels", "paper.transfer"]
    var kernel: [String: Any] = [:]
    let without = Self.edited(top, path) {
      kernel = $0 as? [String: Any] ?? [:]
      kernel["share"] = nil
      kernel["lanes"] = ["value": lanes, "unit": "1", "kind": "assumed", "source": "a test", "accuracy": 0]
      return kernel
    }
    #expect(Self.refusal(.kernels, without) == key.map { "kernels.paper.transfer.\($0)" })
  }

  /// A kernel without a share is told to have lanes or a share.
  private static func blamed(_ path: [String]) -> String {
    (path.last == "share" ? path.dropLast() + ["lanes"] : path).joined(separator: ".")
  }

  private static func paths(_ object: [String: Any]) -> [[String]] {
    object.sorted { $0.key < $1.key }.flatMap { key, value in
      [[key]] + paths(value as? [String: Any] ?? [:]).map { [key] + $0 }
    }
  }

  private static func edited(_ object: [String: Any], _ path: [String], _ edit: (Any?) -> Any?) -> [String: Any] {
    var object = object
    if path.count == 1 {
      object[path[0]] = edit(object[path[0]])
    } else {
      object[path[0]] = edited(object[path[0]] as? [String: Any] ?? [:], Array(path.dropFirst()), edit)
    }
    return object
  }

  private static func refusal(_ folder: HardwareLibrary.ModelFolder, _ object: [String: Any]) -> String? {
    var library = HardwareLibrary()
    do {
      try library.add(JSONSerialization.data(withJSONObject: object), in: folder, file: "x.json")
      return nil
    } catch HardwareError.schema("x.json", let key, _) { return key } catch { return "\(error)" }
  }

  @Test func unknownOperationsAndTooManyLanesAreRefused() throws {
    let text = Self.text("kernels", "paper")
    #expect(throws: HardwareError.self) {
      try KernelSet(Data(text.replacingOccurrences(of: "paper.op\"", with: "paper.oq\"").utf8), file: "x.json")
    }
    var library = try HardwareLibrary.load()
    let greedy = text.replacingOccurrences(of: "\"value\": 0.34725", with: "\"value\": 0.99")
    try library.add(Data(greedy.utf8), in: .kernels, file: "paper.json")
    #expect {
      try library.validate()
    } throws: { error in
      guard case .schema(_, "resources.lut", _)? = error as? HardwareError else { return false }
      return true
    }
  }

  @Test func hostsSurviveTheirFile() throws {
    func measured(_ value: Double, _ unit: String) -> Quantity {
      Quantity(value, unit, kind: .measured, source: "a test", accuracy: 0.1)
    }
    let host = HostModel(
      name: "lab-1", title: "A host", processor: "any", threads: 2, power: measured(65, "W"),
      operations: ["ring.mac": measured(0.2, "ns/op")], overheads: [.frame: measured(3, "us")],
      link: HostModel.Loopback(roundTrip: measured(14, "us"), rate: measured(2, "GB/s")))
    let again = try HostModel(try host.fileText(), file: "lab-1.json", named: "lab-1")
    #expect(again == host)
    #expect(again.seconds(.frame) == 3e-6 && again.seconds(.bulk) == 0)
    let bad = String(decoding: try host.fileText(), as: UTF8.self)
    for (old, new) in [("ring.mac", "ring.sum"), ("\"frame\"", "\"flame\""), ("ns/op", "ns"), ("GB/s", "GB")] {
      #expect(throws: HardwareError.self) {
        try HostModel(Data(bad.replacingOccurrences(of: old, with: new).utf8), file: "lab-1.json")
      }
    }
  }
}
