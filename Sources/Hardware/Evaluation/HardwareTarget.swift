/// Where each party computes: a board with its kernels, or a host; a host may do what a board has no kernel for.
public struct HardwareTarget: Sendable {
  /// What an operation takes.
  struct Price {
    /// Seconds of one operation.
    var seconds: Double
    /// Seconds until the first result.
    var fill: Double
    /// Relative half-width of the time.
    var accuracy: Double
    /// Joules of one operation; nil where unknown.
    var joules: Double?
    /// Whether the host does it.
    var isOnHost: Bool
  }

  /// The board, or nil where everything runs on the host.
  public let device: DeviceModel?
  /// The host, or nil where everything runs on the board.
  public let host: HostModel?
  /// Kernels of the board.
  public let kernels: [String: KernelModel]
  /// Lanes of each kernel, where not those of its file.
  public var lanes: [String: Int]

  /// A board, with a host for the rest.
  public init(device: DeviceModel, library: HardwareLibrary, host: HostModel? = nil, lanes: [String: Int] = [:]) {
    self.device = device
    self.host = host
    self.kernels = library.kernels(of: device)
    self.lanes = lanes
  }

  /// A calibrated host.
  public init(host: HostModel) {
    device = nil
    self.host = host
    kernels = [:]
    lanes = [:]
  }

  /// A board or host by name.
  /// - Throws: ``HardwareError/unknownName(what:name:known:)``
  public init(named name: String, in library: HardwareLibrary, host: HostModel? = nil) throws {
    if let found = library.hosts[name] {
      self.init(host: found)
    } else if let found = library.devices[name] {
      self.init(device: found, library: library, host: host)
    } else {
      throw HardwareError.unknownName(
        what: "device", name: name, known: library.devices.keys.sorted() + library.hosts.keys.sorted())
    }
  }

  /// Its name.
  public var name: String { device?.name ?? host!.name }

  /// Power of both parties' boards or hosts at work, watts; nil where unknown.
  public var pairPower: Double? { (device?.power ?? host?.power).map { 2 * $0.measure.value } }

  /// What a class of operations takes here.
  /// - Throws: ``HardwareError/noKernel(operation:place:advice:)``, ``HardwareError/units(place:found:expected:)``
  func price(_ operation: String) throws -> Price {
    if let device, let kernel = kernels[operation] { return try price(operation, kernel, device) }
    guard let host else {
      let known = kernels.keys.sorted().joined(separator: ", ")
      throw HardwareError.noKernel(
        operation: operation, place: "The device \(name)",
        advice: "name a calibrated host that does it with --host, or add a kernel (it has \(known))")
    }
    guard let seconds = host.operations[operation] else {
      throw HardwareError.noKernel(
        operation: operation, place: "The host \(host.name)", advice: "calibrate it again with polympc hw calibrate")
    }
    return Price(
      seconds: seconds.measure.value, fill: 0, accuracy: seconds.accuracy, joules: nil, isOnHost: true)
  }

  private func price(_ operation: String, _ kernel: KernelModel, _ device: DeviceModel) throws -> Price {
    let count = lanes[operation] ?? kernel.laneCount(on: device)
    guard count > 0 else {
      throw HardwareError.noKernel(
        operation: operation, place: "The device \(device.name)", advice: "no lane of its kernel fits into its share")
    }
    let place = "the kernel \(operation) on \(device.name)"
    let rate = kernel.rate(lanes: count, clock: device.clock)
    let each = Measure(1, .operations) / rate
    let fill = kernel.depth.measure / device.clock.measure
    var accuracy = device.clock.accuracy + kernel.interval.accuracy + kernel.width.accuracy
    switch kernel.lanes {
    case .fixed(let quantity): accuracy += quantity.accuracy
    case .share(let quantity): accuracy += quantity.accuracy
    }
    return Price(
      seconds: try each.number(as: .time, at: place), fill: try fill.number(as: .time, at: place), accuracy: accuracy,
      joules: kernel.energy.measure.value, isOnHost: false)
  }
}
