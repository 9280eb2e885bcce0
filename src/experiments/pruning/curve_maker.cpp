// The protocols of a pruning curve: see curve.h. Trainings are in level_training.h.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "core/version.h"
#include "experiments/pruning/curve.h"
#include "experiments/pruning/level_training.h"
#include "experiments/pruning/pruned_network.h"
#include "experiments/pruning_settings.h"
#include "prune/filters.h"
#include "prune/select.h"
#include "train/run_dir.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using train::Outcome;

class Stopwatch {
 public:
  double seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
  }

 private:
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

void check(const train::TrainOptions& base, const PruneOptions& o) {
  UNLAZY_CHECK_USAGE(!o.recalibrate_bn || o.protocol == "one-shot" || o.protocol == "filters",
                     "prune: --recalibrate-bn goes with --protocol one-shot or filters; where a "
                     "level is trained, training moves the statistics");
  UNLAZY_CHECK_USAGE(o.protocol != "filters" || base.model.parameterization == "default",
                     "prune: --protocol filters changes fan_in, which --parameterization ",
                     base.model.parameterization, " scales by; use another protocol");
  UNLAZY_CHECK_USAGE(o.protocol != "reinit" || !o.masks_from.empty(),
                     "prune: --protocol reinit needs --masks-from, the folder of an imp curve");
  UNLAZY_CHECK_USAGE(o.protocol == "reinit" || o.masks_from.empty(),
                     "prune: --masks-from goes with --protocol reinit");
  UNLAZY_CHECK_USAGE(!base.run.resume || !base.run.overwrite,
                     "prune: --resume and --overwrite exclude each other");
  UNLAZY_CHECK_USAGE(
      !o.run.empty() || base.run.weights.empty() || !is_rewinding(o), "prune: --protocol ",
      o.protocol,
      " goes back to an earlier checkpoint of a run, which --weights does not have; give --run");
}

std::string level_folder(const std::string& out, size_t level) {
  char name[32];
  std::snprintf(name, sizeof name, "/level-%02zu", level);
  return out + name;
}

std::string label_of(const train::TrainOptions& o) {
  std::string label = "no noise";
  if (o.noise.kind != "none") {
    label = o.noise.kind + " " + number_text(o.noise.rate > 0 ? o.noise.rate : o.noise.sigma);
  }
  return o.optimizer.name == "sgd" ? label : label + " " + o.optimizer.name;
}

class CurveMaker {
 public:
  CurveMaker(const train::TrainOptions& base, const PruneOptions& o, const Json& config,
             const train::Hooks& hooks)
      : base_(base),
        o_(o),
        config_(config),
        hooks_(hooks),
        out_(base.run.out.empty() ? default_out(base, o) : base.run.out),
        densities_(prune::densities(o.levels)),
        criterion_(
            prune::registry().find(o.protocol == "random" ? "random" : o.criterion.name).make()) {
    check(base, o);
  }

  CurveResult make() {
    if (is_finished()) return {read_curve(out_)};
    const train::RunDir folder = open();
    CurveResult result;
    result.curve.label = label_of(base_);
    result.curve.protocol = protocol_name(o_);
    result.curve.criterion = o_.criterion.name;
    result.curve.seed = base_.run.seed;
    result.curve.settings = settings_of(base_, o_);
    if (train_first() == Outcome::kInterrupted) return {result.curve, Outcome::kInterrupted};
    const std::string trained = source_.empty() ? base_.run.weights : newest_weights(source_);
    result.curve.run = source_.empty() ? trained : source_;

    PrunedNetwork network(base_, trained);
    result.curve.precision = precision_name(network.experiment().compute().dtype);
    pool_ = {prune::prunable_layers(o_.criterion, network.parameters()),
             criterion_->is_layerwise()};
    result.outcome = o_.protocol == "one-shot"  ? one_shot(network, result.curve)
                     : o_.protocol == "filters" ? remove_filters(network, result.curve)
                                                : retrain(network, trained, result.curve);
    if (result.outcome == Outcome::kDone) {
      write_curve(out_, result.curve);
      fs::remove_all(unfinished());
      folder.mark_done();
    }
    return result;
  }

 private:
  // All that is asked for was there before, with --resume.
  bool is_finished() const {
    if (!base_.run.resume || !fs::exists(out_ + "/DONE")) return false;
    check_same_curve(config_, out_);
    const auto levels = read_curve(out_).levels;
    return std::equal(levels.begin(), levels.end(), densities_.begin(), densities_.end(),
                      [](const auto& level, double density) { return level.target == density; });
  }

