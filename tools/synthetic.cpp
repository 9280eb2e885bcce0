// unlazy synthetic: exact simulation of the paper's two-layer linear network, and of diagonal
// networks.
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "drawn.h"
#include "interrupt.h"
#include "progress_line.h"
#include "report/figure.h"
#include "synthetic/records/pictures.h"
#include "synthetic/records/results.h"
#include "synthetic/theory/overlay.h"
#include "synthetic/theory/theory.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::tools {
namespace {

using synthetic::RunResult;

struct RunOptions {
  std::string preset;
  std::string out;
  bool overwrite = false;
  bool theory = false;
  bool figures = true;
  int64_t threads = 0;
};

OptionTable describe(RunOptions& o) {
  return {"Run",
          {
              preset_option(o.preset, "synthetic"),
              {.name = "out",
               .target = &o.out,
               .help = "Run folder; empty means runs/synthetic-PRESET or runs/synthetic-METHOD.",
               .role = Role::kPlace},
              {.name = "overwrite",
               .target = &o.overwrite,
               .help = "Replace the run in --out.",
               .role = Role::kRequest},
              {.name = "theory",
               .target = &o.theory,
               .help = "Measure what the paper's theorem and lemmas claim; prints a table and "
                       "writes theory.json.",
               .role = Role::kOutput},
              {.name = "figures",
               .target = &o.figures,
               .help = "Draw the figures (needs gnuplot); --figures=false draws none.",
               .role = Role::kOutput},
              {.name = "threads",
               .target = &o.threads,
               .range = Range::closed(0, 1024),
               .help = "Runs at a time; 0: one per core. Changes no result.",
               .role = Role::kPlace},
          }};
}

class Synthetic : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }

  std::string description() const override {
    return "Simulates f = a^T W x with both layers trained. Every update multiplies U = [W a] = Q "
           "Y "
           "from the right, so simulating d + 1\n"
           "neurons gives all m neurons exactly. Every combination of --lr, --sigma, --rho and "
           "--seed is one run.\n\n"
           "  unlazy synthetic --preset fig2                             Figure 2: 8 seeds of 10^6 "
           "steps\n"
           "  unlazy synthetic --preset fig2 --sigma 1,2,4 --num-seeds 4  a grid\n"
           "  unlazy synthetic --method sam --rho 0.2 --steps 100000 --theory";
  }

  std::vector<std::string> parse(const std::vector<std::string>& arguments) override {
    auto words = options_.parse(arguments);
    const bool is_list_given = options_.is_given("snapshots");
    if (!run_.preset.empty()) words = parse_with_preset(options_, run_.preset, arguments);
    if (!is_list_given) synthetic::cut_snapshots(choice_.record, choice_.method.steps);
    return words;
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("synthetic", words);
    synthetic::resolve(choice_);
    const Stopwatch watch;
    const auto folder =
        run_.out.empty()
            ? "runs/synthetic-" + (run_.preset.empty() ? choice_.method.method : run_.preset)
            : run_.out;
    UNLAZY_CHECK_USAGE(
        run_.overwrite || !train::RunDir::holds_run(folder), folder,
        ": already holds a run; replace it with --overwrite, or choose another --out");
    // Wrong files and settings are found before the folder is touched.
    const auto first = synthetic::settings(choice_).front();
    const auto problem = synthetic::make_problem(choice_.model, first.seed);
    synthetic::make_rule(choice_, first, problem.n);
    using Mode = train::RunDir::Mode;
    check_writable(folder);
    train::RunDir dir(folder, run_.overwrite ? Mode::kOverwrite : Mode::kNew);
    dir.begin(train::stamp(options_, files(), {{"vector_loops", synthetic::vector_loops().name}}));

    const Interrupt interrupt;
    const auto results = simulate(interrupt);
    synthetic::write_results(folder, choice_, results);
    print_tables(results);
    if (interrupt.signal() != 0) {
      std::cerr << "unlazy: interrupted; what was recorded is in " << folder << "\n";
      return 128 + interrupt.signal();
    }
    if (run_.theory) write_theory(dir, results);
    if (run_.figures) draw_figures(folder, results);
    const auto divergence = synthetic::divergence_message(choice_, results);
    UNLAZY_CHECK(divergence.empty(), divergence, "\nwhat was recorded is in ", folder);
    dir.mark_done();
    std::cout << folder << " in " << duration_text(watch.seconds()) << "\n";
    return 0;
  }

 private:
  static std::vector<std::string> files() {
    std::vector<std::string> list = {"DONE",          "curves.csv", "neurons.csv",  "snapshots.csv",
                                     "histogram.csv", "escape.csv", "summary.json", "theory.json"};
    for (const auto& name : synthetic::figure_names()) {
      for (const auto& file : report::figure_files(name)) list.push_back("figures/" + file);
    }
    return list;
  }

  std::vector<RunResult> simulate(const Interrupt& interrupt) const {
    const ProgressLine line;
    return synthetic::simulate_all(
        choice_, run_.threads,
        [&](int64_t done, int64_t total) {
          line.show(std::to_string(done) + "/" + std::to_string(total) + " runs");
        },
        [&] { return interrupt.signal() != 0; });
  }

  void print_tables(const std::vector<RunResult>& results) const {
    for (const auto* run : synthetic::first_of_groups(results)) {
      std::cout << choice_.method.method << ", " << synthetic::setting_text(choice_, run->setting)
                << ": means over " << choice_.method.seed.size() << " seeds\n"
                << synthetic::table_text(results, run->setting.group) << "\n";
    }
  }

  void write_theory(const train::RunDir& dir, const std::vector<RunResult>& results) const {
    const auto report = synthetic::check_theory(choice_, results);
    write_file(dir.file("theory.json"), synthetic::to_json(report).dump(2) + "\n");
    std::cout << synthetic::to_text(report) << "\n";
  }

  void draw_figures(const std::string& folder, const std::vector<RunResult>& results) const {
    auto figures = synthetic::figures(choice_, results);
    if (auto overlay = synthetic::overlay_figure(choice_, results)) figures.push_back(*overlay);
    std::vector<std::string> names;
    for (const auto& figure : figures) {
      report::write_figure(folder + "/figures", figure, draw_);
      names.push_back(figure.name);
    }
    draw(folder + "/figures", names);
  }

  synthetic::SyntheticOptions choice_;
  RunOptions run_;
  report::DrawOptions draw_;
  // --width is that of the network.
  Options options_{"synthetic",
                   {describe(run_), describe(choice_.model), describe(choice_.method),
                    describe(choice_.record), report::describe(draw_, "figure-width")}};
};

}  // namespace

std::unique_ptr<Command> make_synthetic() { return std::make_unique<Synthetic>(); }

}  // namespace unlazy::tools
