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
#include "experiments/comparison_kernel.h"
#include "experiments/lazy_figure.h"
#include "experiments/lazy_statements.h"
#include "experiments/linearised_run.h"
#include "experiments/output_record.h"
#include "report/figure.h"
#include "report/metrics.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

constexpr int64_t kMebi = 1 << 20;
constexpr const char* kSpaceKey = "linear-space-used";
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

train::Outcome run_in_function_space(train::TrainOptions options, const train::Hooks& hooks,
                                     const linearise::Kernel& kernel) {
  if (train::is_finished(options, kCommand)) return train::Outcome::kDone;
  options.run.overwrite |= options.run.resume;  // it takes seconds: begun ones start anew
  options.run.resume = false;
  return run_linearised(options, kCommand, hooks, kernel);
}

// A run in the loop, which records its outputs besides.
train::Outcome run_recorded(const train::TrainOptions& options, train::Hooks hooks) {
  hooks.on_measured = [&options](int64_t step, const measure::Subject& subject) {
    record_outputs(options.run.out, step, subject);
  };
  return train::run_unfinished(options, hooks);
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
    const Options all(kCommand, comparison_tables(options, train));
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
  // In which space the comparison was begun, now or in the folder that is there. Version 0.1.0 had one.
  std::optional<Space> space() const {
    if (space_) return space_;
    if (!resume_ || !train::RunDir::holds_run(out_)) return {};
    const auto about =
        read_json_file(out_ + "/config.json").value("about", nlohmann::ordered_json::object());
    return about.value(kSpaceKey, "function") == "weight" ? Space::kWeight : Space::kFunction;
  }
  void open(Space space) {
    if (run_) return;
    space_ = space;
    config_["about"][kSpaceKey] = space == Space::kWeight ? "weight" : "function";
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
  std::optional<Space> space_;
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
  if (highest <= kDiverged * loss.front()) return;
  throw Error(internal::concat(
                  "compare: ", folder, " diverged: its loss on the training images was ",
                  rounded_text(loss.front()), " at the start and reached ", rounded_text(highest),
                  "; take a smaller --lr-fraction, --lr or --rho, and give "
                  "--overwrite"),
              Error::Kind::kDiverged);
}

void write_statements(const std::string& path, const Comparison& comparison) {
  nlohmann::ordered_json json;
  json["seeds"] = comparison.seeds;
  for (const auto& [seed, problem] : comparison.diverged)
    json["diverged"].push_back({{"seed", seed}, {"problem", problem}});
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

struct SeedRuns {
  train::Outcome outcome = train::Outcome::kDone;
  double lr = 0;
  Runs runs;
};

// Curves of how far the network's outputs are from those of the linearised network.
void add_distances(SeedRuns& seed, const std::string& out, const std::vector<Kind>& kinds,
                   int64_t steps_per_epoch) {
  constexpr std::pair<Place, Place> kPairs[] = {{kClean, kLinear}, {kPerturbed, kLinearPerturbed}};
  for (const auto& [place, reference] : kPairs) {
    for (auto& [name, curve] : outputs_apart(out + "/" + kinds[place].folder,
                                             out + "/" + kinds[reference].folder, steps_per_epoch))
      seed.runs[place].insert_or_assign(name, std::move(curve));
  }
}

SeedRuns compare_seed(const CompareOptions& options, const train::TrainOptions& train, int64_t seed,
                      const std::string& out, Folder& folder, const train::Hooks& hooks) {
  auto base = train;
  base.run.seed = seed;
  base.measure.probe.ntk_memory = options.ntk_memory;
  const int64_t memory = options.ntk_memory * kMebi;
  const auto seed_folder = out + "/seed" + std::to_string(seed);
  const auto size = size_of(base);
  auto choice = choose_space(options.linear_space, base, size, memory);
  if (const auto begun = folder.space()) {
    UNLAZY_CHECK_USAGE(options.linear_space == "auto" || *begun == choice.space, "compare: ", out,
                       ": was begun in ", *begun == Space::kWeight ? "weight" : "function",
                       " space; leave out --linear-space, or give another --out");
    if (*begun != choice.space) choice = {*begun, "as it was begun"};
  }
  linearise::Kernel kernel;
  const auto make_kernel = [&] {
    kernel =
        kernel_at_start(choice.space, base, options.lr_fraction > 0, memory, seed_folder, hooks);
  };
  try {
    make_kernel();
  } catch (const Error& error) {
    // Work space that no estimate foresaw, or samples that interact.
    if (choice.space == Space::kWeight || options.linear_space != "auto" || folder.space() ||
        error.kind() != Error::Kind::kFailed)
      throw;
    choice = {Space::kWeight, error.what()};
    make_kernel();
  }
  const auto space = choice.space;
  folder.open(space);  // whatever is wrong with the settings has been said by now
  save_kernel(kernel, seed_folder);
  if (options.lr_fraction > 0)
    base.schedule.lr = learning_rate(kernel, options.lr_fraction, base, seed_folder);
  if (hooks.on_line) {
    hooks.on_line(internal::concat("seed ", seed, ": learning rate ",
                                   rounded_text(base.schedule.lr), ", linearised networks in ",
                                   text_of(choice)));
  }
  SeedRuns made;
  made.lr = base.schedule.lr;
  const auto kinds = Perturbation(train).kinds();
  for (const auto& kind : kinds) {
    auto run = options_of(base, kind, seed, out);
    if (hooks.on_line) hooks.on_line(run.run.out);
    if (kind.is_linear && space == Space::kWeight) run = in_weight_space(std::move(run));
    made.outcome = kind.is_linear && space == Space::kFunction
                       ? run_in_function_space(run, hooks, kernel)
                       : run_recorded(run, hooks);
    if (made.outcome == train::Outcome::kInterrupted) return made;
    made.runs.push_back(report::read_metrics(run.run.out));
    check_not_diverged(run.run.out, made.runs.back());
  }
  add_distances(made, seed_folder, kinds, size.steps_per_epoch);
  return made;
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
                "1 + 2 momentum; 0 uses --lr instead. In weight space lambda_max is that of the "
                "first 128 images.",
        .role = Role::kSetting,
        .is_common = true},
       {.name = "linear-space",
        .target = &o.linear_space,
        .help = "How the linearised networks are trained; both ways give the same runs.",
        .choices = {{"auto",
                     "function space where it can follow the options and its kernels fit "
                     "into --ntk-memory, else weight space"},
                    {"function",
                     "a step reads a kernel of all images; seconds for some hundred "
                     "images"},
                    {"weight",
                     "a step is a pass through the network, as in unlazy train "
                     "--linearised; any number of images, any optimizer, augmentation"}},
        .role = Role::kPlace},
       {.name = "ntk-memory",
        .target = &o.ntk_memory,
        .range = Range::at_least(1),
        .unit = "MiB",
        .help = "Memory limit for kernels, also those of ntk-change. The program, the "
                "images and one pass through the network need memory beside it.",
        .role = Role::kPlace}}};
}