  train::RunDir open() {
    using Mode = train::RunDir::Mode;
    const bool is_there = fs::exists(out_ + "/config.json");
    const auto mode = base_.run.overwrite            ? Mode::kOverwrite
                      : base_.run.resume && is_there ? Mode::kResume
                                                     : Mode::kNew;
    train::RunDir folder(out_, mode);
    if (base_.run.overwrite) remove_levels();
    if (mode == Mode::kResume) {
      check_same_curve(config_, out_);
      for (const auto& before : {unfinished(), out_}) {
        if (measured_.empty() && fs::exists(before + "/curve.json"))
          measured_ = read_curve(before).levels;
      }
    }
    Json resolved = config_;
    resolved["out"] = out_;
    resolved["resume"] = false;
    resolved["overwrite"] = false;
    resolved["about"] = {{"unlazy", version()}, {"libtorch", libtorch_version()}};
    folder.write_config(resolved);
    return folder;
  }

  void remove_levels() const {
    for (const auto& entry : fs::directory_iterator(out_)) {
      const auto name = entry.path().filename().string();
      if (name.rfind("level-", 0) == 0 || name == "dense") fs::remove_all(entry.path());
    }
    for (const char* name : {"curve.json", "curve.csv", "layers.csv", "unfinished"})
      fs::remove_all(out_ + "/" + name);
  }

  // Where there is neither a run nor a file, the network is trained here.
  Outcome train_first() {
    source_ = o_.run;
    if (!source_.empty() || !base_.run.weights.empty()) return Outcome::kDone;
    source_ = out_ + "/dense";
    auto dense = base_;
    dense.run.checkpoint_at.push_back(o_.rewind_to);
    say("training the network to prune");
    return run_training(dense, source_);
  }

  Outcome one_shot(PrunedNetwork& network, PruningCurve& curve) {
    const Stopwatch sorting;
    const auto scores = criterion_->scores(network.candidate(*criterion_, o_.gradient_batches));
    const auto masks = prune::one_shot_masks(scores, pool_, densities_);
    // The one sort is shared out among the levels.
    const double share = sorting.seconds() / static_cast<double>(masks.size());
    for (size_t i = 0; i < masks.size(); ++i) {
      if (take_measured(i, curve)) continue;
      if (hooks_.should_stop && hooks_.should_stop()) return Outcome::kInterrupted;
      const Stopwatch watch;
      network.apply(masks[i]);
      if (o_.recalibrate_bn) network.recalibrate(o_.recalibrate_batches);
      if (o_.save_weights) save_mask(network, i, masks[i]);
      add_level(network, i, curve, share, watch);
    }
    return Outcome::kDone;
  }

  Outcome remove_filters(PrunedNetwork& network, PruningCurve& curve) {
    network.apply(prune::full_mask(network.parameters()));
    const auto dense = network.evaluate(1);
    const auto tensors = network.experiment().named_tensors();
    for (size_t i = 0; i < densities_.size(); ++i) {
      if (take_measured(i, curve)) continue;
      if (hooks_.should_stop && hooks_.should_stop()) return Outcome::kInterrupted;
      const Stopwatch watch;
      const auto filters = prune::choose_filters(tensors, o_.filter_score, densities_[i]);
      auto options = base_;
      options.model.block_widths = prune::block_widths(filters);
      options.run.weights = level_folder(out_, i) + "/model.safetensors";
      fs::create_directories(level_folder(out_, i));
      save_tensors(options.run.weights, {prune::remove_filters(tensors, filters),
                                         {{"format", "pt"}, {"model", base_.model.name}}});
      write_file(level_folder(out_, i) + "/config.json",
                 Options("train", train::describe(options)).to_json().dump(2) + "\n");
      PrunedNetwork smaller(options, options.run.weights);
      smaller.apply(prune::full_mask(smaller.parameters()));
      if (o_.recalibrate_bn) smaller.recalibrate(o_.recalibrate_batches);
      if (o_.recalibrate_bn) smaller.save(options.run.weights);
      add_level(smaller, i, curve, 0, watch, &dense);
    }
    return Outcome::kDone;
  }

  // A smaller network's numbers, as parts of the whole one's.
  static void relate(CurveLevel& level, const CurveLevel& dense) {
    level.density = static_cast<double>(level.weights) / static_cast<double>(dense.weights);
    level.speed_up =
        static_cast<double>(dense.multiply_adds) / static_cast<double>(level.multiply_adds);
    for (size_t i = 0; i < level.layers.size(); ++i) level.layers[i].total = dense.layers[i].total;
  }

