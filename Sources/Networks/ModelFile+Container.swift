import Randomness

extension ModelFile {
  private static let magic = Array("PMPCNETM".utf8)
  private static let headerBytes = 24
  private static let sectionHeaderBytes = 16
  private static let digestBytes = 32
  private static let maximumSections = 16

  private enum Tag: String, CaseIterable {
    case graph = "GRPH"
    case parameters = "PARM"
    case calibration = "CALB"
    case options = "OPTN"
    case salt = "SALT"
    case provenance = "PROV"
  }

  // MARK: Writing

  /// Writes the file, readable by its owner only. A failure, such as a full disk, leaves an old file as it was.
  ///
  /// - Throws: ``NetworksError``
  public func write(to path: String) throws { try FileBytes.replace(path, with: encoded(), mode: 0o600) }

  /// The file's bytes.
  ///
  /// - Throws: ``NetworksError`` where the model is invalid.
  public func encoded() throws -> [UInt8] {
    try validate()
    var sections: [(tag: Tag, bytes: [UInt8])] = [(.graph, try graph.canonicalJSON()), (.parameters, [])]
    sections += [(.options, try CanonicalJSON.encode(options)), (.salt, salt)]
    if let calibration { sections.append((.calibration, try CanonicalJSON.encode(calibration))) }
    if !provenance.isEmpty { sections.append((.provenance, try CanonicalJSON.encode(provenance))) }

    func count(_ section: (tag: Tag, bytes: [UInt8])) -> Int {
      section.tag == .parameters ? 4 * parameters.count : section.bytes.count
    }
    let content = sections.reduce(0) { $0 + Self.sectionHeaderBytes + count($1) }
    let total = Self.headerBytes + content + Self.digestBytes
    var bytes: [UInt8] = []
    bytes.reserveCapacity(total)
    bytes += Self.magic
    Self.append(UInt32(Self.currentVersion), to: &bytes)
    Self.append(UInt32(sections.count), to: &bytes)
    Self.append(UInt64(total), to: &bytes)
    for section in sections {
      bytes += Array(section.tag.rawValue.utf8)
      Self.append(UInt32(0), to: &bytes)
      Self.append(UInt64(count(section)), to: &bytes)
      if section.tag == .parameters { appendParameters(to: &bytes) } else { bytes += section.bytes }
    }
    bytes += Digest32.sha256(bytes).bytes
    return bytes
  }

  /// All parameters in the order of their keys, float32 little-endian; the graph says how many each has. They are most of
  /// the file: no copy of them is made on the way.
  private func appendParameters(to bytes: inout [UInt8]) {
    for key in parameters.keys {
      #if _endian(little)
        parameters.values[key]!.withUnsafeBytes { bytes.append(contentsOf: $0) }
      #else
        for value in parameters.values[key]! { Self.append(value.bitPattern, to: &bytes) }
      #endif
    }
  }

  private static func append<Value: FixedWidthInteger>(_ value: Value, to bytes: inout [UInt8]) {
    withUnsafeBytes(of: value.littleEndian) { bytes += $0 }
  }

  // MARK: Reading

  /// Reads and checks a file.
  ///
  /// - Throws: ``NetworksError``: another kind of file, another version, a wrong length, a wrong digest, or an invalid
  ///   section, in this order.
  public static func load(from path: String) throws -> ModelFile {
    try decode(FileBytes.read(path, limit: maximumBytes), path: path)
  }

  /// Reads a file's bytes; `path` is only for messages.
  ///
  /// - Throws: ``NetworksError``
  public static func decode(_ bytes: [UInt8], path: String = "The model") throws -> ModelFile {
    guard bytes.count >= magic.count, Array(bytes[..<magic.count]) == magic else {
      throw NetworksError.notAModelFile(path: path, kind: "model")
    }
    guard bytes.count >= headerBytes + digestBytes else {
      throw NetworksError.wrongLength(path: path, found: bytes.count, expected: headerBytes + digestBytes)
    }
    let version = Int(integer(UInt32.self, bytes, 8))
    guard version == currentVersion else {
      throw NetworksError.unsupportedVersion(path: path, found: version, supported: currentVersion)
    }
    let total = integer(UInt64.self, bytes, 16)
    guard total == UInt64(bytes.count) else {
      throw NetworksError.wrongLength(path: path, found: bytes.count, expected: Int(clamping: total))
    }
    let end = bytes.count - digestBytes
    guard
      bytes.withUnsafeBytes({ Digest32.sha256(UnsafeRawBufferPointer(rebasing: $0[..<end])).bytes })
        == Array(bytes[end...])
    else { throw NetworksError.digestMismatch(path: path) }
    let sections = try split(bytes, count: Int(integer(UInt32.self, bytes, 12)), end: end, path: path)
    return try assemble(sections, path: path)
  }

