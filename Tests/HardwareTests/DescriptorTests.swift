import Foundation
import Hardware
import Testing

@Suite struct DescriptorTests {
  private static let sample = """
    {"format": 1, "name": "input", "version": 1, "role": "operator", "source": "here", "adversary": "none",
     "variants": [], "symbols": {"n": "elements"}, "messages": [{"phase": "online", "from": "data-owner",
     "to": "model-owner", "message": "maskedInput", "bytes": "8*n", "content": "x - r"}], "material": [], "operations": []}
    """

  @Test func shippedOnesAreValid() throws {
    let library = try DescriptorLibrary.load()
    #expect(library.descriptors.count == 18)
    #expect(library.canonicalBytes == (try DescriptorLibrary.load()).canonicalBytes)
    #expect(throws: HardwareError.missingDescriptor(name: "relu")) { try library.descriptor("relu") }
  }

  @Test func sampleIsAccepted() throws {
    #expect(try Descriptor.decode(Data(Self.sample.utf8), name: "input").messages.count == 1)
  }

  @Test(arguments: [
    ("\"format\": 1", "\"format\": 2"), ("\"version\": 1", "\"version\": 0"),
    ("\"version\": 1", "\"version\": 1, \"cost\": 0"),
    ("\"content\"", "\"colour\": 1, \"content\""), ("\"symbols\": {\"n\": \"elements\"}", "\"symbols\": {}"),
    ("{\"n\": \"elements\"}", "{\"n\": \"elements\", \"B\": \"unused\"}"), ("8*n", "8*macs"), ("8*n", "8*"),
    ("8*n", "8*n*S"),
    ("\"to\": \"model-owner\"", "\"to\": \"data-owner\""), ("\"to\": \"model-owner\"", "\"to\": \"nobody\""),
    ("\"phase\": \"online\"", "\"phase\": \"online\", \"variant\": \"exact\""),
    ("\"phase\": \"online\"", "\"phase\": \"online\", \"scope\": \"begin\""),
    ("\"variants\": []", "\"variants\": [\"exact\"]"),
    ("\"material\": []", "\"material\": [{\"phase\": \"online\", \"kind\": \"triple\", \"count\": \"n\"}]"),
    ("\"name\": \"input\"", "\"name\": \"output\""), ("}], \"material\"", "}, \"material\""),
  ])
  func mistakesAreRefused(old: String, new: String) {
    let text = Self.sample.replacingOccurrences(of: old, with: new)
    #expect(text != Self.sample)
    #expect(throws: HardwareError.self) { try Descriptor.decode(Data(text.utf8), name: "input") }
  }

  @Test func proseDoesNotChangeTheDigestAndBytesDo() throws {
    func bytes(_ old: String, _ new: String) throws -> [UInt8] {
      let text = Self.sample.replacingOccurrences(of: old, with: new)
      return try DescriptorLibrary([Descriptor.decode(Data(text.utf8), name: "input")]).canonicalBytes
    }
    #expect(try bytes("x - r", "masked") == bytes("", ""))
    #expect(try bytes("8*n", "9*n") != bytes("", ""))
  }
}
