public import Programs

/// A protocol that can be evaluated, by the name under which commands know it.
public struct ProtocolMode: Hashable, Sendable {
  /// What is evaluated.
  public enum Kind: Hashable, Sendable {
    /// A protocol that this build runs, its correlations from a source.
    case program(CostModel.Source)
    /// A flow that is only described.
    case flow(descriptor: String, variant: String?)
  }

  /// The name, such as `rlwe`, `pasnet`, `pasnet-equations`.
  public let name: String
  /// What it stands for.
  public let kind: Kind
  /// Where it is specified.
  public let source: String
  /// Who holds what, in a protocol that this build runs.
  public let deployment: Deployment

  init(name: String, kind: Kind, source: String, deployment: Deployment = .owned) {
    (self.name, self.kind, self.source, self.deployment) = (name, kind, source, deployment)
  }

  /// The modes that a library's descriptors make: one for each source of correlations and deployment, one for each variant of a
  /// flow, the first variant under the flow's own name.
  public static func all(in library: DescriptorLibrary) -> [ProtocolMode] {
    let owned = CostModel.Source.allCases.compactMap { source in
      library.descriptors[source.descriptor].map {
        ProtocolMode(name: source.descriptor, kind: .program(source), source: $0.source)
      }
    }
    let outsourced = library.descriptors["outsourced"].map { descriptor in
      owned.map {
        ProtocolMode(
          name: "outsourced-\($0.name)", kind: $0.kind, source: descriptor.source, deployment: .outsourced)
      }
    }
    let flows = library.descriptors.values.filter { $0.role == .flow }.sorted { $0.name < $1.name }
    return owned + (outsourced ?? [])
      + flows.flatMap { flow in
        flow.variants.isEmpty
          ? [ProtocolMode(name: flow.name, kind: .flow(descriptor: flow.name, variant: nil), source: flow.source)]
          : flow.variants.enumerated().map { index, variant in
            ProtocolMode(
              name: index == 0 ? flow.name : "\(flow.name)-\(variant)",
              kind: .flow(descriptor: flow.name, variant: variant), source: flow.source)
          }
      }
  }

  /// A program as this mode runs it.
  /// - Throws: ``HardwareError`` where the program is one of shares and this mode is not.
  func deployed(_ program: Program) throws -> Program {
    guard program.deployment == .owned || program.deployment == deployment else {
      throw HardwareError.invalidDescriptor(
        name: name, reason: "the plan is one for two servers that hold shares; ask for outsourced-\(name)")
    }
    var program = program
    program.deployment = deployment
    return program
  }

  /// The mode of that name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public static func named(_ name: String, in library: DescriptorLibrary) throws -> ProtocolMode {
    let modes = all(in: library)
    guard let mode = modes.first(where: { $0.name == name }) else {
      throw HardwareError.unknownName(what: "protocol", name: name, known: modes.map(\.name))
    }
    return mode
  }
}
