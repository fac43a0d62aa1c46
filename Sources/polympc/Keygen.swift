import ArgumentParser
import Foundation
import Transport

struct Keygen: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Make a daemon's identity and print its fingerprint.",
    discussion: """
      The identity is a key (EC P-256, readable by you only) and a certificate
      signed by itself, in a folder of their own. The peer pins the fingerprint:
      give it to the peer's operator over a path that you both trust.

      Example:
        polympc keygen data-owner
        polympc keygen /etc/polympc/identity --name hospital.example
      """)

  @Argument(help: "Folder to make.")
  var folder: String

  @Option(help: "Name in the certificate, for people; at most 64 bytes. Default: the folder's name.")
  var name: String?

  @Flag(help: "Replace an identity that is there. Peers must then pin the new fingerprint.")
  var overwrite = false

  @Flag(help: "Print an identity that is there instead of making one.")
  var show = false

  @Flag(help: "Print JSON.")
  var json = false

  func validate() throws {
    if show, overwrite || name != nil {
      throw ValidationError("--show makes nothing: leave out --overwrite and --name.")
    }
    if let name, !(1...64).contains(name.utf8.count) { throw ValidationError("--name has 1 to 64 bytes.") }
  }

  private struct Report: Encodable {
    var folder: String
    var name: String
    var fingerprint: String
  }

  func run() throws {
    try Failures.reporting {
      let identity: Identity
      if show {
        identity = try Identity.load(directory: folder)
      } else {
        let fallback = String((folder as NSString).lastPathComponent.prefix(32))
        identity = Identity.generate(name: name ?? (fallback.isEmpty ? "polympc" : fallback))
        try identity.save(directory: folder, overwrite: overwrite)
      }
      let report = Report(folder: folder, name: identity.name, fingerprint: identity.fingerprint.fingerprintText)
      if json { try Output.json(report) } else { Output.line(report.fingerprint) }
    }
  }
}