  private static func split(_ bytes: [UInt8], count: Int, end: Int, path: String) throws -> [Tag: [UInt8]] {
    guard count <= maximumSections else {
      throw NetworksError.invalidSection(path: path, section: "header", reason: "it announces \(count) sections")
    }
    var sections: [Tag: [UInt8]] = [:]
    var place = headerBytes
    for index in 0..<count {
      guard end - place >= sectionHeaderBytes else {
        throw NetworksError.invalidSection(path: path, section: "number \(index)", reason: "it is missing")
      }
      let name = String(decoding: bytes[place..<place + 4], as: UTF8.self)
      let length = integer(UInt64.self, bytes, place + 8)
      place += sectionHeaderBytes
      guard length <= UInt64(end - place) else {
        throw NetworksError.invalidSection(path: path, section: name, reason: "it is longer than the file")
      }
      guard let tag = Tag(rawValue: name), sections[tag] == nil else {
        throw NetworksError.invalidSection(path: path, section: name, reason: "it is unknown or occurs twice")
      }
      sections[tag] = Array(bytes[place..<place + Int(length)])
      place += Int(length)
    }
    guard place == end else {
      throw NetworksError.invalidSection(path: path, section: "header", reason: "bytes follow the last section")
    }
    return sections
  }

  private static func assemble(_ sections: [Tag: [UInt8]], path: String) throws -> ModelFile {
    func section(_ tag: Tag) throws -> [UInt8] {
      guard let bytes = sections[tag] else {
        throw NetworksError.invalidSection(path: path, section: tag.rawValue, reason: "it is missing")
      }
      return bytes
    }
    func inside<Value>(_ tag: Tag, _ body: () throws -> Value) throws -> Value {
      do { return try body() } catch {
        throw NetworksError.invalidSection(path: path, section: tag.rawValue, reason: "\(error)")
      }
    }
    let graph = try inside(.graph) { try Graph.decode(json: section(.graph)) }
    let parameters = try inside(.parameters) { try decodeParameters(section(.parameters), graph) }
    var model = ModelFile(graph: graph, parameters: parameters)
    model.options = try inside(.options) {
      try CanonicalJSON.decode(PlannerOptions.self, from: section(.options), what: "planner options")
    }
    model.salt = try section(.salt)
    if let bytes = sections[.calibration] {
      model.calibration = try inside(.calibration) {
        try CanonicalJSON.decode(Calibration.self, from: bytes, what: "calibration")
      }
    }
    if let bytes = sections[.provenance] {
      model.provenance = try inside(.provenance) {
        try CanonicalJSON.decode([String: String].self, from: bytes, what: "provenance")
      }
    }
    try inside(.options) { try model.validate() }
    return model
  }

  private static func decodeParameters(_ bytes: [UInt8], _ graph: Graph) throws -> Parameters {
    let shapes = try graph.parameterShapes()
    let wanted = shapes.values.reduce(0) { $0 + $1.reduce(1, *) }
    guard bytes.count == 4 * wanted else {
      throw NetworksError.invalidParameters(
        node: graph.name, reason: "\(bytes.count) bytes are given and \(4 * wanted) needed")
    }
    var result = Parameters()
    var place = 0
    for key in shapes.keys.sorted() {
      let count = shapes[key]!.reduce(1, *)
      result.values[key] = floats(bytes, place, count)
      place += 4 * count
    }
    try result.validate(for: graph)
    return result
  }

  private static func floats(_ bytes: [UInt8], _ place: Int, _ count: Int) -> [Float] {
    #if _endian(little)
      [Float](unsafeUninitializedCapacity: count) { values, filled in
        bytes.withUnsafeBytes {
          UnsafeMutableRawBufferPointer(values).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: $0[place..<place + 4 * count]))
        }
        filled = count
      }
    #else
      (0..<count).map { Float(bitPattern: integer(UInt32.self, bytes, place + 4 * $0)) }
    #endif
  }

  private static func integer<Value: FixedWidthInteger>(_ type: Value.Type, _ bytes: [UInt8], _ place: Int) -> Value {
    bytes.withUnsafeBytes { Value(littleEndian: $0.loadUnaligned(fromByteOffset: place, as: type)) }
  }
}
