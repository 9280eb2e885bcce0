// unlazy report: finished or running runs side by side.
#include <iostream>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "drawn.h"
#include "report/metrics.h"
#include "train/run_figure.h"

namespace unlazy::tools {
namespace {

class Report : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "RUN [RUN ...] [options]"; }
  std::string description() const override {
    return "Prints a table of runs: the last value of each curve. Works while they are running.\n\n"
           "  unlazy report runs/tau0 runs/tau0.1 --figures runs/figures";
  }
  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(!words.empty(), "report: name at least one run, such as runs/tau0.1");
    if (!figures_.empty()) check_writable(figures_);
    std::cout << report::run_table(words);
    if (!figures_.empty()) {
      const auto figure = train::run_figure(words);
      for (const auto& title : report::empty_panels(figure))
        std::cout << "note: no run has points of: " << title << "\n";
      report::write_figure(figures_, figure, draw_);
      const bool is_drawn = draw(figures_, {figure.name});
      std::cout << figures_ << "/" << figure.name
                << (is_drawn ? ".png, .svg, .pdf, .csv, .gp\n" : ".csv, .gp\n");
    }
    return 0;
  }

 private:
  std::string figures_;
  report::DrawOptions draw_;
  Options options_{
      "report",
      {OptionTable(
           "Report",
           {{.name = "figures",
             .target = &figures_,
             .help = "Folder to draw the runs' curves into (needs gnuplot); empty: none."}}),
       report::describe(draw_)}};
};

}  // namespace

std::unique_ptr<Command> make_report() { return std::make_unique<Report>(); }

}  // namespace unlazy::tools
