#include "experiments/pruning/curve_maker.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning/level_training.h"
#include "experiments/pruning/pruned_network.h"
#include "experiments/pruning_settings.h"
#include "report/figure.h"
#include "train/run_files.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using train::Outcome;

std::string label_of(const train::TrainOptions& o) {
  std::string label = "no noise";  // of any kind at rate 0 too
  const double strength = o.noise.rate > 0 ? o.noise.rate : o.noise.sigma;
  if (o.noise.kind != "none" && strength > 0) label = o.noise.kind + " " + number_text(strength);
  return o.optimizer.name == "sgd" ? label : label + " " + o.optimizer.name;
}

std::vector<std::string> unfinished_files() {
  return {"unfinished/curve.json", "unfinished/curve.csv", "unfinished/layers.csv"};
}

// What a curve writes (train/run_dir.h).
std::vector<std::string> curve_files() {
  std::vector<std::string> files = {"DONE",
                                    "curve.json",
                                    "curve.csv",
                                    "layers.csv",
                                    "comparison.csv",
                                    "summary.csv",
                                    "level-#/mask.safetensors",
                                    "level-#/model.safetensors",
                                    "level-#/init.safetensors",
                                    "level-#/config.json",
                                    "level-#/train/",
                                    "dense/"};
  for (const auto& file : unfinished_files()) files.push_back(file);
  for (const auto& file : report::figure_files("pruning")) files.push_back("figures/" + file);
  return files;
}

}  // namespace

std::string level_folder(const std::string& curve, size_t level) {
  char name[32];
  std::snprintf(name, sizeof name, "/level-%02zu", level);
  return curve + name;
}

CurveMaker::CurveMaker(const train::TrainOptions& base, const PruneOptions& o,
                       const train::Hooks& hooks, const std::vector<std::string>& sweep)
    : base_(base),
      o_(o),
      hooks_(hooks),
      out_(base.run.out.empty() ? default_out(base, o) : base.run.out),
      densities_(prune::densities(o.levels)),
      protocol_(pruning_protocols().find(o.protocol).make()),
      criterion_(prune::registry().find(protocol_->criterion(o)).make()) {
  o_.run = fs::path(o_.run).lexically_normal().string();
  if (o_.run.size() > 1 && o_.run.ends_with('/')) o_.run.pop_back();
  check_options(o, sweep.empty() ? std::vector<std::string>{o.protocol} : sweep);
  protocol_->check(base, o);
  UNLAZY_CHECK_USAGE(
      !base.linearise.is_on(),
      "prune: a linearised network is not pruned; prune the run of the network itself, "
      "or train its linearisation with --mask");
  UNLAZY_CHECK_USAGE(!base.run.resume || !base.run.overwrite,
                     "prune: --resume and --overwrite exclude each other");
  UNLAZY_CHECK_USAGE(
      !o.run.empty() || base.run.weights.empty() || !protocol_->is_rewinding(),
      "prune: --protocol ", o.protocol,
      " goes back to an earlier checkpoint of a run, which --weights does not have; give --run");
}

CurveResult CurveMaker::make() {
  if (is_finished()) return {read_curve(out_)};
  const train::RunDir folder = open();
  curve_.label = label_of(base_);
  curve_.protocol = protocol_name(o_);
  curve_.criterion = o_.criterion.name;
  curve_.seed = base_.run.seed;
  curve_.settings = settings_of(base_, o_);
  if (train_first() == Outcome::kInterrupted) return {curve_, Outcome::kInterrupted};
  trained_ = source_.empty() ? base_.run.weights : train::newest_weights(source_);
  curve_.run = source_.empty() ? trained_ : source_;

  PrunedNetwork network(base_, trained_);
  curve_.num_classes = network.experiment().subject().num_classes;
  curve_.precision = precision_name(network.experiment().compute().dtype);
  pool_ = {prune::prunable_layers(o_.criterion, network.parameters()), criterion_->is_layerwise()};
  const auto outcome = protocol_->make_levels(*this, network);
  if (outcome == Outcome::kDone) {
    write_curve(out_, curve_);
    train::remove_run_files(out_, unfinished_files());
    folder.mark_done();
  }
  return {curve_, outcome};
}

// Bound to this object's options, so that what config.json holds is what they are now.
Options CurveMaker::all_options() {
  auto tables = describe(o_);
  for (auto& table : train::describe(base_)) tables.push_back(std::move(table));
  return Options("prune", std::move(tables));
}

// The step of the checkpoint that is pruned; -1 when it is none of a run that was given.
int64_t CurveMaker::source_step() const {
  if (o_.run.empty()) return -1;
  const auto steps = train::RunDir::checkpoint_steps(o_.run);
  return steps.empty() ? -1 : steps.back();
}

