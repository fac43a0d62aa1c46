// The one testbench of all kernels, which stand behind harnesses with the same ports. It plays a file of stimulus and writes a file
// of outputs; what is right is not decided here but in the tests that wrote the stimulus.
//
//   testbench STIMULUS OUTPUTS
//
// Files hold 32-bit little-endian words. A stimulus is a list of records:
//   0, cycles, configuration   lets cycles pass, then sets the configuration and raises `configure` for one cycle
//   1, cycles, in_data         lets cycles pass without input, then offers a beat until it is accepted
// OUTPUTS receives out_data of each valid cycle. Printed: beats accepted, outputs, cycles from the first beat accepted to the last
// output taken, both counted, and cycles from the last `configure` to the first beat accepted after it.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "Vharness.h"
#include "verilated.h"

namespace {

// Ports of up to 64 bits are integers, wider ones arrays of 32-bit words.
template <typename Port> constexpr size_t words() { return sizeof(Port) / 4; }

template <typename Port> void set(Port &port, const uint32_t *from) { std::memcpy(&port, from, sizeof port); }

template <typename Port> void get(const Port &port, std::vector<uint32_t> &to) {
  const size_t before = to.size();
  to.resize(before + words<Port>());
  std::memcpy(to.data() + before, &port, sizeof port);
}

[[noreturn]] void fail(const char *what) {
  std::fprintf(stderr, "testbench: %s\n", what);
  std::exit(1);
}

class Bench {
public:
  explicit Bench(VerilatedContext *context) : top(context) {}

  // Resets while a beat is offered, which must leave no trace.
  void reset() {
    top.reset = 1;
    top.in_valid = 1;
    for (int i = 0; i < 4; i++) cycle();
    top.reset = 0;
    top.in_valid = 0;
    if (!outputs.empty()) fail("an output came out of a reset");
    cycle();
  }

  void configure(const uint32_t *data) {
    set(top.configuration, data);
    top.configure = 1;
    cycle();
    top.configure = 0;
    configured = now;
    awaits_first = true;
  }

  void offer(const uint32_t *data) {
    set(top.in_data, data);
    top.in_valid = 1;
    for (int waited = 0; !cycle(); waited++)
      if (waited > 1 << 24) fail("a beat was never accepted");
    top.in_valid = 0;
  }

  void idle(uint32_t cycles) {
    for (uint32_t i = 0; i < cycles; i++) cycle();
  }

  // Until nothing has come for longer than any pipeline here is deep.
  void drain() {
    const uint64_t begin = now;
    while (now - (last_output > begin ? last_output : begin) < 256) cycle();
  }

  void report() const {
    std::printf("{\"accepted\": %llu, \"outputs\": %llu, \"cycles\": %llu, \"setup\": %llu}\n",
                (unsigned long long)accepted, (unsigned long long)output_count,
                (unsigned long long)(output_count ? last_output - first_beat + 1 : 0), (unsigned long long)setup);
  }

  Vharness top;
  std::vector<uint32_t> outputs;

private:
  // One clock cycle: what is stable before the edge is what both sides take at the edge. Whether a beat was accepted.
  bool cycle() {
    top.clk = 0;
    top.eval();
    const bool takes = top.in_valid && top.in_ready && !top.reset;
    if (takes) {
      if (accepted++ == 0) first_beat = now;
      if (awaits_first) setup = now - configured + 1;
      awaits_first = false;
    }
    if (top.out_valid) {
      get(top.out_data, outputs);
      output_count++;
      last_output = now;
    }
    top.clk = 1;
    top.eval();
    now++;
    return takes;
  }

  uint64_t now = 0, accepted = 0, output_count = 0, first_beat = 0, last_output = 0, configured = 0, setup = 0;
  bool awaits_first = false;
};

std::vector<uint32_t> read(const char *path) {
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  if (!file || bytes.size() % 4) fail("the stimulus cannot be read");
  std::vector<uint32_t> result(bytes.size() / 4);
  std::memcpy(result.data(), bytes.data(), bytes.size());
  return result;
}

} // namespace

int main(int count, char **arguments) {
  if (count != 3) fail("usage: testbench STIMULUS OUTPUTS");
  const std::vector<uint32_t> stimulus = read(arguments[1]);
  const auto context = std::make_unique<VerilatedContext>();
  Bench bench(context.get());
  const size_t configuration = words<decltype(bench.top.configuration)>(), beat = words<decltype(bench.top.in_data)>();
  bench.reset();
  for (size_t i = 0; i < stimulus.size();) {
    const uint32_t kind = stimulus[i];
    const size_t size = 2 + (kind ? beat : configuration);
    if (kind > 1 || i + size > stimulus.size()) fail("a record is cut short or of no known kind");
    bench.idle(stimulus[i + 1]);
    if (kind)
      bench.offer(&stimulus[i + 2]);
    else
      bench.configure(&stimulus[i + 2]);
    i += size;
  }
  bench.drain();
  std::ofstream file(arguments[2], std::ios::binary);
  file.write(reinterpret_cast<const char *>(bench.outputs.data()), 4 * (std::streamsize)bench.outputs.size());
  if (!file.flush()) fail("the outputs cannot be written");
  bench.report();
}
