/// What is public of one frame: never its content.
public struct FrameFacts: Hashable, Sendable {
  /// What it carries.
  public let kind: FrameKind
  /// Its number among the frames of its direction, from 0.
  public let sequence: UInt32
  /// Bytes of payload.
  public let payloadBytes: Int
}

/// Told what passes a channel, on the channel's thread. Methods must neither throw nor use the channel.
public protocol ChannelObserver: AnyObject {
  /// Bytes of a frame are about to be written.
  func willSend()
  /// A frame was written; it may wait for a flush.
  func didSend(_ frame: FrameFacts)
  /// The channel waits for a frame.
  func willReceive()
  /// The frame's header is there and was accepted.
  func didAccept(_ frame: FrameFacts)
  /// Its payload was read.
  func didReceive(_ frame: FrameFacts)
}
