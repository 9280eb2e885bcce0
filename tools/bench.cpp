// unlazy bench: how fast this build is on this machine. Benchmarks are commands, never timed tests.
#include "bench/benchmarks.h"
#include "core/error.h"

namespace unlazy::tools {
namespace {

class Bench : public Command {
 public:
  Options& options() override { return options_; }
  std::string usage() const override { return "BENCHMARK [options]"; }
  std::string description() const override {
    std::string text = "Times a part of the program on this machine. Benchmarks:\n";
    for (const auto& entry : benchmarks().entries())
      text += "\n  " + entry.name + "  " + entry.help;
    return text + "\n\nunlazy bench BENCHMARK --help lists its options.";
  }
  const Registry<MakeCommand>* subcommands() const override { return &benchmarks(); }
  int run(const std::vector<std::string>&) override {
    throw Error("bench: name a benchmark: " + join(first_words()), Error::Kind::kMisuse);
  }

 private:
  Options options_{"bench", {}};
};

}  // namespace

std::unique_ptr<Command> make_bench() { return std::make_unique<Bench>(); }

}  // namespace unlazy::tools
