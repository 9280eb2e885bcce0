// unlazy report: finished or running runs side by side.
#include <iostream>

#include "command.h"
#include "core/error.h"
#include "report/metrics.h"

namespace unlazy::tools {
namespace {

class Report : public Command {
 public:
  Options& options() override { return options_; }
  std::string usage() const override { return "RUN [RUN ...]"; }
  std::string description() const override {
    return "Prints a table of runs: the last value of each curve. Works while they are running.\n\n"
           "  unlazy report runs/tau0 runs/tau0.1";
  }
  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(!words.empty(), "report: name at least one run, such as runs/tau0.1");
    std::cout << report::run_table(words);
    return 0;
  }

 private:
  Options options_{"report", {}};
};

}  // namespace

std::unique_ptr<Command> make_report() { return std::make_unique<Report>(); }

}  // namespace unlazy::tools
