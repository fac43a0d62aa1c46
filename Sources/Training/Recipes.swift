import Networks

/// Configurations that train the networks of this project well; see the module's documentation for how they were
/// chosen.
public enum Recipes {
  /// The digits network on the digits that ship with the module.
  public static func digits(threads: Int = 1) -> TrainingConfiguration {
    var result = TrainingConfiguration(network: "digits", data: .digits)
    result.activation = X2actSpec(scale: 8)
    result.epochs = 60
    result.batch = 32
    result.learningRate = 0.1
    result.clipNorm = 1
    result.shift = 1
    result.loss = GraphExecutor.LossOptions(labelSmoothing: 0.1, rangeBound: 4, rangeWeight: 0.1)
    result.threads = threads
    return result
  }

  /// LeNet on MNIST.
  public static func mnist(folder: String, threads: Int = 2) -> TrainingConfiguration {
    var result = TrainingConfiguration(network: "lenet", data: .mnist, dataPath: folder)
    result.activation = X2actSpec(scale: 16)
    result.epochs = 12
    result.clipNorm = 1
    result.shift = 2
    result.loss = GraphExecutor.LossOptions(labelSmoothing: 0.05, rangeBound: 5, rangeWeight: 0.05)
    result.threads = threads
    return result
  }

  /// ResNet-20 on CIFAR-10: quadratics start nearest to ReLU, replace it over one epoch, and normalise residual sums.
  public static func cifar10(folder: String, threads: Int = 2) -> TrainingConfiguration {
    var result = TrainingConfiguration(network: "resnet20", data: .cifar10, dataPath: folder)
    result.activation = X2actSpec(scale: 40)
    result.normalizesSums = true
    result.initialization = .moments
    result.gradualEpochs = 1
    result.epochs = 60
    result.clipNorm = 1
    result.shift = 4
    result.flip = true
    result.loss = GraphExecutor.LossOptions(labelSmoothing: 0.1, rangeBound: 6, rangeWeight: 1)
    result.threads = threads
    return result
  }

  /// The recipe of a data set; `path` is its file or folder.
  public static func recipe(for data: DataSource, path: String?, threads: Int) -> TrainingConfiguration {
    var result =
      switch data {
      case .digits: digits(threads: threads)
      case .mnist: mnist(folder: path ?? "", threads: threads)
      case .cifar10: cifar10(folder: path ?? "", threads: threads)
      }
    result.dataPath = path
    return result
  }
}
