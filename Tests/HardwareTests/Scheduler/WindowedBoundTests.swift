import Testing

@testable import Hardware

/// Bounds of large graphs look at the tasks near each task: they stay true.
@Suite struct WindowedBoundTests {
  /// The chained bound with the ancestors that a window of whole sets of indices shows.
  private func expected(_ graph: TaskGraph, window: Int) -> [Set<Int>] {
    var ancestors: [Set<Int>] = []
    for (index, task) in graph.tasks.enumerated() {
      var own: Set<Int> = []
      for before in task.dependencies where index - before < window {
        own.formUnion(ancestors[before].filter { index - $0 < window })
        own.insert(before)
      }
      ancestors.append(own)
    }
    return ancestors
  }

  @Test(arguments: 0..<40) func ancestorsInAWindow(seed: Int) throws {
    var random = RandomGraphs(seed: UInt64(700 + seed))
    let graph = random.graph(tasks: 150 + 13 * seed)
    for window in [64, 128] {
      var near = Ancestors(rows: window)
      let wanted = expected(graph, window: window)
      for (index, task) in graph.tasks.enumerated() {
        near.begin(index)
        for before in task.dependencies { near.add(before, to: index) }
        for before in max(0, index - window + 1)..<index {
          #expect(near.contains(before, of: index) == wanted[index].contains(before))
        }
      }
    }
  }

  @Test(arguments: 0..<40) func windowsKeepBoundsTrue(seed: Int) throws {
    var random = RandomGraphs(seed: UInt64(900 + seed))
    let graph = random.graph(tasks: 100 + 7 * seed)
    let whole = ScheduleBounds(graph, window: nil)
    #expect(whole == ScheduleBounds(graph))
    let fastest = try ListScheduler.schedule(graph).makespan
    for window in [64, 128, 512] {
      let bounds = ScheduleBounds(graph, window: window)
      #expect(bounds.combined >= max(bounds.criticalPath, bounds.busiestLane) && bounds.combined <= fastest)
      if window >= graph.tasks.count { #expect(bounds == whole) }
    }
  }
}
