/// When a step of a protocol runs.
public enum CostPhase: String, Codable, CaseIterable, Hashable, Sendable {
  /// Once a connection: hello, order, tag of the weight masks.
  case session
  /// Once a model and pair of parties.
  case setup
  /// Once a bulk of S inferences, before any query.
  case offline
  /// Once a lease of L inferences out of a store, ahead of queries.
  case lease
  /// Once a query of B samples.
  case online
}

/// Who takes part.
public enum CostParty: String, Codable, CaseIterable, Hashable, Sendable {
  /// Party 0, who knows the weights.
  case modelOwner = "model-owner"
  /// Party 1, who knows the input.
  case dataOwner = "data-owner"
  /// The trusted third process of the dealer's modes.
  case dealer
  /// Outsourced, whoever shares an input to two servers; these are named by the places they take, server 0 that of the model
  /// owner and server 1 that of the data owner.
  case client
  /// In a primitive, which either party may run in either role: the end that offers.
  case sender
  /// The end that chooses.
  case receiver
  /// In a flow: each of the two parties, at the same time.
  case both
}

/// Kinds of material; one unit serves one element (or word) of one inference.
public enum MaterialKind: String, Codable, CaseIterable, Hashable, Sendable {
  /// A word of a fresh mask r, the data owner's.
  case mask
  /// A word of a linear output's shares: s at the model owner, c at the data owner.
  case linear
  /// An oblivious linear evaluation u + v = alpha c.
  case ole
  /// A random 1-of-2 oblivious transfer of one word.
  case transfer
  /// A correlated oblivious transfer of 128 bits.
  case correlated
  /// All that one comparison with its multiplexer takes: transfers of digits, triples, products by hidden bits.
  case comparison
}

/// One frame on the wire.
public struct MessageDescriptor: Codable, Hashable, Sendable {
  /// Phase.
  public let phase: CostPhase
  /// Sources only: `begin`, `end`, or the operator whose steps it accompanies.
  public let scope: String?
  /// The variant of the operator in which it is sent; all, if absent.
  public let variant: String?
  /// A list of `CostSymbols`: bytes are the sum of the expression over it.
  public let sum: String?
  /// A list likewise: a frame for each of its entries. Neighbouring messages over one list take turns.
  public let each: String?
  /// Sender.
  public let from: CostParty
  /// Receiver.
  public let to: CostParty
  /// Frame kind, by the engine's name.
  public let message: String
  /// Payload bytes, without the frame's header; of all frames where there are several.
  public let bytes: Expression
  /// Frames; one, if absent.
  public let frames: Expression?
  /// The message, just before this one in the list and from the other party, whose pieces this one answers as they come.
  public let during: String?
  /// Parts in which its sender makes it and its receiver works on it; made and taken as a whole, if absent.
  public let pieces: Expression?
  /// When it leaves: `pieces`, as soon as each of its parts is made; `later`, with what comes after it. Otherwise, or where more
  /// than a sender holds back has gathered, at its end.
  public let flush: MessageFlush?
  /// What it carries.
  public let content: String
}

/// When a message leaves its sender's buffer.
public enum MessageFlush: String, Codable, Hashable, Sendable {
  /// As soon as each of its parts is made.
  case pieces
  /// With what comes after it.
  case later
}

/// Material consumed (by operators) or produced (by sources).
public struct MaterialDescriptor: Codable, Hashable, Sendable {
  /// Phase.
  public let phase: CostPhase
  /// See ``MessageDescriptor/scope``.
  public let scope: String?
  /// See ``MessageDescriptor/variant``.
  public let variant: String?
  /// Kind.
  public let kind: MaterialKind
  /// Units.
  public let count: Expression
}

/// Local work of one party.
public struct OperationDescriptor: Codable, Hashable, Sendable {
  /// Phase.
  public let phase: CostPhase
  /// See ``MessageDescriptor/scope``.
  public let scope: String?
  /// See ``MessageDescriptor/variant``.
  public let variant: String?
  /// See ``MessageDescriptor/sum``.
  public let sum: String?
  /// Who works.
  public let party: CostParty
  /// One of ``Descriptor/operationKinds``.
  public let operation: String
  /// How often.
  public let count: Expression
}

/// What the engine itself calls, in the units in which its time grows on a general-purpose host. Operations say what must be
/// computed on any device; routines say how this software does it, and `hw calibrate` finds what each takes.
public struct RoutineDescriptor: Codable, Hashable, Sendable {
  /// Phase.
  public let phase: CostPhase
  /// See ``MessageDescriptor/scope``.
  public let scope: String?
  /// See ``MessageDescriptor/variant``.
  public let variant: String?
  /// See ``MessageDescriptor/sum``.
  public let sum: String?
  /// Who works.
  public let party: CostParty
  /// The message with which it goes: before or while its sender sends it, while or after its receiver takes it. Work of
  /// the step before its messages, if absent.
  public let with: String?
  /// One of ``Descriptor/routineKinds``.
  public let routine: String
  /// Units.
  public let count: Expression
}

/// The cost of one operator, or of one correlation source, as `Protocols/<name>/descriptor.json` states it.
public struct Descriptor: Codable, Hashable, Sendable {
  /// Version of the format that this build reads.
  public static let currentFormat = 1
  /// Known kinds of local work, each explained in Protocols/README.md.
  public static let operationKinds: Set<String> = [
    "ring.mac", "ring.macWide", "ring.mul", "ring.add", "ring.shift", "aes.block", "aes.key", "curve.mul", "code.row",
    "ntt.8192", "ntt.field.8192",
    "ntt.mac", "ntt.short", "ntt.fold", "rns.add", "rns.reduce", "rns.embed", "rns.lift", "rns.pack", "sample.uniform",
    "sample.binomial", "sample.ternary", "sample.flood", "ot.base", "ot.cot", "ot.pad", "bit.and",
    "paper.op", "paper.transfer",
  ]
  /// Whether it is run by steps of a program or prepares their material.
  public enum Role: String, Codable, Hashable, Sendable {
    /// Run by steps of a program.
    case `operator`
    /// Prepares material.
    case source
    /// A protocol that operators and sources are made of; its scopes are its calls.
    case primitive
    /// A protocol that this build does not run: what its operators would cost on hardware. Its expressions carry units
    /// (`32*bit*n`, `2*n*op`), its scopes are operators, and it is no part of what parties agree on.
    case flow
  }

  /// Version of the file's format.
  public let format: Int
  /// Folder name.
  public let name: String
  /// Raised when anything that the parties must agree on changes.
  public let version: Int
  /// Operator or source.
  public let role: Role
  /// Paper and section, or the specification beside it.
  public let source: String
  /// Against whom it is secure.
  public let adversary: String
  /// Variants, if there are several.
  public let variants: [String]
  /// Symbols used, each with its meaning.
  public let symbols: [String: String]
  /// Frames, in order.
  public let messages: [MessageDescriptor]
  /// Material consumed or produced.
  public let material: [MaterialDescriptor]
  /// Local work.
  public let operations: [OperationDescriptor]
  /// How this engine does it; absent where it does not (protocols of other systems).
  public let routines: [RoutineDescriptor]?
}
