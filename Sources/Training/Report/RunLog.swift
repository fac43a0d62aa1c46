import Foundation

/// One line of a run's log: JSON objects, one a line, each with the one field that its event fills.
public struct LogRecord: Codable, Sendable {
  /// What the line tells.
  public enum Event: String, Codable, Sendable {
    /// A run began, or went on.
    case start
    /// An epoch of training or fine-tuning.
    case epoch
    /// An epoch of a search.
    case search
    /// A search decided.
    case found
    /// A run ended.
    case finish
  }

  /// What the run is.
  public struct Start: Codable, Sendable {
    /// `train`, `search` or `finetune`.
    public var command: String
    /// The run's name: several runs of one command tell themselves apart by it.
    public var run: String
    /// The network.
    public var network: String
    /// Whether a checkpoint is resumed.
    public var resumed: Bool
    /// Everything else worth reading, in order: name, value.
    public var settings: [[String]]

    /// Describes a run.
    public init(command: String, run: String, network: String, resumed: Bool, settings: [[String]]) {
      self.command = command
      self.run = run
      self.network = network
      self.resumed = resumed
      self.settings = settings
    }
  }

  /// What a search decided.
  public struct Found: Codable, Sendable {
    /// Unit of costs: `ms` or `comparisons`.
    public var unit: String
    /// The table's device, link and protocol, where there is one.
    public var device: String
    /// Cost of the found network.
    public var cost: Double
    /// Cost with every comparison.
    public var allComparisons: Double
    /// Cost without any.
    public var noComparison: Double
    /// Layer by layer.
    public var layers: [LayerDecision]

    /// Describes a decision.
    public init(
      unit: String, device: String, cost: Double, allComparisons: Double, noComparison: Double, layers: [LayerDecision]
    ) {
      self.unit = unit
      self.device = device
      self.cost = cost
      self.allComparisons = allComparisons
      self.noComparison = noComparison
      self.layers = layers
    }
  }

  /// How a run ended.
  public struct Finish: Codable, Sendable {
    /// Share of held-out samples classified correctly.
    public var accuracy: Double
    /// Cost of the network, in the unit of `found`, where a table was given.
    public var cost: Double?
    /// Comparisons kept: layers.
    public var comparisonLayers: Int
    /// Rows are true classes, columns answers.
    public var confusion: [[Int]]
    /// Names of the classes.
    public var classes: [String]
    /// Seconds of training.
    public var seconds: Double

    /// Describes an end.
    public init(
      accuracy: Double, cost: Double?, comparisonLayers: Int, confusion: [[Int]], classes: [String], seconds: Double
    ) {
      self.accuracy = accuracy
      self.cost = cost
      self.comparisonLayers = comparisonLayers
      self.confusion = confusion
      self.classes = classes
      self.seconds = seconds
    }
  }

  /// Which of the fields below is there.
  public var event: Event
  /// The run that it belongs to.
  public var run: String
  /// For `start`.
  public var start: Start?
  /// For `epoch`.
  public var epoch: EpochRecord?
  /// For `search`.
  public var search: SearchEpoch?
  /// For `found`.
  public var found: Found?
  /// For `finish`.
  public var finish: Finish?

  private init(_ event: Event, _ run: String) {
    self.event = event
    self.run = run
  }

  /// A run began.
  public static func start(_ start: Start) -> LogRecord {
    var record = LogRecord(.start, start.run)
    record.start = start
    return record
  }

  /// An epoch of training.
  public static func epoch(_ epoch: EpochRecord, run: String) -> LogRecord {
    var record = LogRecord(.epoch, run)
    record.epoch = epoch
    return record
  }

  /// An epoch of a search.
  public static func search(_ epoch: SearchEpoch, run: String) -> LogRecord {
    var record = LogRecord(.search, run)
    record.search = epoch
    return record
  }

  /// A search decided.
  public static func found(_ found: Found, run: String) -> LogRecord {
    var record = LogRecord(.found, run)
    record.found = found
    return record
  }

  /// A run ended.
  public static func finish(_ finish: Finish, run: String) -> LogRecord {
    var record = LogRecord(.finish, run)
    record.finish = finish
    return record
  }
}

/// A run's log in memory and, where it has a path, on disk. A record is on disk when `add` returns, but for the
/// system's own caches.
public final class RunLog {
  /// What the log holds, oldest first.
  public private(set) var records: [LogRecord] = []
  private let file: FileHandle?
  private let encoder = JSONEncoder()

  /// Largest file that is read.
  private static let maximumBytes = 1 << 28

  /// A log at `path`, or in memory alone. A resumed run keeps the lines that are there.
  ///
  /// - Throws: ``TrainingError`` where the file cannot be read or made.
  public init(path: String?, resuming: Bool) throws {
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard let path else {
      file = nil
      return
    }
    if resuming, FileManager.default.fileExists(atPath: path) {
      records = try Self.read(path)
    } else if !FileManager.default.createFile(atPath: path, contents: nil) {
      throw TrainingError.unreadable(path: path, reason: "the log cannot be created")
    }
    guard let handle = FileHandle(forWritingAtPath: path) else {
      throw TrainingError.unreadable(path: path, reason: "the log cannot be written")
    }
    file = handle
    // A line that a crash cut short is dropped by writing the rest anew.
    if resuming {
      try? handle.truncate(atOffset: 0)
      for record in records { try write(record) }
    }
  }

  /// Adds a record.
  ///
  /// - Throws: the file system's error.
  public func add(_ record: LogRecord) throws {
    records.append(record)
    try write(record)
  }

  private func write(_ record: LogRecord) throws {
    guard let file else { return }
    try file.write(contentsOf: try encoder.encode(record) + [0x0A])
  }

  /// Reads a log; a last line that was cut short is left out.
  ///
  /// - Throws: ``TrainingError``
  public static func read(_ path: String) throws -> [LogRecord] {
    let bytes = try AtomicFile.read(path, maximumBytes: maximumBytes)
    let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: true)
    return try lines.enumerated().compactMap { index, line in
      do { return try JSONDecoder().decode(LogRecord.self, from: Data(line)) } catch {
        if index == lines.count - 1, bytes.last != 0x0A { return nil }
        throw TrainingError.malformed(path: path, reason: "line \(index + 1) is no record of a training log")
      }
    }
  }
}
