import ArgumentParser

struct Hw: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "hw",
    abstract: "Predict latency, traffic and energy on devices and links.",
    discussion: """
      Counts come from the descriptors of the protocols (Protocols/), numbers from
      the descriptions of devices, links and calibrated hosts (HardwareModels/),
      each with its source. Nothing is run and nothing is secret.

      Examples:
        polympc hw latency --network resnet18 --dataset imagenet \\
          --activation x2act --device zcu104 --protocol pasnet
      """,
    subcommands: [
      HwLatency.self, HwTable.self, HwCompare.self, HwSchedule.self, HwAlign.self, HwList.self, HwCalibrate.self,
      HwValidate.self,
    ])
}
