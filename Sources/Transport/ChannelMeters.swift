/// What has passed through a channel, as seen at this end. Subtract two readings for what lies between them.
public struct ChannelMeters: Equatable, Sendable {
  /// Payload bytes of the frames, without headers.
  public var payloadSent = 0
  /// Payload bytes received.
  public var payloadReceived = 0
  /// Frames sent.
  public var messagesSent = 0
  /// Frames received.
  public var messagesReceived = 0
  /// Maximal runs of frames in one direction, counted by their first frame. A round trip is two flights.
  public var flights = 0

  /// All zero.
  public init() {}

  /// Payload and headers sent, before encryption.
  public var totalSent: Int { payloadSent + FrameHeader.byteCount * messagesSent }
  /// Payload and headers received, after decryption.
  public var totalReceived: Int { payloadReceived + FrameHeader.byteCount * messagesReceived }

  /// What came on top between two readings.
  public static func - (later: ChannelMeters, earlier: ChannelMeters) -> ChannelMeters {
    var result = ChannelMeters()
    result.payloadSent = later.payloadSent - earlier.payloadSent
    result.payloadReceived = later.payloadReceived - earlier.payloadReceived
    result.messagesSent = later.messagesSent - earlier.messagesSent
    result.messagesReceived = later.messagesReceived - earlier.messagesReceived
    result.flights = later.flights - earlier.flights
    return result
  }

  /// The sum, over phases or channels.
  public static func + (left: ChannelMeters, right: ChannelMeters) -> ChannelMeters {
    var result = ChannelMeters()
    result.payloadSent = left.payloadSent + right.payloadSent
    result.payloadReceived = left.payloadReceived + right.payloadReceived
    result.messagesSent = left.messagesSent + right.messagesSent
    result.messagesReceived = left.messagesReceived + right.messagesReceived
    result.flights = left.flights + right.flights
    return result
  }
}
