#include "experiments/lazy_comparison.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "experiments/lazy_figure.h"
#include "experiments/lazy_statements.h"
#include "experiments/linearised_run.h"
#include "report/figure.h"
#include "report/metrics.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

constexpr int64_t kMebi = 1 << 20;
constexpr const char* kCommand = "compare";

struct Kind {
  std::string folder;
  bool is_linear, is_perturbed;
};

// What is compared: the noise, SAM, or both.
struct Perturbation {
  explicit Perturbation(const train::TrainOptions& o)
      : has_noise(o.noise.kind != "none"), has_sam(optim::is_sharpness_aware(o.optimizer.name)) {
    UNLAZY_CHECK_USAGE(has_noise || has_sam,
                       "compare: name what to compare with gradient descent: label noise, such as "
                       "--noise flip-any --noise-rate 0.5, or SAM: --optimizer sam --rho 2");
    name = has_noise && has_sam ? "noise-sam" : has_noise ? "noise" : "sam";
    text = has_noise && has_sam ? "label noise and SAM" : has_noise ? "label noise" : "SAM";
  }
  std::vector<Kind> kinds() const {
    return {{"clean", false, false},
            {name, false, true},
            {"linear", true, false},
            {"linear-" + name, true, true}};
  }
  bool has_noise, has_sam;
  std::string name, text;
};

train::TrainOptions options_of(const train::TrainOptions& base, const Kind& kind, int64_t seed,
                               const std::string& out) {
  auto o = base;
  o.run.seed = seed;
  o.run.out = out + "/seed" + std::to_string(seed) + "/" + kind.folder;
  return kind.is_perturbed ? o : without_perturbation(o);
}

// The last digits of the kernel depend on the number of threads, which may change at --resume: what
// was begun keeps its rate.
double begun_rate(double rate, const std::string& folder) {
  const auto config = folder + "/clean/config.json";
  if (!std::filesystem::exists(config)) return rate;
  const double before = read_json_file(config).value("lr", rate);
  constexpr double kRounding = 1e-4;
  return std::abs(before / rate - 1) < kRounding ? before : rate;
}

// The kernel at the start, and what it says about the learning rate; kept beside the runs.
linearise::Kernel make_kernel(const CompareOptions& options, train::TrainOptions& base,
                              int64_t seed, const std::string& folder) {
  base.measure.probe.ntk_memory = options.ntk_memory;
  auto start = base;
  start.run.seed = seed;
  train::Experiment experiment(start);
  UNLAZY_CHECK_USAGE(!experiment.model().is_random(), "compare: ", base.model.name,
                     " draws random numbers in training (dropout), which a kernel of one function "
                     "cannot follow; export it without");
  auto kernel = kernel_of(experiment, options.ntk_memory * kMebi);
  if (options.lr_fraction > 0) {
    const auto& o = base.optimizer;
    base.schedule.lr =
        options.lr_fraction * linearise::max_learning_rate(kernel.train, o.momentum, o.nesterov);
    if (base.run.resume) base.schedule.lr = begun_rate(base.schedule.lr, folder);
  }
  return kernel;
}

void save_kernel(const linearise::Kernel& kernel, const std::string& folder) {
  make_folder(folder);
  save_tensors(folder + "/kernel.safetensors", {{{"ntk_train", kernel.train},
                                                 {"ntk_test", kernel.test},
                                                 {"f_train", kernel.train_outputs},
                                                 {"f_test", kernel.test_outputs}},
                                                {{"rows", "(image, class)"}}});
}

train::Outcome run_linear(train::TrainOptions options, const train::Hooks& hooks,
                          const linearise::Kernel& kernel) {
  if (train::is_finished(options, kCommand)) return train::Outcome::kDone;
  options.run.overwrite |= options.run.resume;  // it takes seconds: begun ones start anew
  options.run.resume = false;
  return run_linearised(options, kCommand, hooks, kernel);
}

