import CPNG
import Foundation
import Networks
import Rings

/// PNG files, through libpng's simplified interface, which reads every kind of PNG as 8-bit grey or colour.
enum PNGReader {
  /// Reads one picture. Its size must be the network's; colour becomes grey (sRGB luminance) for a network of one
  /// channel and grey is repeated for one of three. Transparent pixels are laid on black.
  static func read(_ bytes: [UInt8], builder: SampleBuilder) throws -> InputSample {
    let shape = builder.shape
    guard shape.channels == 1 || shape.channels == 3 else {
      throw builder.refuse("a PNG file cannot feed a network of \(shape.channels) channels; use .npy")
    }
    guard isWhole(bytes) else { throw builder.refuse("it is a PNG file cut short") }
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    return try bytes.withUnsafeBytes { file in
      guard png_image_begin_read_from_memory(&image, file.baseAddress, file.count) != 0 else {
        throw builder.refuse("it is a damaged PNG file (\(message(image)))")
      }
      guard Int(image.width) == shape.width, Int(image.height) == shape.height else {
        throw builder.refuse(
          "it has \(image.width) x \(image.height) pixels, and the network takes \(shape.width) x \(shape.height)")
      }
      // PNG_IMAGE_FLAG_16BIT_sRGB: libpng takes 16-bit samples for linear light otherwise, which hardly any writer means.
      image.flags |= 4
      image.format = shape.channels == 1 ? png_uint_32(PNG_FORMAT_GRAY) : png_uint_32(PNG_FORMAT_FLAG_COLOR)
      var pixels = [UInt8](repeating: 0, count: shape.count)
      guard png_image_finish_read(&image, nil, &pixels, 0, nil) != 0, image.warning_or_error & 2 == 0 else {
        throw builder.refuse("it is a damaged PNG file (\(message(image)))")
      }
      let scale = builder.normalization.pixelMaximum / 255
      let plane = shape.height * shape.width
      var values = [Float](repeating: 0, count: shape.count)
      for channel in 0..<shape.channels {
        for pixel in 0..<plane {
          values[channel * plane + pixel] = Float(pixels[pixel * shape.channels + channel]) * scale
        }
      }
      return try builder.sample(raw: values, index: nil)
    }
  }

  /// Whether the chunks reach an IEND: libpng is content with pixels alone.
  private static func isWhole(_ bytes: [UInt8]) -> Bool {
    var place = 8
    while place + 12 <= bytes.count {
      let length = bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= bytes.count - place - 12 else { return false }
      if bytes[place + 4..<place + 8].elementsEqual(Array("IEND".utf8)) { return true }
      place += 12 + length
    }
    return false
  }

  private static func message(_ image: png_image) -> String {
    withUnsafeBytes(of: image.message) { bytes in
      String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
    }
  }
}
