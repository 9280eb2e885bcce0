// unlazy report: finished or running runs side by side, as a table, a figure, a page, or numbers for
// a paper.
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "drawn.h"
#include "experiments/runs/final_table.h"
#include "experiments/runs/run_page.h"
#include "experiments/runs/run_set.h"
#include "report/metrics.h"
#include "report/page.h"
#include "report/text.h"
#include "train/run_figure.h"

namespace unlazy::tools {
namespace {

class Report : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "RUN [RUN ...] [options]"; }
  std::string description() const override {
    return "Prints a table of runs: the last value of each curve. A folder of runs, such as a "
           "sweep, "
           "stands for all runs in it.\n"
           "Works while they are running; what is no run is skipped, and said.\n\n"
           "  unlazy report runs/tau0 runs/tau0.1 --figures runs/figures\n"
           "  unlazy report runs/sweep --out report.html     a page to look at in a browser\n"
           "  unlazy report runs/sweep --latex table.tex     the final table for a paper\n\n"
           "The page and the tables of --csv, --latex and --markdown take runs that differ only in "
           "the seed as one group.\n"
           "The page has curves with bands over seeds, the final table, pruning curves, measures "
           "of "
           "lazy and rich, the claims of\n"
           "the paper with numbers and verdicts, pictures, and the command of each run. It is one "
           "file and needs no network.";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(!words.empty(), "report: name at least one run, such as runs/tau0.1");
    if (!figures_.empty()) check_writable(figures_);
    const bool has_groups =
        !page_.empty() || !csv_.empty() || !latex_.empty() || !markdown_.empty();
    UNLAZY_CHECK_USAGE(!options_.is_given("curves") || !latex_.empty() || !markdown_.empty(),
                       "report: --curves chooses the curves of --latex and --markdown; give one of "
                       "these, or leave --curves out");
    for (const auto* path : {&page_, &csv_, &latex_, &markdown_}) {
      if (!path->empty()) check_writable(folder_of(*path));
    }
    if (has_groups) write_groups(words);
    if (!has_groups || !figures_.empty()) print_runs(words, !has_groups);
    return 0;
  }

 private:
  static void say_skipped(const std::vector<experiments::SkippedFolder>& skipped) {
    for (const auto& [folder, reason] : skipped)
      std::cout << "skipped: " << report::one_line(folder) << ": " << report::one_line(reason)
                << "\n";
  }

  // Without runs whose metrics.csv is another table, which are skipped.
  static std::vector<std::string> readable(const std::vector<std::string>& runs,
                                           std::vector<experiments::SkippedFolder>& skipped) {
    std::vector<std::string> list;
    for (const auto& run : runs) {
      try {
        report::read_metrics_so_far(run);
        list.push_back(run);
      } catch (const Error& problem) {
        skipped.push_back({run, problem.what()});
      }
    }
    return list;
  }

  void print_runs(const std::vector<std::string>& words, bool has_table) const {
    std::vector<experiments::SkippedFolder> skipped;
    const auto runs = readable(experiments::run_folders(words, skipped), skipped);
    check_any(words, runs.empty(), skipped);
    if (has_table) {
      std::cout << report::run_table(runs);
      say_skipped(skipped);
    }
    if (figures_.empty()) return;
    const auto figure = train::run_figure(runs);
    for (const auto& title : report::empty_panels(figure))
      std::cout << "note: no run has points of: " << title << "\n";
    report::write_figure(figures_, figure, draw_);
    const bool is_drawn = draw(figures_, {figure.name});
    std::cout << figures_ << "/" << figure.name
              << (is_drawn ? ".png, .svg, .pdf, .csv, .gp\n" : ".csv, .gp\n");
  }

  void write_groups(const std::vector<std::string>& words) const {
    auto set = experiments::find_runs(words);
    check_any(words, set.runs.empty() && set.curves.empty() && set.statements.empty(), set.skipped);
    const auto groups = experiments::groups_of(set);
    const auto table = experiments::final_table(set, groups);
    const auto curves = curves_.empty() ? experiments::usual_curves(table) : curves_;
    write(csv_, [&] { return experiments::table_as_csv(table); });
    write(latex_, [&] { return experiments::table_as_latex(table, curves); });
    write(markdown_, [&] { return experiments::table_as_markdown(table, curves); });
    write(page_, [&] {
      return report::html_page(experiments::page_title(words), experiments::page_data(set, groups));
    });
    std::cout << experiments::claims_text(experiments::claims_of(set, groups));
    say_skipped(set.skipped);
  }

  // Nothing to show: of a single folder its own message, which says what it is.
  static void check_any(const std::vector<std::string>& words, bool is_empty,
                        const std::vector<experiments::SkippedFolder>& skipped) {
    if (!is_empty) return;
    if (words.size() == 1) report::read_metrics(words[0]);
    say_skipped(skipped);
    throw Error("report: no run in " + join(words) + "; name folders that unlazy train wrote",
                Error::Kind::kMisuse);
  }

  static std::string folder_of(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path().string();
    return parent.empty() ? "." : parent;
  }

  template <class Make>
  static void write(const std::string& path, const Make& make) {
    if (path.empty()) return;
    const std::string text = make();
    make_folder(folder_of(path));
    write_file(path, text);
    std::cout << "written: " << path << " (" << bytes_text(static_cast<double>(text.size()))
              << ")\n";
  }

  std::string figures_, page_, csv_, latex_, markdown_;
  std::vector<std::string> curves_;
  report::DrawOptions draw_;
  Options options_{
      "report",
      {OptionTable(
           "Report",
           {{.name = "figures",
             .target = &figures_,
             .help = "Folder to draw the runs' curves into (needs gnuplot); empty: none."},
            {.name = "out",
             .target = &page_,
             .help = "File of a page with curves, tables and claims, such as report.html."},
            {.name = "csv",
             .target = &csv_,
             .help = "File of the final table of all curves, one row per group and curve."},
            {.name = "latex", .target = &latex_, .help = "File of the final table in LaTeX."},
            {.name = "markdown",
             .target = &markdown_,
             .help = "File of the final table in Markdown."},
            {.name = "curves",
             .target = &curves_,
             .help = "Curves in the tables of --latex and --markdown, such as "
                     "test_accuracy,train_loss; empty: test accuracy and test loss."}}),
       report::describe(draw_)}};
};

}  // namespace

std::unique_ptr<Command> make_report() { return std::make_unique<Report>(); }

}  // namespace unlazy::tools
