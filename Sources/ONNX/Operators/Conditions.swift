import Networks
import Rings

/// A comparison of a hidden tensor with constants: whether a polynomial of it is at least zero, or below.
struct Condition {
  var polynomial: Polynomial
  var isNegated: Bool
}

extension Lowering {
  /// `x >= c` and its kin, which `Where` reads.
  mutating func condition(_ node: OperatorNode) throws -> Value {
    guard node.inputs.count == 2 else { throw Refusal("it has \(node.inputs.count) operands") }
    // Which operand must be at least the other for the comparison, or for its opposite, to hold.
    let (greater, isNegated): (Int, Bool) =
      switch node.type {
      case "GreaterOrEqual": (0, false)
      case "LessOrEqual": (1, false)
      case "Less": (0, true)
      default: (1, true)
      }
    var sides: [Polynomial?] = []
    for index in [greater, 1 - greater] {
      if case .constant = try value(node, index) {
        sides.append(nil)
      } else {
        sides.append(try polynomial(node, index))
      }
    }
    guard let base = (sides[0] ?? sides[1])?.base, sides[0] == nil || sides[1] == nil else {
      throw Refusal("it compares two hidden tensors", "compare their difference with a constant")
    }
    func constant(_ index: Int) throws -> [Double] { try coefficients(try self.constant(node, index, "bound"), base) }
    var difference: Polynomial
    if let left = sides[0] {
      difference = left
      difference.add(try constant(1 - greater).map { -$0 })
    } else {
      difference = sides[1]!
      difference.scale(by: [Double](repeating: -1, count: difference.slope.count))
      difference.add(try constant(greater))
    }
    return .condition(Condition(polynomial: difference, isNegated: isNegated))
  }

  /// One of two constants, as a condition has it: half their sum, and half their difference times a sign.
  mutating func choice(_ node: OperatorNode) throws -> Value {
    guard case .condition(let condition) = try value(node, 0) else {
      throw Refusal("its condition is no comparison of a hidden tensor with constants", "compare with >= and constants")
    }
    let base = condition.polynomial.base
    let yes = try coefficients(try constant(node, 1, "first choice"), base)
    let no = try coefficients(try constant(node, 2, "second choice"), base)
    let operand = try materialize(condition.polynomial, name: node.name + ".operand")
    var result = Polynomial(try append(.sign, node.name, [operand.node], operand.dims))
    // Half the difference times the sign, and half the sum, of constants that may be per channel or per element.
    let half = condition.isNegated ? -0.5 : 0.5
    var difference = Polynomial(base)
    difference.scale(by: 0)
    difference.add(yes.map { half * $0 })
    difference.add(no.map { -half * $0 })
    result.scale(by: difference.offset)
    result.add(yes.map { $0 / 2 })
    result.add(no.map { $0 / 2 })
    return .polynomial(result)
  }
}
