import Inference
import Networks
import Programs
import Randomness
import Rings
import Transport
import TwoParty

extension BenchmarkCase {
  /// Both servers' shares of the case's network. Both processes make the same ones of the same seed: a benchmark has no secrets.
  ///
  /// - Throws: ``DaemonsError`` where the case is about no network.
  func shares() throws -> (ServerShareFile, ServerShareFile) {
    guard case .network(let network, _) = kind else {
      throw DaemonsError.input(source: "case \"\(name)\"", reason: "only networks are shared between servers")
    }
    return try ServerShareFile.split(try model(network).planned(), randomness: StreamGenerator(publicSeed: 1))
  }
}

/// The client of a benchmark, of whom each server's process plays its part.
final class BenchmarkClient: ClientShares {
  private let program: Program
  private let samples: [[Int64]]
  private let channel: FramedChannel
  private static let seed = SecretKey(bytes: [UInt8](repeating: 1, count: ClientShare.seedBytes))

  init(program: Program, samples: [[Int64]], channel: FramedChannel) {
    (self.program, self.samples, self.channel) = (program, samples, channel)
  }

  private var query: ClientQuery {
    ClientQuery(number: [UInt8](repeating: 1, count: ClientQuery.numberBytes), batch: samples.count)
  }

  func input(of query: SharedQueryName, samples count: Int) -> [SecretWords]? {
    guard count == samples.count, query.number == self.query.number else { return nil }
    return ClientShare.first(samples, seed: Self.seed, query: self.query, modulus: program.input.modulus)
  }

  /// What server 0 gives the client: here on the servers' own channel. If that fails, so does what follows on it.
  func deliver(_ output: SecretBytes, of query: SharedQueryName) {
    try? channel.send(.outputShare, UnsafeRawBufferPointer(output.buffer))
    withExtendedLifetime(output) {}
  }

  /// Server 1's and the client's part of a query.
  ///
  /// - Returns: fixed-point outputs, one array a sample.
  func ask(_ session: DataOwnerSession) throws -> [[Int64]] {
    let shares = ClientShare.second(
      seed: Self.seed, query: query, count: program.input.shape.count, modulus: program.input.modulus)
    let own = try session.infer(shares: shares, name: SharedQueryName(client: .zero, number: query.number)).array()
    let other = try channel.receive(.outputShare, byteCount: own.count)
    guard case .output(let dropped) = program.steps[program.steps.count - 1].operation else { return [] }
    return OutputOperator.combine(own, other, samples: samples.count, droppedBits: dropped)
  }
}
