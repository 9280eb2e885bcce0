// unlazy sweep: many runs of one command over a grid of options, as one experiment.
#include "command.h"
#include "core/error.h"

namespace unlazy::tools {

MakeCommand make_sweep_train, make_sweep_compare, make_sweep_prune, make_sweep_synthetic,
    make_sweep_status, make_sweep_point;

namespace {

const Registry<MakeCommand>& sweep_commands() {
  static const Registry<MakeCommand> registry(
      "sweep", {
                   {"train", "runs of unlazy train", make_sweep_train},
                   {"compare", "runs of unlazy compare", make_sweep_compare},
                   {"prune", "runs of unlazy prune", make_sweep_prune},
                   {"synthetic", "runs of unlazy synthetic", make_sweep_synthetic},
                   {"status", "a table of the points of a sweep", make_sweep_status},
                   {"point", "one point of a sweep, for a cluster", make_sweep_point},
               });
  return registry;
}

class Sweep : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "COMMAND [options] -- --AXIS VALUE,VALUE,.. [axes]"; }
  std::string description() const override {
    std::string text =
        "Runs a command over a grid of its options, several runs at a time:\n\n"
        "  unlazy sweep train --preset fig1-quick --out runs/sweep -- --noise-rate 0,0.1,0.2 "
        "--seed 0..4\n"
        "  unlazy sweep status runs/sweep\n";
    for (const auto& entry : sweep_commands().entries())
      text += "\n  " + entry.name + "  " + entry.help;
    return text + "\n\nunlazy sweep COMMAND --help says more.";
  }
  const Registry<MakeCommand>* subcommands() const override { return &sweep_commands(); }
  std::vector<std::string> parse(const std::vector<std::string>& arguments) override {
    UNLAZY_CHECK_USAGE(arguments.empty(), kNothing, join(first_words()));
    return {};
  }
  int run(const std::vector<std::string>&) override {
    throw Error(kNothing + join(first_words()), Error::Kind::kMisuse);
  }

 private:
  inline static const std::string kNothing = "sweep: name first what to sweep: ";
  Options options_{"sweep", {}};
};

}  // namespace

std::unique_ptr<Command> make_sweep() { return std::make_unique<Sweep>(); }

}  // namespace unlazy::tools
