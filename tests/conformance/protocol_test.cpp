// What holds for every pruning protocol of the registry; a newcomer is tested with no further line.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/files.h"
#include "core/safetensors.h"
#include "experiments/pruning/curve_maker.h"
#include "experiments/pruning/protocol.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/saved_run.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
using train::Outcome;

const std::vector<double> kDensities = {1, 0.5, 0.25};

// A ResNet with four channels inside each block, so that filters can be removed; three steps: two
// interrupts fit into a training.
train::TrainOptions tiny_run() {
  auto o = testing::small_run();
  o.data.train_size = 16;
  o.data.test_size = 20;
  o.batch.batch_size = 8;
  o.model.name = "resnet20";
  o.model.block_widths.assign(9, 4);
  o.compute.precision = "fp32";
  o.run.max_steps = 3;
  o.run.checkpoint_every = Step::never();
  return o;
}

// One trained run, and an imp curve for the protocols that need one.
class ProtocolConformance : public ::testing::TestWithParam<std::string> {
 protected:
  static void SetUpTestSuite() {
    folder_ = new testing::ScratchFolder;
    auto o = tiny_run();
    o.run.out = run();
    train::run_training(o, {});
    make("imp", "masks");
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }

  static std::string run() { return *folder_ / "run"; }
  static PruneOptions prune_options(const std::string& protocol) {
    PruneOptions o;
    o.run = run();
    o.protocol = protocol;
    o.fine_tune = protocol_reads(protocol, "fine-tune") ? Step::iterations(3) : o.fine_tune;
    o.save_weights = true;
    o.levels.densities = kDensities;
    if (pruning_protocols().find(protocol).make()->needs_curve()) o.masks_from = *folder_ / "masks";
    return o;
  }
  static bool protocol_reads(const std::string& protocol, const std::string& option) {
    const auto options = pruning_protocols().find(protocol).make()->options();
    return std::find(options.begin(), options.end(), option) != options.end();
  }
  static CurveResult make(const std::string& protocol, const std::string& out,
                          const train::Hooks& hooks = {}, bool resume = false) {
    auto base = tiny_run();
    base.run.out = *folder_ / out;
    base.run.resume = resume;
    const auto options = prune_options(protocol);
    return make_pruning_curve(base, options, hooks);
  }
  static inline testing::ScratchFolder* folder_ = nullptr;
};

// All masks of a level, as one list.
std::vector<bool> kept(const std::string& mask) {
  std::vector<bool> list;
  for (const auto& [name, tensor] : load_tensors(mask).tensors) {
    const auto flat = tensor.flatten();
    const auto* data = flat.const_data_ptr<bool>();
    list.insert(list.end(), data, data + flat.numel());
  }
  return list;
}

// Without what is measured with a clock.
Json without_times(const std::string& curve) {
  auto json = read_json_file(curve + "/curve.json");
  for (auto& level : json.at("levels")) {
    level.erase("seconds");
    level.erase("images-per-second");
  }
  return json;
}

void expect_densities(const PruningCurve& curve, bool has_masks) {
  ASSERT_EQ(curve.levels.size(), kDensities.size());
  for (size_t i = 0; i < kDensities.size(); ++i) {
    const auto& level = curve.levels[i];
    EXPECT_EQ(level.target, kDensities[i]);
    // Rules of masks differ by a weight or two; densities of filters are of those inside blocks.
    EXPECT_NEAR(level.density, kDensities[i], has_masks ? 1e-3 : 0.05) << "level " << i;
    for (size_t k = 0; i > 0 && k < level.layers.size(); ++k) {
      EXPECT_LE(level.layers[k].kept, curve.levels[i - 1].layers[k].kept) << level.layers[k].name;
    }
  }
}

void expect_nested_masks(const std::string& curve, const PruningCurve& result) {
  std::vector<bool> outer;
  for (size_t i = 1; i < kDensities.size(); ++i) {
    const auto inner = kept(level_folder(curve, i) + "/mask.safetensors");
    EXPECT_EQ(std::count(inner.begin(), inner.end(), true), result.levels[i].weights);
    for (size_t k = 0; k < outer.size(); ++k) {
      ASSERT_LE(inner[k], outer[k]) << "weight " << k << " came back at level " << i;
    }
    outer = inner;
  }
}

