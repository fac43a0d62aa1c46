import Rings

/// Rows of numbers separated by commas, without a header: one sample a row, CHW, with or without a label as an
/// additional last column (the format of the UCI handwritten digits).
enum CSVReader {
  static func read(_ bytes: [UInt8], selection: Range<Int>?, builder: SampleBuilder) throws -> [InputSample] {
    let rows = bytes.split(whereSeparator: { $0 == 0x0a || $0 == 0x0d })
    return try builder.indices(selection, available: rows.count).map { index in
      let fields = rows[index].split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false)
      let size = builder.shape.count
      guard fields.count == size || fields.count == size + 1 else {
        throw builder.refuse(
          "the row has \(fields.count) columns, and the network takes \(size) values, with or without a label behind them",
          index: index)
      }
      let numbers = try fields.enumerated().map { column, field in
        let text = String(decoding: field, as: UTF8.self).filter { $0 != " " && $0 != "\t" }
        guard let number = Float(text) else {
          throw builder.refuse("column \(column) is not a number", index: index)
        }
        return number
      }
      var label: Int?
      if numbers.count > size {
        guard let number = numbers.last, let whole = Int(exactly: number), whole >= 0 else {
          throw builder.refuse("its label is not a whole number", index: index)
        }
        label = whole
      }
      return try builder.sample(raw: Array(numbers.prefix(size)), index: index, label: label)
    }
  }
}
