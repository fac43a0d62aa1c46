public import Networks
public import Rings

/// What a local client may ask of the data owner's daemon.
public enum ControlRequest: Codable, Sendable, Equatable {
  /// Shape, normalisation and classes of the network.
  case describe
  /// Private inference of some samples; their raw values follow as float32, little-endian, sample after sample.
  case infer(samples: Int)
  /// Preparation of further inferences, before anybody asks for them.
  case prepare(count: Int)
  /// Sessions and stock.
  case status
}

/// Why a daemon refused a request.
public enum RefusalCode: String, Codable, Sendable {
  /// The request itself is wrong.
  case invalid
  /// The queue is full.
  case busy
  /// The request waited, or ran, for too long.
  case timedOut
  /// No session with the model owner could be had.
  case unavailable
  /// The daemon is stopping.
  case stopping
  /// The protocol run failed; its material is burnt.
  case failed
}

/// The network that a data owner's daemon serves.
public struct NetworkDescription: Codable, Sendable, Equatable {
  /// The network's name.
  public var name: String
  /// Shape of one input sample.
  public var input: TensorShape
  /// How raw values become the input.
  public var normalization: InputNormalization
  /// Names of the classes; may be empty.
  public var classes: [String]
  /// Classes that results are about.
  public var outputs: Int
  /// What a result tells.
  public var reveals: Revelation
  /// What the data owner does to the output; nil where scores are the output as it is.
  public var finish: OutputFinish?
  /// Samples that one query may have.
  public var maximumBatch: Int
}

/// One classified sample.
public struct Prediction: Codable, Sendable, Equatable {
  /// Index of the greatest score; of equal ones the first.
  public var label: Int
  /// Name of that class, where the network has names.
  public var name: String?
  /// The output of the network, in its own units, after a softmax where the network ends in one; empty where the plan
  /// reveals labels only.
  public var scores: [Double]

  /// Makes a prediction from what a plan says of an output (`Plan.result(of:)`).
  public init(label: Int, scores: [Double], classes: [String]) {
    self.label = label
    self.scores = scores
    name = classes.indices.contains(label) ? classes[label] : nil
  }
}

/// The answer to a query.
public struct InferenceReply: Codable, Sendable, Equatable {
  /// One a sample, in order.
  public var predictions: [Prediction]
  /// Seconds of the online phase.
  public var seconds: Double
  /// Seconds between arrival and answer: waiting, preparation on demand and online phase.
  public var totalSeconds: Double
  /// Bytes of the online phase, data owner to model owner, framing included.
  public var bytesSent: Int
  /// Bytes of the online phase, model owner to data owner, framing included.
  public var bytesReceived: Int
  /// Round trips of the online phase.
  public var rounds: Int
  /// Whether the store was empty, so that inferences were prepared while the query waited.
  public var preparedOnDemand: Bool
}

/// The answer to ``ControlRequest/prepare(count:)``.
public struct PrepareReply: Codable, Sendable, Equatable {
  /// Inferences prepared by this request.
  public var added: Int
  /// Inferences prepared now, all sessions together.
  public var prepared: Int
  /// Seconds it took.
  public var seconds: Double
}

/// The answer to ``ControlRequest/status``.
public struct StatusReply: Codable, Sendable, Equatable {
  /// Sessions that are connected.
  public var sessions: Int
  /// Sessions that the configuration asks for.
  public var wantedSessions: Int
  /// Inferences prepared now.
  public var prepared: Int
  /// Queries that wait.
  public var waiting: Int
  /// What sessions are busy with; one entry a session that is.
  public var busy: [SessionProgress]
  /// Why the last session ended, where one did.
  public var lastFailure: String?
}

/// A daemon's answer.
public enum ControlReply: Codable, Sendable, Equatable {
  /// To ``ControlRequest/describe``.
  case network(NetworkDescription)
  /// To ``ControlRequest/infer(samples:)``.
  case inference(InferenceReply)
  /// To ``ControlRequest/prepare(count:)``.
  case prepared(PrepareReply)
  /// To ``ControlRequest/status``.
  case status(StatusReply)
  /// To a request that was refused.
  case refused(RefusalCode, String)
}
