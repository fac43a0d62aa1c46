public import Inference
public import Networks
import Programs
import ProtocolDescriptors
public import Randomness
import TwoParty

/// A model file, planned and packed for serving.
public struct ServedModel: Sendable {
  /// The public plan.
  public let plan: Plan
  /// The plan's secret integers, packed for the kernels.
  public let model: ModelOwnerModel
  /// What a session's two ends must have in common.
  public let agreement: Agreement

  /// Plans a model file.
  ///
  /// - Throws: `NetworksError` where it cannot be planned, `InferenceError` where its integers do not fit.
  public init(_ file: ModelFile) throws {
    let planned = try file.planned()
    plan = planned.plan
    model = try ModelOwnerModel(planned: planned, salt: file.salt)
    agreement = try Agreement(PlanFile(plan: plan, modelDigest: file.modelDigest()))
  }
}

extension ServedModel {
  /// A server's share of a model.
  public init(_ file: ServerShareFile) throws {
    plan = file.plan.plan
    model = ModelOwnerModel(file.share)
    agreement = try Agreement(file.plan)
  }
}

extension ModelOwnerConfiguration {
  /// Loads what the configuration names: a model, or server 0's share of one.
  ///
  /// - Throws: `NetworksError`, `InferenceError`, ``DaemonsError``
  public func serve() throws -> ServedModel {
    guard clients != nil else {
      var file = try ModelFile.load(from: model)
      if let reveals { file.options.reveals = reveals }
      return try ServedModel(file)
    }
    let file = try ServerShareFile.load(from: model)
    try DataOwnerDaemon.check(file.share, server: 0, plan: file.plan.plan, isServer: true, model)
    return try ServedModel(file)
  }
}

extension Agreement {
  /// The agreement about a plan, under the protocols of this build.
  public init(_ file: PlanFile) throws {
    self.init(
      planDigest: try file.planDigest(), modelDigest: file.modelDigest,
      protocolsDigest: try Self.currentProtocolsDigest())
  }

  /// SHA-256 of the descriptors of the protocols that this build runs.
  public static func currentProtocolsDigest() throws -> Digest32 {
    let hash = SHA256()
    for name in ProtocolDescriptors.names {
      guard let data = ProtocolDescriptors.data(name) else {
        throw DaemonsError.input(source: "descriptor \(name)", reason: "it is not installed beside the executable")
      }
      hash.update(Array(name.utf8) + [0])
      hash.update([UInt8](data))
    }
    return hash.digest()
  }
}