  Outcome retrain(PrunedNetwork& network, std::string trained, PruningCurve& curve) {
    auto mask = prune::full_mask(network.parameters());
    for (size_t i = 0; i < densities_.size(); ++i) {
      const Stopwatch pruning;
      double seconds = 0;
      const double before = i == 0 ? 1 : densities_[i - 1];
      if (densities_[i] < before) {
        mask = next_mask(network, i, mask, before);
        save_mask(network, i, mask);
        seconds = pruning.seconds();
        const std::string folder = level_folder(out_, i) + "/train";
        const auto options = level_options(network.experiment(), base_, o_,
                                           {level_folder(out_, i), source_, trained});
        if (run_training(options, folder) == Outcome::kInterrupted) return Outcome::kInterrupted;
        trained = newest_weights(folder);
      }
      const Stopwatch watch;
      network.load(trained);
      if (take_measured(i, curve)) continue;
      network.apply(mask);
      add_level(network, i, curve, seconds, watch);
    }
    return Outcome::kDone;
  }

  at::Tensor next_mask(PrunedNetwork& network, size_t level, const at::Tensor& mask,
                       double before) {
    if (o_.protocol == "reinit") {
      return prune::load_mask(network.parameters(),
                              level_folder(o_.masks_from, level) + "/mask.safetensors");
    }
    const auto scores = criterion_->scores(network.candidate(*criterion_, o_.gradient_batches));
    if (o_.protocol == "fine-tune")
      return prune::one_shot_masks(scores, pool_, {densities_[level]}, mask)[0];
    // Powers have the fraction itself, without the rounding of a quotient.
    const bool is_power = o_.levels.densities.empty() && o_.levels.range.empty();
    const double fraction = is_power ? o_.levels.fraction : 1 - densities_[level] / before;
    return prune::next_mask(scores, pool_, fraction, mask);
  }

  Outcome run_training(train::TrainOptions options, const std::string& folder) {
    options.run.out = folder;
    options.run.overwrite = false;
    options.run.resume = false;
    if (base_.run.resume && fs::exists(folder + "/config.json")) {
      if (fs::exists(folder + "/DONE")) return Outcome::kDone;
      options.run.resume = fs::exists(folder + "/checkpoints");
      options.run.overwrite = !options.run.resume;  // it was stopped before its first checkpoint
    }
    return train::run_training(options, Options("train", train::describe(options)).to_json(),
                               hooks_);
  }

  void save_mask(PrunedNetwork& network, size_t level, const at::Tensor& mask) const {
    fs::create_directories(level_folder(out_, level));
    prune::save_mask(network.parameters(), mask, level_folder(out_, level) + "/mask.safetensors");
  }

  void add_level(PrunedNetwork& network, size_t i, PruningCurve& curve, double seconds,
                 const Stopwatch& watch, const CurveLevel* dense = nullptr) {
    auto level = network.evaluate(densities_[i]);
    if (dense != nullptr) relate(level, *dense);
    level.seconds = seconds + watch.seconds();
    if (o_.save_weights && o_.protocol != "filters") {
      fs::create_directories(level_folder(out_, i));
      network.save(level_folder(out_, i) + "/model.safetensors");
    }
    say(internal::concat("level ", i, "  density ", rounded_text(level.density), "  weights ",
                         level.weights, "  test_loss ", rounded_text(level.loss),
                         "  test_accuracy ", rounded_text(level.accuracy), "  multiply-adds ",
                         rounded_text(static_cast<double>(level.multiply_adds), 3), "  ",
                         duration_text(level.seconds)));
    for (const auto& layer : level.layers) {
      if (layer.kept > 0) continue;
      say(internal::concat("note: at level ", i, " none of the ", layer.total, " weights of ",
                           layer.name, " is left"));
    }
    curve.levels.push_back(std::move(level));
    fs::create_directories(unfinished());
    write_curve(unfinished(), curve);
  }

  // What an interrupted curve had measured is not measured again.
  bool take_measured(size_t i, PruningCurve& curve) const {
    if (i >= measured_.size() || measured_[i].target != densities_[i]) return false;
    if (o_.save_weights && !fs::exists(level_folder(out_, i) + "/model.safetensors")) return false;
    curve.levels.push_back(measured_[i]);
    say(internal::concat("level ", i, "  density ", rounded_text(measured_[i].density),
                         "  was measured before"));
    return true;
  }

  // Of the levels so far, until the curve is done.
  std::string unfinished() const { return out_ + "/unfinished"; }

  void say(const std::string& line) const {
    if (hooks_.on_line) hooks_.on_line(line);
  }

  train::TrainOptions base_;
  PruneOptions o_;
  const Json& config_;
  const train::Hooks& hooks_;
  std::string out_;
  std::string source_;  // the run that is pruned; empty: a file
  std::vector<double> densities_;
  std::unique_ptr<prune::Criterion> criterion_;
  prune::Pool pool_;
  std::vector<CurveLevel> measured_;  // before the interrupt
};

}  // namespace

CurveResult make_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const Json& config, const train::Hooks& hooks) {
  return CurveMaker(base, options, config, hooks).make();
}

}  // namespace unlazy::experiments
