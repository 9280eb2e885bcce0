// unlazy prune: accuracy against remaining weights, of one run, or of several side by side as in
// Figure 1c.
#include <filesystem>
#include <iostream>
#include <set>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "drawn.h"
#include "experiments/pruning/curve.h"
#include "experiments/pruning/protocol.h"
#include "experiments/pruning/trial.h"
#include "experiments/pruning_comparison.h"
#include "hooks.h"
#include "report/figure.h"
#include "train/saved_run.h"

namespace unlazy::tools {
namespace {

using experiments::PruningCurve;

void report_comparison(const std::string& out, const std::string& name,
                       const std::vector<PruningCurve>& curves) {
  std::cout << "\n" << experiments::comparison_text(curves);
  draw_and_finish(out, name);
}

// What a user chooses. The tables are bound to the members, so it is never copied.
struct Choice {
  std::string preset;
  std::vector<std::string> runs;
  experiments::PruneOptions prune;
  std::vector<std::string> protocols;
  train::TrainOptions train;
  report::DrawOptions draw;
  Options options;

  Choice() : options("prune", tables()) {}
  Choice(const Choice&) = delete;
  Choice& operator=(const Choice&) = delete;

  std::vector<OptionTable> tables() {
    std::vector<OptionTable> list = {
        {"Runs",
         {{.name = "runs",
           .target = &runs,
           .help = "Folders of several runs, or of a sweep, whose curves are compared in one "
                   "picture; runs that differ only in the seed are drawn as one band.",
           .role = Role::kPart,
           .is_common = true},
          {.name = "protocols",
           .target = &protocols,
           .help = "With --runs: prune each run by every one of these, each in a panel of the "
                   "picture; empty: by "
                   "--protocol alone.",
           .choices = experiments::panel_protocols(),
           .role = Role::kPart,
           .only_for = {{"runs", {}}},
           .is_common = true},
          preset_option(preset, "prune")}}};
    for (auto& table : experiments::describe(prune)) list.push_back(std::move(table));
    for (auto& table : train::describe(train)) list.push_back(std::move(table));
    list.push_back(report::describe(draw));
    return list;
  }

  // Defaults < preset < the run's own options < flags.
  std::vector<std::string> parse(const std::vector<std::string>& arguments,
                                 const std::string& run = {}) {
    parse_with_preset(options, preset, arguments);
    if (!run.empty()) prune.run = run;
    if (!prune.run.empty()) train = train::options_of(prune.run);
    const auto words = options.parse(arguments);
    if (!run.empty()) prune.run = run;
    return words;
  }

  std::string out(const std::string& otherwise) const {
    return train.run.out.empty() ? otherwise : train.run.out;
  }
};

class Prune : public Command {
 public:
  Options& options() override { return choice_.options; }

  std::string description() const override {
    return "Prunes a trained network to a series of densities and measures its accuracy at each. "
           "Writes curve.csv, curve.json,\n"
           "layers.csv and a picture to --out (empty: RUN/prune-PROTOCOL). The options of the run "
           "apply unless you give them again.\n\n"
           "  unlazy prune --run runs/tau0.1\n"
           "  unlazy prune --run runs/tau0.1 --recalibrate-bn --densities 1,0.5,0.1 "
           "--save-weights\n"
           "  unlazy prune --run runs/tau0.1 --protocol imp --rewind-to 500it   (trained with "
           "--checkpoint-at 500it)\n"
           "  unlazy prune --weights model.safetensors --model resnet18 --precision fp32\n"
           "  unlazy prune --runs runs/tau* --out runs/compare   one picture of several runs\n"
           "  unlazy prune --runs runs/sweep --protocols one-shot,imp --out runs/compare";
  }

  std::vector<std::string> parse(const std::vector<std::string>& arguments) override {
    arguments_ = arguments;
    return choice_.parse(arguments);
  }

  int run(const std::vector<std::string>& words) override {
    const auto& c = choice_;
    UNLAZY_CHECK_USAGE(c.prune.run.empty() || c.runs.empty(),
                       "prune: --run and --runs exclude each other");
    UNLAZY_CHECK_USAGE(c.protocols.empty() || !c.runs.empty(),
                       "prune: several --protocols, as a preset may hold them, compare runs: give "
                       "--runs FOLDER; `unlazy sweep train` makes the runs");
    if (!c.runs.empty()) return compare(words);
    refuse_words("prune", words);
    return c.train.run.dry_run ? dry_run({""}) : make_curve();
  }

  std::optional<Cost> cost() const override { return cost_; }

 private:
  int make_curve() {
    const Interrupt interrupt;
    const auto result =
        experiments::make_pruning_curve(choice_.train, choice_.prune, hooks_for(interrupt));
    if (result.outcome == train::Outcome::kInterrupted) return report_interrupt(interrupt);
    finish(choice_.out(experiments::default_out(choice_.train, choice_.prune)), {result.curve});
    return 0;
  }

