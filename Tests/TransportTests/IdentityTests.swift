import Foundation
import Randomness
import Testing
import Transport

/// A directory that goes with the test.
private func withDirectory(_ body: (String) throws -> Void) throws {
  let path = FileManager.default.temporaryDirectory.appendingPathComponent("polympc-\(UUID().uuidString)").path
  defer { try? FileManager.default.removeItem(atPath: path) }
  try body(path)
}

private func mode(_ path: String) throws -> Int {
  try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
}

@Suite struct IdentityTests {
  @Test func filesRoundTripWithTheirModes() throws {
    try withDirectory { directory in
      try alice.save(directory: directory)
      #expect(try mode("\(directory)/key.pem") == 0o600)
      #expect(try mode("\(directory)/certificate.pem") == 0o644)
      #expect(try mode(directory) == 0o700)
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == ["certificate.pem", "key.pem"])
      let loaded = try Identity.load(directory: directory)
      #expect(loaded.fingerprint == alice.fingerprint)
      #expect(loaded.name == "alice")
    }
  }

  @Test func anIdentityIsOverwrittenOnlyWhenTold() throws {
    try withDirectory { directory in
      try alice.save(directory: directory)
      #expect(throws: TransportError.identityExists(path: "\(directory)/key.pem")) {
        try bob.save(directory: directory)
      }
      #expect(try Identity.load(directory: directory).fingerprint == alice.fingerprint)
      try bob.save(directory: directory, overwrite: true)
      #expect(try Identity.load(directory: directory).fingerprint == bob.fingerprint)
      #expect(try mode("\(directory)/key.pem") == 0o600)
    }
  }

  @Test func unusableFilesAreNamed() throws {
    try withDirectory { directory in
      #expect(throws: TransportError.self) { try Identity.load(directory: directory) }
      try alice.save(directory: directory)
      let (key, certificate) = ("\(directory)/key.pem", "\(directory)/certificate.pem")
      try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: key)
      #expect(throws: TransportError.keyReadableByOthers(path: key, mode: 0o640)) {
        try Identity.load(directory: directory)
      }
      try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: key)
      try withDirectory { other in
        try bob.save(directory: other)
        try FileManager.default.removeItem(atPath: certificate)
        try FileManager.default.copyItem(atPath: "\(other)/certificate.pem", toPath: certificate)
      }
      let error = #expect(throws: TransportError.self) { try Identity.load(directory: directory) }
      #expect("\(error!)".contains("does not belong to"))
      for content in ["", "nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        try Data(content.utf8).write(to: URL(fileURLWithPath: certificate))
        let error = #expect(throws: TransportError.self) { try Identity.load(directory: directory) }
        guard case .identityUnreadable(certificate, _) = error else {
          Issue.record("\(String(describing: error))")
          continue
        }
      }
    }
  }

  @Test func fingerprintsAreReadInEveryUsualForm() throws {
    let digest = alice.fingerprint
    let text = digest.fingerprintText
    #expect(text == "sha256:\(digest.hex)")
    let bytes = digest.bytes.map { String(format: "%02X", $0) }
    for form in [text, digest.hex, digest.hex.uppercased(), bytes.joined(separator: ":"), " SHA256:\(digest.hex)\n"] {
      #expect(try Digest32(fingerprint: form) == digest)
    }
    for form in ["", "sha256:", String(text.dropLast()), text + "0", "md5:\(digest.hex)"] {
      #expect(throws: TransportError.malformedFingerprint(text: form)) { try Digest32(fingerprint: form) }
    }
  }
}
