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

  /// The modes that a library's descriptors make: one for each source of correlations, one for each variant of a flow, the first
  /// variant under the flow's own name.
  public static func all(in library: DescriptorLibrary) -> [ProtocolMode] {
    let own = CostModel.Source.allCases.compactMap { source in
      library.descriptors[source.descriptor].map {
        ProtocolMode(name: source.descriptor, kind: .program(source), source: $0.source)
      }
    }
    let flows = library.descriptors.values.filter { $0.role == .flow }.sorted { $0.name < $1.name }
    return own
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