  // The shell makes several words of --runs runs/tau*: the first is the flag's value.
  int compare(const std::vector<std::string>& words) {
    auto folders = whole_paths(choice_.runs);
    folders.insert(folders.end(), words.begin(), words.end());
    const auto runs = train::runs_in(folders);
    check_protocols();
    if (choice_.train.run.dry_run) return dry_run(runs);
    const auto out = choice_.out("runs/prune-" + experiments::protocol_name(choice_.prune));
    check_writable(out);
    const Interrupt interrupt;
    std::vector<PruningCurve> curves;
    for (const auto& run : runs) {
      for (const auto& panel : panels()) {
        auto result = compared_curve(run, panel, interrupt);
        if (result.outcome == train::Outcome::kInterrupted)
          return report_interrupt(interrupt, "the same command");
        curves.push_back(std::move(result.curve));
      }
    }
    finish(out, curves);
    return 0;
  }

  // A folder of a sweep has commas in its name, and a list of the command line is cut at them.
  static std::vector<std::string> whole_paths(const std::vector<std::string>& parts) {
    std::vector<std::string> paths;
    for (auto part = parts.begin(); part != parts.end();) {
      auto last = part;
      std::string path = *part;
      while (!exists(path) && last + 1 != parts.end()) path += "," + *++last;
      const bool is_found = exists(path);
      paths.push_back(is_found ? path : *part);
      part = is_found ? last + 1 : part + 1;
    }
    return paths;
  }
  static bool exists(const std::string& path) { return std::filesystem::exists(path); }

  // Each of --protocols names a curve of its own.
  void check_protocols() const {
    const auto& list = choice_.protocols;
    const std::set<std::string> distinct(list.begin(), list.end());
    UNLAZY_CHECK_USAGE(distinct.size() == list.size(),
                       "prune: a protocol stands twice in --protocols; leave one out");
    for (const char* given : {"protocol", "recalibrate-bn"}) {
      UNLAZY_CHECK_USAGE(list.empty() || !choice_.options.is_given(given), "prune: --", given,
                         " and --protocols exclude each other; name all protocols in --protocols, "
                         "such as one-shot-recalibrated");
    }
  }

  // Those of --protocols; one without a name when --protocol is all there is.
  std::vector<std::string> panels() const {
    return choice_.protocols.empty() ? std::vector<std::string>{""} : choice_.protocols;
  }

  // The choice for one curve of a comparison, or for the only one.
  void choose(Choice& choice, const std::string& run, const std::string& panel) const {
    choice.parse(arguments_, run);
    if (!panel.empty()) choice.prune = experiments::with_panel(choice.prune, panel);
  }

  // The protocols that share the options of a comparison.
  std::vector<std::string> series() const {
    std::vector<std::string> names;
    for (const auto& panel : choice_.protocols)
      names.push_back(experiments::with_panel(choice_.prune, panel).protocol);
    return names;
  }

  // A curve that is there is a part of the comparison.
  experiments::CurveResult compared_curve(const std::string& run, const std::string& panel,
                                          const Interrupt& interrupt) const {
    Choice choice;
    choose(choice, run, panel);
    choice.train.run.out = experiments::default_out(choice.train, choice.prune);
    choice.train.run.resume = !choice.train.run.overwrite;
    std::cout << choice.train.run.out << std::endl;
    return experiments::make_pruning_curve(choice.train, choice.prune, hooks_for(interrupt),
                                           series());
  }

  // The first of `runs` stands for all.
  int dry_run(const std::vector<std::string>& runs) {
    double seconds = 0;
    int64_t bytes = 0;
    for (const auto& panel : panels()) {
      Choice choice;
      choose(choice, runs.front(), panel);
      const auto trial = experiments::try_pruning_curve(choice.train, choice.prune, series());
      if (seconds == 0 && trial.is_trained) std::cout << text_of(trial.training);
      if (seconds == 0 && !trial.is_trained) {
        const auto& run = trial.training;
        std::cout << run.description << "\n"
                  << "a step   " << rounded_text(run.step_seconds * 1e3, 3) << " ms, where levels "
                  << "are trained\n"
                  << memory_text(run);
      }
      std::cout << experiments::protocol_name(choice.prune) << ": " << text_of(trial) << "\n";
      seconds += trial.seconds();
      bytes += trial.disk_bytes();
    }
    const auto count = static_cast<int64_t>(runs.size());
    cost_ = {seconds * static_cast<double>(count), bytes * count};
    if (count > 1) {
      std::cout << "all " << count << " runs: " << duration_text(cost_->seconds) << ", "
                << bytes_text(static_cast<double>(cost_->disk_bytes)) << " of disk\n";
    }
    return 0;
  }

  void finish(const std::string& out, const std::vector<PruningCurve>& curves) const {
    experiments::write_comparison(out, "pruning", curves, choice_.draw);
    report_comparison(out, "pruning", curves);
  }

  Choice choice_;
  std::vector<std::string> arguments_;
  std::optional<Cost> cost_;
};

}  // namespace

std::unique_ptr<Command> make_prune() { return std::make_unique<Prune>(); }

}  // namespace unlazy::tools
