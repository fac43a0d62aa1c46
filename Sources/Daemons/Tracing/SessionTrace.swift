public import Inference
import Logging
public import Transport

/// Records one session, on its thread.
public final class SessionTrace: SessionObserver, ChannelObserver {
  private let recorder: TraceRecorder
  private let ordinal: UInt32
  private let number: UInt64
  /// Steps worth a span; nil for all.
  private let steps: Set<Int>?
  private var open: [(activity: SessionActivity, begin: Int)] = []
  private var sendBegin = 0
  private var receiveBegin = 0

  init(_ recorder: TraceRecorder, ordinal: UInt32, number: UInt64, steps: Set<Int>?) {
    self.recorder = recorder
    self.ordinal = ordinal
    self.number = number
    self.steps = steps
  }

  private func record(
    _ kind: TraceRecord.Kind, from begin: Int, to end: Int, _ subject: Int, _ frame: FrameFacts? = nil
  ) {
    recorder.add(
      TraceRecord(
        begin: begin, end: end, kind: kind, ordinal: ordinal, session: number, subject: subject,
        sequence: frame?.sequence ?? 0, bytes: frame?.payloadBytes ?? 0))
  }

  /// An activity begins.
  public func begin(_ activity: SessionActivity) { open.append((activity, recorder.time())) }

  /// The activity that began last ends.
  public func end() {
    guard let (activity, begin) = open.popLast() else { return }
    let end = recorder.time()
    switch activity {
    case .preparation(let inferences): record(.preparation, from: begin, to: end, inferences)
    case .lease: record(.lease, from: begin, to: end, 0)
    case .query(let samples): record(.query, from: begin, to: end, samples)
    case .step(let index): if steps?.contains(index) ?? true { record(.step, from: begin, to: end, index) }
    }
  }

  /// Bytes of a frame are about to be written.
  public func willSend() { sendBegin = recorder.time() }

  /// A frame was written.
  public func didSend(_ frame: FrameFacts) {
    record(.send, from: sendBegin, to: recorder.time(), Int(frame.kind.rawValue), frame)
  }

  /// The channel waits for a frame.
  public func willReceive() { receiveBegin = recorder.time() }

  /// The frame's header is there.
  public func didAccept(_ frame: FrameFacts) {
    let now = recorder.time()
    record(.wait, from: receiveBegin, to: now, Int(frame.kind.rawValue), frame)
    receiveBegin = now
  }

  /// Its payload was read.
  public func didReceive(_ frame: FrameFacts) {
    guard frame.payloadBytes > 0 else { return }
    record(.receive, from: receiveBegin, to: recorder.time(), Int(frame.kind.rawValue), frame)
  }

  /// Closes what a failure left open, and writes the file.
  func finish(_ logger: Logger) {
    while !open.isEmpty { end() }
    do { try recorder.write() } catch { logger.warning("the trace was not written", metadata: ["error": "\(error)"]) }
  }
}