// The folder of the comparison itself.
class Folder {
 public:
  // Throws a misuse Error when what is there does not fit. Nothing is written yet.
  Folder(CompareOptions options, train::TrainOptions train, const std::string& out,
         const std::string& name)
      : out_(out), resume_(train.run.resume), overwrite_(train.run.overwrite) {
    UNLAZY_CHECK_USAGE(!resume_ || !overwrite_,
                       "compare: --resume and --overwrite exclude each other");
    train.run.out = out;
    std::vector<OptionTable> tables = {describe(options)};
    for (auto& table : train::describe(train)) tables.push_back(std::move(table));
    const Options all(kCommand, std::move(tables));
    if (train::RunDir::holds_run(out) && !overwrite_) {
      UNLAZY_CHECK_USAGE(resume_, out,
                         ": holds a comparison; continue it with --resume, replace it with "
                         "--overwrite, or choose another --out");
      train::check_same_run(all, out, train::Sameness::kSeries);
    }
    std::vector<std::string> files = {"DONE", "statements.json", "seed#/kernel.safetensors",
                                      "seed#/*/"};
    for (const auto& file : report::figure_files(name)) files.push_back("figures/" + file);
    config_ = train::stamp(all, files, {{"name", name}});
  }
  void open() {
    if (run_) return;
    using Mode = train::RunDir::Mode;
    run_.emplace(out_, resume_ ? Mode::kResume : overwrite_ ? Mode::kOverwrite : Mode::kNew);
    run_->begin(config_);
  }
  void mark_done() const { run_->mark_done(); }

 private:
  std::string out_;
  bool resume_, overwrite_;
  nlohmann::ordered_json config_;
  std::optional<train::RunDir> run_;
};

// What the figure and the statements are made of must be measured before any training.
void check_measured(const train::TrainOptions& train) {
  std::vector<std::string> names;
  for (const auto& request : measure::requests(train.measure)) names.push_back(request.name);
  for (const char* needed : {"test", "train-set", "first-layer"}) {
    UNLAZY_CHECK_USAGE(std::find(names.begin(), names.end(), needed) != names.end(),
                       "compare: the comparison is made of the measurements test, train-set and "
                       "first-layer; add ",
                       needed, " to --measure");
  }
}

// Numbers of a run that left for infinity say nothing, also where it ended before it got there. SAM
// of a large radius may lift the loss of the linearised network for good, by less.
void check_not_diverged(const std::string& folder,
                        const std::map<std::string, report::Curve>& curves) {
  constexpr double kDiverged = 1000;
  const auto& loss = curves.at("train_set_loss").values;
  const double highest = *std::max_element(loss.begin(), loss.end());
  UNLAZY_CHECK(highest <= kDiverged * loss.front(), "compare: ", folder,
               " diverged: its loss on the training images was ", rounded_text(loss.front()),
               " at the start and reached ", rounded_text(highest),
               "; take a smaller --lr-fraction, --lr or --rho, and give --overwrite");
}

void write_statements(const std::string& path, const Comparison& comparison,
                      const std::vector<int64_t>& seeds) {
  nlohmann::ordered_json json;
  json["seeds"] = seeds;
  json["lr"] = comparison.lr;
  json["confidence"] = 0.95;
  for (const auto& s : comparison.statements) {
    auto effects = nlohmann::ordered_json::array();
    for (const auto& e : s.effects) {  // what is not finite becomes null
      effects.push_back({{"name", e.name},
                         {"values", e.values},
                         {"mean", e.mean},
                         {"margin", e.margin},
                         {"claim", e.is_below ? "below" : "above"},
                         {"least", e.least},
                         {"bound", e.above},
                         {"verdict", verdict_text(e.verdict)}});
    }
    json["statements"].push_back({{"text", s.text},
                                  {"numbers", s.numbers},
                                  {"effects", std::move(effects)},
                                  {"verdict", verdict_text(s.verdict)}});
  }
  write_file(path, json.dump(2) + "\n");
}

}  // namespace

