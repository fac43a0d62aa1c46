import Foundation
import Hardware
import ProtocolDescriptors
import Testing

@Suite struct FlowTests {
  private static let text = String(decoding: ProtocolDescriptors.data("pasnet") ?? Data(), as: UTF8.self)

  @Test(arguments: [
    ("32*bit*n*B", "32*n*B", "byte"), ("2*n*B*op", "2*n*B", "op"), ("2*n*B*op", "2*n*B*bit", "op"),
    ("2*n*B*op", "2*n + op", ""), ("\"conv\"", "\"dense\"", ""), ("\"both\"", "\"everyone\"", ""),
    ("2*n*B*op", "2*taps*n*B*op", ""), ("\"online\"", "\"offline\"", ""), ("\"paper.op\"", "\"paper.add\"", ""),
    ("\"variants\": [", "\"variants\": [\"other\", \"other\", ", ""), ("\"strides\":", "\"slides\":", ""),
    ("\"material\": []", "\"material\": [{\"phase\": \"online\", \"kind\": \"mask\", \"count\": \"n\"}]", ""),
  ])
  func mistakesAreRefused(old: String, new: String, unit: String) throws {
    var text = Self.text
    let range = try #require(text.range(of: old))
    text.replaceSubrange(range, with: new)
    #expect(throws: HardwareError.self) { try Descriptor.decode(Data(text.utf8), name: "pasnet") }
  }

  @Test func unitsAreNamedWithOperatorAndEntry() throws {
    let text = Self.text.replacingOccurrences(of: "3*taps*outputs*inChannels*B*op", with: "3*taps*outputs*inChannels*B")
    #expect {
      try Descriptor.decode(Data(text.utf8), name: "pasnet")
    } throws: { error in
      guard case .units(let place, "1", "op")? = error as? HardwareError else { return false }
      return place.contains("pasnet, conv, paper.op")
    }
  }

  /// A flow is no part of what two builds agree on.
  @Test func digestsDoNotKnowFlows() throws {
    let all = try DescriptorLibrary.load()
    let own = try DescriptorLibrary(all.descriptors.values.filter { $0.role != .flow })
    #expect(all.canonicalBytes == own.canonicalBytes && own.descriptors.count < all.descriptors.count)
  }

  @Test func modesComeFromDescriptors() throws {
    let names = ProtocolMode.all(in: try DescriptorLibrary.load()).map(\.name)
    #expect(Set(names).isSuperset(of: ["rlwe", "dealer", "pasnet", "pasnet-equations"]))
    #expect(throws: HardwareError.unknownName(what: "protocol", name: "gmw", known: names)) {
      try ProtocolMode.named("gmw", in: try DescriptorLibrary.load())
    }
  }
}
