import Foundation
import Testing

/// What `polympc infer` and the control socket refuse, by daemons that go on.
@Suite("Refused inputs and configurations", .serialized)
struct InputTests {
  private func npy(_ type: String, _ shape: String, _ body: [UInt8]) -> Data {
    var header = "{'descr': '\(type)', 'fortran_order': False, 'shape': \(shape), }"
    while (10 + header.utf8.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    let count = header.utf8.count
    return Data(
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(count & 255), UInt8(count >> 8)] + Array(header.utf8) + body)
  }

  private func floats(_ values: [Float]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  @Test("Wrong files are refused with code 65 in words, and the daemons go on")
  func files() throws {
    let site = try Site()
    let trio = try site.startAll()
    var values = [Float](repeating: 0.5, count: 64)
    values[3] = .nan
    var large = [Float](repeating: 0.5, count: 64)
    large[63] = 1.5
    let cases: [(name: String, content: Data, words: String)] = [
      ("shape.npy", npy("|u1", "(1, 7, 8)", [UInt8](repeating: 0, count: 56)), "shape"),
      ("nan.npy", npy("<f4", "(8, 8)", floats(values)), "not a finite number"),
      ("range.npy", npy("<f4", "(8, 8)", floats(large)), "outside"),
      ("pixel.npy", npy("|u1", "(8, 8)", [UInt8](repeating: 17, count: 64)), "outside"),
      ("picture.png", Data([0x89, 0x50, 0x4e, 0x47] + [UInt8](repeating: 0, count: 60)), "PNG"),
      ("noise.png", Data((0..<64).map { UInt8(128 + $0) }), "neither PNG"),
      ("empty.csv", Data(), "neither PNG"),
    ]
    for (name, content, words) in cases {
      try content.write(to: site.folder.appendingPathComponent(name))
      let outcome = try site.run("infer", "--control", "control.sock", name)
      #expect(outcome.code == 65, "\(name): \(outcome)")
      #expect(outcome.error.contains(words) && outcome.error.contains(name), "\(outcome.error)")
    }
    #expect(try site.run("infer", "--control", "control.sock", "absent.png").code == 65)
    let nobody = try site.run("infer", "--control", "nobody.sock", "empty.csv")
    #expect(nobody.code == 69 && nobody.error.contains("nobody.sock"), "\(nobody)")
    #expect(try site.serves(1, trio))
  }

  @Test("A port in use, a control socket in use, and a port nobody gave are told apart by words and code")
  func portInUse() throws {
    let site = try Site()
    let trio = try site.startAll()
    let second = try site.startModelOwner(dealer: trio.dealerPort, port: trio.modelPort)
    #expect(try second.exit().code == 69)
    #expect(second.log.contains("\(trio.modelPort)") && second.log.contains("in use"), "\(second.log)")
    let other = try site.startDataOwner(dealer: trio.dealerPort, peer: trio.modelPort)
    #expect(try other.exit().code == 69)
    #expect(other.log.contains("control.sock"), "\(other.log)")
    #expect(try site.serves(1, trio))
  }

  @Test("Configurations with unknown, contradictory, missing or repeated keys exit with code 78")
  func configurations() throws {
    let site = try Site()
    let good = """
      role: model-owner
      identity: model-owner
      model: tiny.model
      listen: 127.0.0.1:0
      peers: ["\(try site.fingerprint("data-owner"))"]
      dealer: {address: "127.0.0.1:1", fingerprint: "\(try site.fingerprint("dealer"))"}

      """
    let cases = [
      (good + "colour: blue\n", "colour"), (good + "control: a.sock\n", "control"), (good + "plan: a.plan\n", "plan"),
      (good.replacingOccurrences(of: "role: model-owner", with: "role: both"), "role"),
      (good.replacingOccurrences(of: "model: tiny.model\n", with: ""), "model"),
      (good + "spin: many\n", "spin"), (good + "identity: again\n", "identity"), ("- a\n- b\n", "wrong.yaml"),
    ]
    for (text, word) in cases {
      try site.write(text, as: "wrong.yaml")
      let outcome = try site.run("party", "--config", "wrong.yaml")
      #expect(outcome.code == 78 && outcome.error.contains(word), "\(word): \(outcome)")
    }
    #expect(try site.run("party", "--config", "absent.yaml").code == 78)
    #expect(try site.run("party", "--colour", "blue").code == 64)
  }

  @Test("Damaged models and plans are refused at the start with code 65")
  func damagedFiles() throws {
    let site = try Site()
    let model = try Data(contentsOf: site.folder.appendingPathComponent("tiny.model"))
    var flipped = model
    flipped[model.count / 2] ^= 1
    let cases = [
      ("cut.model", model.prefix(model.count / 2)), ("flipped.model", flipped), ("no.model", Data("x".utf8)),
    ]
    for (name, content) in cases {
      try Data(content).write(to: site.folder.appendingPathComponent(name))
      let owner = try site.startModelOwner(dealer: 1, model: name)
      #expect(try owner.exit().code == 65)
      #expect(owner.log.contains(name), "\(owner.log)")
    }
    try site.write("{}", as: "tiny.plan")
    let dataOwner = try site.startDataOwner(dealer: 1, peer: 1)
    #expect(try dataOwner.exit().code == 65)
    #expect(dataOwner.log.contains("tiny.plan"), "\(dataOwner.log)")
  }
}
