import Programs
import Rings

/// What the symbols of descriptors stand for, operator by operator.
enum CostSymbols {
  static let always: Set<String> = ["B", "S", "L"]
  static let common: Set<String> = ["B", "S", "n", "maskBytes"]
  static let ofOperator: [String: Set<String>] = [
    "input": common,
    "linear": common.union(["inputs", "outputs", "weights", "macs"]),
    "x2act": common,
    "pooling": common.union(["taps"]),
    "add": common.union(["shifts"]),
    "reshape": common,
    "subsample-pad": common.union(["kept"]),
    "output": common.union(["outputBytes"]),
  ]
  /// What sources may use beside: counts of a bulk that follow from how linear layers are packed.
  static let ofPacking: [String: Set<String>] = [
    "linear": ["inputPolynomials", "outputPolynomials", "weightPolynomials", "products"],
    "x2act": ["transfers"],
  ]
  /// Lists that sources may sum over or send a frame for each entry of, with the symbols of an entry.
  static let lists: [String: [String: Set<String>]] = [
    "linear": ["inputs": ["free", "fixed"], "outputs": ["values", "terms"]],
    "x2act": ["oleGroups": ["ciphertexts"], "transferFrames": ["tiles"]],
  ]
  static let variants: [String: Set<String>] = [
    "x2act": ["exact", "local"], "pooling": ["sum", "global"], "ot": ["softspoken", "silent"],
  ]
  /// Calls of primitives, and the symbols of each.
  static let ofPrimitive: [String: [String: Set<String>]] = [
    "ot": [
      "begin": ["k", "leaves"], "draw": ["n", "k", "leaves"], "words": ["n"], "bits": ["n"], "triples": ["n"],
      "tables": ["n", "m", "entries"], "transfer": ["n", "bits"], "products": ["n", "bits"],
    ]
  ]

  /// The symbols that an entry may use; nil where there is no such operator, scope or call.
  static func known(_ role: Descriptor.Role, _ name: String, _ owner: String) -> Set<String>? {
    switch role {
    case .primitive: ofPrimitive[name]?[owner]
    case .source where owner == "begin" || owner == "end": always
    case .source, .operator: ofOperator[owner]
    }
  }

  /// Descriptor, variant and symbols of a step of a valid program.
  static func resolve(_ program: Program, _ index: Int) -> (name: String, variant: String?, values: [String: Int]) {
    let step = program.steps[index]
    let shape = step.tensor.shape
    // A uniform word of F_p is reduced from 16 bytes of stream, one of Z_2^64 is 8 bytes.
    var values = ["n": shape.count, "maskBytes": step.tensor.modulus == .field ? 16 : 8]
    switch step.operation {
    case .input: return ("input", nil, values)
    case .linear(let geometry):
      values["inputs"] = geometry.inputShape.count
      values["outputs"] = geometry.outputShape.count
      values["weights"] = geometry.weightCount
      values["macs"] = geometry.multiplyAccumulates
      return ("linear", nil, values)
    case .activation(let spec): return ("x2act", spec.truncation.rawValue, values)
    case .sumPool(let window):
      values["taps"] = window.kernel * window.kernel
      return ("pooling", "sum", values)
    case .globalSumPool:
      let from = program.steps[step.inputs[0]].tensor.shape
      values["taps"] = from.height * from.width
      return ("pooling", "global", values)
    case .add(let left, let right):
      values["shifts"] = (left > 0 ? 1 : 0) + (right > 0 ? 1 : 0)
      return ("add", nil, values)
    case .reshape: return ("reshape", nil, values)
    case .subsamplePad(_, let before, let after):
      values["kept"] = (shape.channels - before - after) * shape.height * shape.width
      return ("subsample-pad", nil, values)
    case .output(let dropped):
      values["outputBytes"] = Program.outputBytes(droppedBits: dropped)
      return ("output", nil, values)
    }
  }
}