OptionTable describe(CompareOptions& o) {
  return {
      "Comparison",
      {{.name = "seeds",
        .target = &o.seeds,
        .range = Range::at_least(0),
        .help = "Seeds of images, initialisation and noise, four runs each; several are drawn "
                "as bands.",
        .role = Role::kPart,
        .is_common = true},
       {.name = "lr-fraction",
        .target = &o.lr_fraction,
        .range = Range::at_least(0),
        .help = "Learning rate as a fraction of the largest at which the linearised network is "
                "stable: 2 (1 + momentum) N K / lambda_max, with --nesterov divided by "
                "1 + 2 momentum; 0 uses --lr instead.",
        .role = Role::kSetting,
        .is_common = true},
       {.name = "ntk-memory",
        .target = &o.ntk_memory,
        .range = Range::at_least(1),
        .unit = "MiB",
        .help = "Memory limit for computing a kernel, also those of ntk-change. The program, the "
                "images and one pass through the network need memory beside it.",
        .role = Role::kPlace}}};
}

void check_comparison(const CompareOptions& options, const train::TrainOptions& train) {
  check_linearisable(train);
  const Perturbation perturbation(train);  // one there must be
  UNLAZY_CHECK_USAGE(!options.seeds.empty(), "compare: --seeds needs an entry");
  const std::set<int64_t> distinct(options.seeds.begin(), options.seeds.end());
  UNLAZY_CHECK_USAGE(distinct.size() == options.seeds.size(),
                     "compare: a seed stands twice in --seeds");
  UNLAZY_CHECK_USAGE(train.run.seed == 0, "compare: give --seeds ", train.run.seed,
                     " in place of --seed");
  check_measured(train);
}

train::TrainOptions without_perturbation(train::TrainOptions options) {
  options.noise = {};
  auto& optimizer = options.optimizer;
  if (optim::is_sharpness_aware(optimizer.name)) optimizer.name = optimizer.sharpness.base;
  optimizer.sharpness = {};
  return options;
}

Comparison compare_lazy(const CompareOptions& options, const train::TrainOptions& train,
                        const std::string& out, const std::string& name,
                        const train::Hooks& hooks) {
  check_comparison(options, train);
  const Perturbation perturbation(train);
  const auto kinds = perturbation.kinds();
  Folder folder(options, train, out, name);
  check_writable(out);
  for (const int64_t seed : options.seeds) {
    for (const auto& kind : kinds) {
      if (!kind.is_linear && !train.run.overwrite)
        train::check_length(options_of(train, kind, seed, out));
    }
  }
  Comparison result;
  std::vector<Runs> seeds;
  for (const int64_t seed : options.seeds) {
    auto base = train;
    const auto seed_folder = out + "/seed" + std::to_string(seed);
    const auto kernel = make_kernel(options, base, seed, seed_folder);
    folder.open();  // whatever is wrong with the settings has been said by now
    save_kernel(kernel, seed_folder);
    result.lr.push_back(base.schedule.lr);
    Runs runs;
    for (const auto& kind : kinds) {
      const auto run = options_of(base, kind, seed, out);
      if (hooks.on_line)
        hooks.on_line(run.run.out + ", learning rate " + rounded_text(base.schedule.lr));
      result.outcome =
          kind.is_linear ? run_linear(run, hooks, kernel) : train::run_unfinished(run, hooks);
      if (result.outcome == train::Outcome::kInterrupted) return result;
      runs.push_back(report::read_metrics(run.run.out));
      check_not_diverged(run.run.out, runs.back());
    }
    seeds.push_back(std::move(runs));
  }
  result.statements = statements_of(seeds, perturbation.text);
  write_statements(out + "/statements.json", result, options.seeds);
  report::write_figure(out + "/figures", lazy_figure(name, train, seeds, options.seeds),
                       options.draw);
  folder.mark_done();
  return result;
}

}  // namespace unlazy::experiments
