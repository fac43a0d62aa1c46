public import Rings

/// What an outsourced run needs beside: words by linear step, of both servers.
extension ModelOwnerMaterial {
  mutating func store(opened words: SecretWords, at step: Int) { opened[step] = words }

  /// Adds to the words of a linear step, in place.
  mutating func add(linear words: SecretWords, at step: Int, _ modulus: ModulusKind) {
    guard let sum = linear[step] else { preconditionFailure("step \(step) has no words yet") }
    Elementwise.add(modulus, sum.pointer, words.pointer, count: sum.count, output: sum.pointer)
    withExtendedLifetime(words) {}
  }

  /// Takes r~, the mask under which the operand of a linear step is opened: of the first step that reads it.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeOpened(_ step: Int) throws -> SecretWords {
    guard let words = opened.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return words
  }
}

extension DataOwnerMaterial {
  mutating func store(linear words: SecretWords, at step: Int) { linear[step] = words }
  mutating func store(opened words: SecretWords, at step: Int) { opened[step] = words }

  /// Adds to the words of a linear step, in place.
  mutating func add(linear words: SecretWords, at step: Int, _ modulus: ModulusKind) {
    guard let sum = linear[step] else { preconditionFailure("step \(step) has no words yet") }
    Elementwise.add(modulus, sum.pointer, words.pointer, count: sum.count, output: sum.pointer)
    withExtendedLifetime(words) {}
  }

  /// Takes s~ + c - gamma of a linear step, to be added to W1 (r + o).
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeLinear(_ step: Int) throws -> SecretWords {
    guard let words = linear.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return words
  }

  /// Takes r, this server's share of the operand of a linear step: of the first step that reads it.
  /// - Throws: ``CorrelationError/materialSpent(step:serial:)``
  public mutating func takeOpened(_ step: Int) throws -> SecretWords {
    guard let words = opened.removeValue(forKey: step) else {
      throw CorrelationError.materialSpent(step: step, serial: serial)
    }
    return words
  }
}