std::vector<OptionTable> comparison_tables(CompareOptions& options, train::TrainOptions& train) {
  std::vector<OptionTable> list = {describe(options)};
  for (auto& table : train::describe(train)) {
    auto rows = table.rows();
    // What is linearised, and where, is the comparison's own affair.
    std::erase_if(rows, [](const Option& row) {
      return row.name == "linearised" || row.name == "linearise-at";
    });
    for (auto& row : rows) {
      if (row.name == "lr") row.only_for = {{"lr-fraction", {"0"}}};
      if (row.name == "linearise-bn-samples") row.only_for = {};
    }
    list.emplace_back(table.title(), std::move(rows));
  }
  return list;
}

void check_comparison(const CompareOptions& options, const train::TrainOptions& train) {
  const Perturbation perturbation(train);  // one there must be
  UNLAZY_CHECK_USAGE(!train.linearise.is_on(),
                     "compare: trains the linearised network besides; leave out --linearised");
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

train::TrainOptions in_weight_space(train::TrainOptions options) {
  options.linearise.order = 1;
  std::erase_if(options.measure.names, [](const std::string& text) {
    try {
      measure::check_linearised(text.substr(0, text.find(':')), 1);
      return false;
    } catch (const Error&) {
      return true;
    }
  });
  return options;
}

Comparison compare_lazy(const CompareOptions& options, const train::TrainOptions& train,
                        const std::string& out, const std::string& name,
                        const train::Hooks& hooks) {
  check_comparison(options, train);
  const Perturbation perturbation(train);
  Folder folder(options, train, out, name);
  check_writable(out);
  for (const int64_t seed : options.seeds) {
    for (const auto& kind : perturbation.kinds()) {
      if (!kind.is_linear && !train.run.overwrite)
        train::check_length(options_of(train, kind, seed, out));
    }
  }
  Comparison result;
  std::vector<Runs> seeds;
  for (const int64_t seed : options.seeds) {
    try {
      auto made = compare_seed(options, train, seed, out, folder, hooks);
      result.outcome = made.outcome;
      if (result.outcome == train::Outcome::kInterrupted) return result;
      result.seeds.push_back(seed);
      result.lr.push_back(made.lr);
      seeds.push_back(std::move(made.runs));
    } catch (const Error& error) {
      if (error.kind() != Error::Kind::kDiverged || options.seeds.size() == 1) throw;
      result.diverged.emplace_back(seed, error.what());
      if (hooks.on_line) {
        hooks.on_line(internal::concat("note: seed ", seed, " is left out, ", error.what()));
      }
    }
  }
  UNLAZY_CHECK(!seeds.empty(),
               "compare: every seed diverged; the last: ", result.diverged.back().second);
  result.statements = statements_of(seeds, perturbation.text);
  write_statements(out + "/statements.json", result);
  report::write_figure(out + "/figures",
                       lazy_figure(name, train, seeds, result.seeds, options.seeds.size()),
                       options.draw);
  folder.mark_done();
  return result;
}

}  // namespace unlazy::experiments
