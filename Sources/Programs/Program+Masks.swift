extension Program {
  /// The linear step that chooses the masks of a tensor by encrypting them, if one does: the first that reads it, where its
  /// masks are drawn and not computed. Parties that prepare by lattices follow it, and costs are predicted from it.
  /// None does where weights are full words: what is left of a ciphertext then is too wide for its format.
  public func maskChooser(ofTensor tensor: Int) -> Int? {
    guard !sharesWeights else { return nil }
    switch steps[tensor].operation {
    case .input, .activation, .comparison, .maxPool: break
    default: return nil
    }
    guard let first = linearSteps.first(where: { steps[$0].inputs[0] == tensor }) else { return nil }
    // Before that step encrypts them nobody may compute with them.
    let isRead = steps[..<first].indices.contains { isLocal($0) && steps[$0].inputs.contains(tensor) }
    return isRead ? nil : first
  }

  /// Whether a linear step chooses the masks that it reads.
  public func choosesMasks(step: Int) -> Bool { maskChooser(ofTensor: steps[step].inputs[0]) == step }
}