// Is the curve in the folder one of the same run and settings? Where levels are trained, each from
// the one before, those that are there must have the densities that are asked for now.
void CurveMaker::check_same_curve() {
  check_same_run(all_options(), out_, train::Sameness::kResult);
  const auto about =
      read_json_file(out_ + "/config.json").value("about", nlohmann::ordered_json::object());
  const int64_t now = source_step(), before = about.value("checkpoint", now);
  UNLAZY_CHECK_USAGE(before == now || now < 0, out_, ": is a curve of checkpoint ", before, " of ",
                     o_.run, ", whose newest is ", now, " now; begin anew with --overwrite");
  const auto levels = about.value("densities", densities_);
  const size_t common = std::min(levels.size(), densities_.size());
  UNLAZY_CHECK_USAGE(
      !protocol_->is_trained() ||
          std::equal(levels.begin(), levels.begin() + static_cast<std::ptrdiff_t>(common),
                     densities_.begin()),
      out_,
      ": its levels were trained one after the other at other densities; ask for the same and "
      "further ones, or begin anew with --overwrite");
}

// All that is asked for was there before, with --resume.
bool CurveMaker::is_finished() {
  if (!base_.run.resume || !train::RunDir::is_done(out_)) return false;
  check_same_curve();
  const auto levels = read_curve(out_).levels;
  for (size_t i = 0; o_.save_weights && i < levels.size(); ++i) {
    if (!fs::exists(level(i) + "/model.safetensors")) return false;
  }
  return std::equal(levels.begin(), levels.end(), densities_.begin(), densities_.end(),
                    [](const auto& level, double density) { return level.target == density; });
}

train::RunDir CurveMaker::open() {
  using Mode = train::RunDir::Mode;
  const bool goes_on = base_.run.resume && train::RunDir::holds_run(out_);
  train::RunDir folder(out_, base_.run.overwrite ? Mode::kOverwrite
                             : base_.run.resume  ? Mode::kResume
                                                 : Mode::kNew);
  const auto options = all_options();
  if (goes_on) {
    check_same_curve();
    for (const auto& before : {unfinished(), out_}) {
      if (measured_.empty() && fs::exists(before + "/curve.json"))
        measured_ = read_curve(before).levels;
    }
  }
  auto config = train::stamp(options, curve_files(),
                             {{"densities", densities_}, {"checkpoint", source_step()}});
  config["out"] = out_;
  folder.begin(config);
  return folder;
}

// Where there is neither a run nor a file, the network is trained here.
Outcome CurveMaker::train_first() {
  source_ = o_.run;
  if (!source_.empty() || !base_.run.weights.empty()) return Outcome::kDone;
  source_ = out_ + "/dense";
  auto dense = base_;
  dense.run.checkpoint_at.push_back(o_.rewind_to);
  say("training the network to prune");
  return run_training(dense, source_);
}

at::Tensor CurveMaker::scores(PrunedNetwork& network) const {
  return criterion_->scores(network.candidate(*criterion_, o_.gradient_batches));
}

// What an interrupted curve had measured is not measured again.
bool CurveMaker::take_measured(size_t i) {
  if (i >= measured_.size() || measured_[i].target != densities_[i]) return false;
  if (o_.save_weights && !fs::exists(level(i) + "/model.safetensors")) return false;
  curve_.levels.push_back(measured_[i]);
  say(internal::concat("level ", i, "  density ", rounded_text(measured_[i].density),
                       "  was measured before"));
  return true;
}

Outcome CurveMaker::run_training(train::TrainOptions options, const std::string& folder) {
  options.run.out = folder;
  options.run.resume = base_.run.resume;
  options.run.overwrite = false;
  return train::run_training(options, hooks_, train::Sameness::kExact);
}

void CurveMaker::save_mask(PrunedNetwork& network, size_t i, const at::Tensor& mask) const {
  fs::create_directories(level(i));
  prune::save_mask(network.parameters(), mask, level(i) + "/mask.safetensors");
}

void CurveMaker::measure(PrunedNetwork& network, size_t i, const Stopwatch& watch) {
  auto measured = network.evaluate(densities_[i]);
  measured.seconds = watch.seconds();
  if (o_.save_weights) {
    fs::create_directories(level(i));
    network.save(level(i) + "/model.safetensors");
  }
  add_level(std::move(measured));
}

void CurveMaker::add_level(CurveLevel level) {
  const size_t i = curve_.levels.size();
  say(internal::concat("level ", i, "  density ", rounded_text(level.density), "  weights ",
                       level.weights, "  test_loss ", rounded_text(level.loss), "  test_accuracy ",
                       rounded_text(level.accuracy), "  multiply-adds ",
                       rounded_text(static_cast<double>(level.multiply_adds), 3), "  ",
                       duration_text(level.seconds)));
  for (const auto& layer : level.layers) {
    if (layer.kept > 0) continue;
    say(internal::concat("note: at level ", i, " none of the ", layer.total, " weights of ",
                         layer.name, " is left"));
  }
  curve_.levels.push_back(std::move(level));
  fs::create_directories(unfinished());
  write_curve(unfinished(), curve_);
}

void CurveMaker::say(const std::string& line) const {
  if (hooks_.on_line) hooks_.on_line(line);
}

CurveResult make_pruning_curve(const train::TrainOptions& base, const PruneOptions& options,
                               const train::Hooks& hooks, const std::vector<std::string>& sweep) {
  return CurveMaker(base, options, hooks, sweep).make();
}

}  // namespace unlazy::experiments