TEST_P(ProtocolConformance, MakesTheCurveAskedForAndLosesNothingWhenInterrupted) {
  const std::string whole = *folder_ / GetParam();
  const auto curve = make(GetParam(), GetParam()).curve;
  // Masks over the trained weights, or networks of their own.
  const bool has_masks = !fs::exists(level_folder(whole, 1) + "/config.json");
  expect_densities(curve, has_masks);
  if (has_masks) expect_nested_masks(whole, curve);

  // The first level is the trained network.
  auto trained = tiny_run();
  trained.run.weights = run() + "/checkpoints/00000003/model.safetensors";
  train::Experiment e(trained);
  const auto result = measure::evaluate(e.subject(), e.subject().test);
  EXPECT_EQ(curve.levels[0].accuracy, result.accuracy.item<double>());
  EXPECT_NEAR(curve.levels[0].loss, result.loss.item<double>(), 1e-5);

  // Stopped at each level in turn: where nothing is trained before it, and else in the training
  // that comes next.
  const std::string parts = GetParam() + "-parts";
  size_t num_levels = 0;
  for (size_t at = 0; at < kDensities.size(); ++at) {
    num_levels = 0;
    train::Hooks hooks;
    hooks.on_line = [&](const std::string& line) { num_levels += line.starts_with("level "); };
    hooks.should_stop = [&] { return num_levels >= at; };
    EXPECT_EQ(make(GetParam(), parts, hooks, at > 0).outcome, Outcome::kInterrupted);
    EXPECT_GE(num_levels, at);
    EXPECT_FALSE(fs::exists(*folder_ / (parts + "/DONE")));
  }
  EXPECT_EQ(make(GetParam(), parts, {}, true).outcome, Outcome::kDone);
  EXPECT_EQ(without_times(*folder_ / parts).dump(1), without_times(whole).dump(1));
}

TEST_P(ProtocolConformance, RefusesWhatOthersRead) {
  const auto refuses = [&](const std::string& option, const PruneOptions& o) {
    if (protocol_reads(GetParam(), option)) {
      check_options(o, {GetParam()});
    } else {
      EXPECT_THROW(check_options(o, {GetParam()}), Error) << option;
    }
  };
  PruneOptions o;
  o.recalibrate_bn = true;
  refuses("recalibrate-bn", o);
  o = {};
  o.filter_score = "l2";
  refuses("filter-score", o);
  o = {};
  o.fine_tune = Step::epochs(2);
  refuses("fine-tune", o);
  o = {};
  o.masks_from = "imp";
  refuses("masks-from", o);
  check_options({}, {GetParam()});
}

INSTANTIATE_TEST_SUITE_P(All, ProtocolConformance, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& entry : pruning_protocols().entries())
                             names.push_back(entry.name);
                           return names;
                         }()),
                         [](const auto& test) {
                           auto name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST(Protocol, OptionsOfAnotherAreRefusedByNameButNotInASweepThatHoldsIt) {
  PruneOptions o;
  o.fine_tune = Step::epochs(2);
  testing::expect_misuse([&] { check_options(o, {"imp"}); },
                         "prune: --fine-tune goes with --protocol fine-tune");
  check_options(o, {"imp", "fine-tune"});
  o = {};
  o.criterion.keep_first = true;
  testing::expect_misuse([&] { check_options(o, {"filters"}); },
                         "prune: --keep-first goes with --protocol one-shot, fine-tune, imp, "
                         "lr-rewind, random or reinit");
}

TEST(Protocol, PanelsAreTheProtocolsThatNeedNoCurveAndTheirRecalibratedKin) {
  for (const auto& panel : panel_protocols()) {
    const auto o = with_panel({}, panel.name);
    EXPECT_EQ(protocol_name(o).find(panel.name), 0u);
    EXPECT_FALSE(pruning_protocols().find(o.protocol).make()->needs_curve());
    check_options(o, {o.protocol});
  }
}

// A file without a line in the registry would be a protocol that nobody can choose.
TEST(Protocol, EveryFileHasALine) {
  std::set<std::string> files, names;
  const std::string folder = UNLAZY_SOURCE_DIR "/src/experiments/pruning";
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (read_file(entry.path()).find("\nstd::unique_ptr<Protocol> make_") == std::string::npos)
      continue;
    auto stem = entry.path().stem().string();
    std::replace(stem.begin(), stem.end(), '_', '-');
    files.insert(stem);
  }
  for (const auto& entry : pruning_protocols().entries()) names.insert(entry.name);
  EXPECT_EQ(files, names);
}

}  // namespace
}  // namespace unlazy::experiments
