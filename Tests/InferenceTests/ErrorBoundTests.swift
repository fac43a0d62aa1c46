import Lattice
import Testing

@testable import Networks

@Suite("Error bounds of plans")
struct ErrorBoundTests {
  @Test("They count what lattice preparation may leave over in a linear result")
  func preparation() { #expect(ErrorAnalysis.preparationUnits == NoiseBudget.linearLimit) }
}
