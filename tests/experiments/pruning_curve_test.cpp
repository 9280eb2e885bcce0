// Pruning curves: protocols on a small network, level by level; what is written and read back.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/safetensors.h"
#include "experiments/pruning/curve.h"
#include "experiments/pruning/pruned_network.h"
#include "experiments/pruning_comparison.h"
#include "experiments/pruning_settings.h"
#include "models/weights.h"
#include "prune/select.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/saved_run.h"

namespace unlazy {
namespace {

using experiments::CurveResult;
using experiments::PruneOptions;

train::TrainOptions small_run() {
  auto o = testing::small_run();
  o.data.test_size = 50;
  o.run.checkpoint_every = Step::never();
  return o;
}

// A trained run in a folder of its own, with a checkpoint of step 3.
class PruningCurveTest : public ::testing::Test {
 protected:
  PruningCurveTest() {
    base_ = small_run();
    auto options = base_;
    options.run.out = run();
    options.run.checkpoint_at = {Step::iterations(3)};
    train::run_training(options, {});
    prune_.run = run();
    prune_.levels.count = 4;
  }

  std::string run() const { return folder_ / "run"; }
  CurveResult make(const std::string& out, const train::Hooks& hooks = {}) {
    base_.run.out = folder_ / out;
    return experiments::make_pruning_curve(base_, prune_, hooks);
  }
  at::Tensor weight(const std::string& file, const std::string& name = "layers.0.weight") const {
    return load_tensors(folder_ / file).at(name);
  }
  at::Tensor mask_of(const std::string& out, int level) const {
    return weight(out + "/level-0" + std::to_string(level) + "/mask.safetensors");
  }

  testing::ScratchFolder folder_;
  train::TrainOptions base_;
  PruneOptions prune_;
};

constexpr int64_t kWeights = 12 * 3072 + 12 * 10;
constexpr int64_t kParameters = kWeights + 22;

TEST_F(PruningCurveTest, OneShotLevelsAreThoseOfTheMasks) {
  prune_.save_weights = true;
  const auto curve = make("curve").curve;
  ASSERT_EQ(curve.levels.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    const auto& level = curve.levels[i];
    const auto pruned = std::nearbyint((1 - std::pow(0.8, i)) * static_cast<double>(kWeights));
    EXPECT_EQ(level.weights, kWeights - static_cast<int64_t>(pruned));
    EXPECT_EQ(level.parameters, level.weights + 22);
    EXPECT_EQ(level.multiply_adds, level.weights);  // a weight of an mlp has one position
    EXPECT_DOUBLE_EQ(level.density, static_cast<double>(level.weights) / kWeights);
    EXPECT_DOUBLE_EQ(level.speed_up, static_cast<double>(kWeights) / level.weights);
    const auto mask = mask_of("curve", static_cast<int>(i));
    EXPECT_EQ(mask.sum().item<int64_t>(), level.layers[0].kept);
    const auto saved = weight("curve/level-0" + std::to_string(i) + "/model.safetensors");
    EXPECT_TRUE(at::equal(saved, weight("run/checkpoints/00000006/model.safetensors") * mask));
  }
  EXPECT_EQ(curve.levels[0].parameters, kParameters);
  EXPECT_EQ(curve.label, "no noise");
  EXPECT_EQ(curve.precision, "fp64");
}

// The accuracies are those of the files that were saved, loaded into a network of their own.
TEST_F(PruningCurveTest, SavedWeightsHaveTheAccuracyOfTheCurve) {
  prune_.save_weights = true;
  const auto curve = make("curve").curve;
  auto options = base_;
  options.run.weights = folder_ / "curve/level-03/model.safetensors";
  train::Experiment e(options);
  const auto result = measure::evaluate(e.subject(), e.subject().test);
  EXPECT_EQ(result.accuracy.item<double>(), curve.levels[3].accuracy);
  EXPECT_EQ(result.loss.item<double>(), curve.levels[3].loss);
}

TEST_F(PruningCurveTest, ImpHasTheSizesOfTheRuleAndNestedMasks) {
  prune_.protocol = "imp";
  const auto curve = make("imp").curve;
  int64_t left = kWeights;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(curve.levels[i].weights, left) << "level " << i;
    left -= static_cast<int64_t>(std::ceil(0.2 * static_cast<double>(left))) + 1;
    if (i < 2) continue;
    const auto outer = mask_of("imp", static_cast<int>(i) - 1);
    EXPECT_TRUE(prune::is_nested(mask_of("imp", static_cast<int>(i)), outer));
  }
}

// Without a learning rate a level ends where it was rewound to.
TEST_F(PruningCurveTest, RewoundWeightsAreTheCheckpointsWhereTheMaskIsOne) {
  prune_.protocol = "imp";
  base_.schedule.lr = 0;
  for (const int64_t step : {0, 3}) {
    prune_.rewind_to = Step::iterations(step);
    const std::string out = "imp" + std::to_string(step);
    make(out);
    at::Tensor target;
    if (step == 0) {
      train::Experiment start(base_);
      target = start.named_tensors()[0].second.clone();
    } else {
      target = weight("run/checkpoints/00000003/model.safetensors");
    }
    for (int level = 1; level < 4; ++level) {
      const auto trained = weight(out + "/level-0" + std::to_string(level) +
                                  "/train/checkpoints/00000006/model.safetensors");
      EXPECT_TRUE(at::equal(trained, target * mask_of(out, level))) << step << ", " << level;
    }
  }
}

TEST_F(PruningCurveTest, LrRewindKeepsTheTrainedWeights) {
  prune_.protocol = "lr-rewind";
  base_.schedule.lr = 0;
  make("lr");
  const auto trained = weight("lr/level-03/train/checkpoints/00000006/model.safetensors");
  EXPECT_TRUE(
      at::equal(trained, weight("run/checkpoints/00000006/model.safetensors") * mask_of("lr", 3)));
}

TEST_F(PruningCurveTest, FineTuningTrainsWithTheLastRateFromTheTrainedWeights) {
  prune_.protocol = "fine-tune";
  prune_.fine_tune = Step::iterations(2);
  prune_.levels.count = 2;
  base_.schedule.kind = "multistep";
  base_.schedule.milestones = {Step::iterations(4)};
  make("fine");
  const auto options = train::options_of(folder_ / "fine/level-01/train");
  EXPECT_EQ(options.schedule.kind, "constant");
  EXPECT_DOUBLE_EQ(options.schedule.lr, 0.005);
  const auto tuned = weight("fine/level-01/train/checkpoints/00000002/model.safetensors");
  const auto trained = weight("run/checkpoints/00000006/model.safetensors") * mask_of("fine", 1);
  EXPECT_LT((tuned - trained).abs().max().item<double>(), 0.1);
  EXPECT_FALSE(at::equal(tuned, trained));
}

TEST_F(PruningCurveTest, AblationsHaveTheSizesOfImp) {
  prune_.protocol = "imp";
  const auto imp = make("imp").curve;
  prune_.protocol = "random";
  const auto random = make("random").curve;
  prune_.protocol = "reinit";
  prune_.masks_from = folder_ / "imp";
  const auto reinit = make("reinit").curve;
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(random.levels[i].weights, imp.levels[i].weights);
    EXPECT_EQ(reinit.levels[i].weights, imp.levels[i].weights);
  }
  EXPECT_FALSE(at::equal(mask_of("random", 2), mask_of("imp", 2)));
  const auto begun = weight("reinit/level-02/init.safetensors");
  EXPECT_FALSE(at::equal(begun, train::Experiment(base_).named_tensors()[0].second));
}

// A level's files are a network of their own, which trains on as any other.
TEST_F(PruningCurveTest, FiltersLeaveSmallerNetworks) {
  base_.model.name = "resnet20";
  base_.run.max_steps = 1;
  prune_.run.clear();
  prune_.protocol = "filters";
  prune_.levels.densities = {1, 0.5, 0.01};
  const auto curve = make("filters").curve;
  EXPECT_EQ(curve.protocol, "filters-l1");
  EXPECT_EQ(curve.levels[0].density, 1);
  EXPECT_EQ(curve.levels[0].speed_up, 1);
  const auto& half = curve.levels[1];
  EXPECT_NEAR(half.density, 0.5, 0.01);
  EXPECT_NEAR(half.speed_up, 2, 0.05);
  EXPECT_EQ(half.layers[1].total, 16 * 16 * 9);
  EXPECT_EQ(half.layers[1].kept, 16 * 8 * 9);
  EXPECT_EQ(curve.levels[2].layers[1].kept, 16 * 9);  // a filter stays
  train::TrainOptions options;
  Options("train", train::describe(options)).read_file(folder_ / "filters/level-01/config.json");
  EXPECT_EQ(options.model.block_widths, (std::vector<int64_t>{8, 8, 8, 16, 16, 16, 32, 32, 32}));
  train::Experiment e(options);
  const auto result = measure::evaluate(e.subject(), e.subject().test);
  EXPECT_EQ(result.loss.item<double>(), half.loss);
  e.run_step(0);
}

TEST_F(PruningCurveTest, InterruptedCurvesGoOn) {
  prune_.protocol = "imp";
  const auto whole = make("whole").curve;
  int calls = 0;
  train::Hooks stop;
  stop.should_stop = [&] { return ++calls == 9; };  // in the second level
  EXPECT_EQ(make("parts", stop).outcome, train::Outcome::kInterrupted);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "parts/curve.json"));
  base_.run.resume = true;
  const auto parts = make("parts").curve;
  ASSERT_EQ(parts.levels.size(), whole.levels.size());
  for (size_t i = 0; i < parts.levels.size(); ++i)
    EXPECT_EQ(parts.levels[i].loss, whole.levels[i].loss);
  for (const char* step : {"01", "02", "03"}) {
    const std::string file =
        std::string("/level-") + step + "/train/checkpoints/00000006/model.safetensors";
    EXPECT_EQ(read_file(folder_ / ("whole" + file)), read_file(folder_ / ("parts" + file)));
  }
  EXPECT_FALSE(std::filesystem::exists(folder_ / "parts/unfinished"));
}

// Stopped at each place in turn: what was measured is not measured again, and the curve is the
// same.
TEST_F(PruningCurveTest, InterruptsLoseNoLevel) {
  const auto whole = make("whole").curve;
  std::vector<std::string> lines;
  train::Hooks hooks;
  hooks.on_line = [&](const std::string& line) { lines.push_back(line); };
  int left = 0;
  hooks.should_stop = [&] { return --left < 0; };
  for (int measured = 1; measured < 4; ++measured) {
    lines.clear();
    left = 1;
    EXPECT_EQ(make("parts", hooks).outcome, train::Outcome::kInterrupted);
    ASSERT_EQ(lines.size(), static_cast<size_t>(measured));
    for (int i = 0; i < measured - 1; ++i)
      EXPECT_NE(lines[static_cast<size_t>(i)].find("was measured before"), std::string::npos);
    base_.run.resume = true;
  }
  const auto parts = make("parts").curve;
  ASSERT_EQ(parts.levels.size(), 4u);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(parts.levels[i].loss, whole.levels[i].loss);
    EXPECT_EQ(parts.levels[i].layers[0].kept, whole.levels[i].layers[0].kept);
  }
  // Done: nothing is computed again, and nothing else is taken for it.
  std::filesystem::remove_all(run() + "/checkpoints");
  EXPECT_EQ(make("parts").curve.levels[3].loss, whole.levels[3].loss);
}

TEST_F(PruningCurveTest, ResumingWithOtherSettingsIsRefused) {
  base_.run.out = folder_ / "curve";
  experiments::make_pruning_curve(base_, prune_, {});
  base_.run.resume = true;
  prune_.levels.count = 5;  // longer is no other curve
  base_.compute.threads = 2;
  EXPECT_EQ(experiments::make_pruning_curve(base_, prune_, {}).curve.levels.size(), 5u);
  prune_.recalibrate_batches = 3;
  testing::expect_misuse(
      [&] { experiments::make_pruning_curve(base_, prune_, {}); },
      folder_ / "curve" + std::string(": was run with recalibrate-batches 20, but --resume was "
                                      "given 3; leave the flag out, or start a new run with "
                                      "another --out"));
}

// Cut anywhere, a file is refused by name, before anything is written.
TEST_F(PruningCurveTest, TruncatedWeightsAreRefused) {
  const std::string file = run() + "/checkpoints/00000006/model.safetensors";
  const auto whole = read_file(file);
  for (const size_t length : {size_t{0}, size_t{7}, size_t{100}, whole.size() - 1}) {
    write_file(file, whole.substr(0, length));
    try {
      make("cut" + std::to_string(length));
      FAIL() << length;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).find(file + ":"), 0u) << error.what();
    }
    EXPECT_FALSE(std::filesystem::exists(folder_ / ("cut" + std::to_string(length)) + "/DONE"));
  }
}

TEST_F(PruningCurveTest, RunsWithoutACheckpointAreRefused) {
  std::filesystem::remove_all(run() + "/checkpoints");
  testing::expect_error([&] { make("a"); }, run() + ": has no checkpoint to prune; train it first");
}

TEST_F(PruningCurveTest, FromScratchTrainsTheSameNetworkFirst) {
  prune_.run.clear();
  make("scratch");
  EXPECT_TRUE(at::equal(weight("scratch/dense/checkpoints/00000006/model.safetensors"),
                        weight("run/checkpoints/00000006/model.safetensors")));
}

TEST_F(PruningCurveTest, EmptyLayersAreAllowedAndSaid) {
  prune_.levels.densities = {1, 0.00001};
  std::vector<std::string> lines;
  train::Hooks hooks;
  hooks.on_line = [&](const std::string& line) { lines.push_back(line); };
  const auto curve = make("empty", hooks).curve;
  EXPECT_EQ(curve.levels[1].weights, 0);
  EXPECT_TRUE(std::isinf(curve.levels[1].speed_up));
  ASSERT_EQ(lines.size(), 4u);
  EXPECT_EQ(lines[2], "note: at level 1 none of the 36864 weights of layers.0.weight is left");
  EXPECT_EQ(lines[3], "note: at level 1 none of the 120 weights of linear.weight is left");
}

TEST_F(PruningCurveTest, CurvesComeBackFromTheirFile) {
  const auto made = make("curve").curve;
  const auto read = experiments::read_curve(folder_ / "curve");
  EXPECT_EQ(read.label, made.label);
  EXPECT_EQ(read.protocol, "one-shot");
  EXPECT_EQ(read.settings, made.settings);
  EXPECT_EQ(read.settings.at("momentum"), "0.9");
  ASSERT_EQ(read.levels.size(), made.levels.size());
  for (size_t i = 0; i < read.levels.size(); ++i) {
    EXPECT_EQ(read.levels[i].density, made.levels[i].density);
    EXPECT_EQ(read.levels[i].accuracy, made.levels[i].accuracy);
    EXPECT_EQ(read.levels[i].layers[1].kept, made.levels[i].layers[1].kept);
  }
  const auto table = read_file(folder_ / "curve/curve.csv");
  EXPECT_EQ(table.substr(0, table.find('\n')),
            "level,target,density,weights,parameters,test_loss,test_accuracy,multiply_adds,"
            "speed_up,seconds,images_per_second");
  EXPECT_NE(read_file(folder_ / "curve/layers.csv").find("\n1,linear.weight,120,"),
            std::string::npos);
}

TEST_F(PruningCurveTest, MisuseIsNamed) {
  using testing::expect_error;
  using testing::expect_misuse;
  prune_.levels.densities = {1.5};
  expect_misuse([&] { make("a"); }, "prune: a density must be in (0, 1], got 1.5 at level 0");
  prune_.levels.densities = {0.5, 0.6};
  expect_misuse([&] { make("a"); },
                "prune: level 1 has density 0.6, above the last one's 0.5; a pruned weight does "
                "not come back, so give densities in falling order");
  prune_.levels.densities = {1, 0.5};
  prune_.protocol = "imp";
  prune_.recalibrate_bn = true;
  expect_misuse(
      [&] { make("a"); },
      "prune: --recalibrate-bn goes with --protocol one-shot or filters; where a level is "
      "trained, training moves the statistics");
  prune_.recalibrate_bn = false;
  prune_.rewind_to = Step::iterations(2);
  expect_error([&] { make("b"); }, run() +
                                       ": has no checkpoint of step 2 to go back to; train it with "
                                       "--checkpoint-at 2it");
  prune_.protocol = "reinit";
  expect_misuse([&] { make("a"); },
                "prune: --protocol reinit needs --masks-from, the folder of an imp curve");
  prune_.protocol = "one-shot";
  base_.model.name = "resnet20";
  expect_error([&] { make("c"); },
               run() +
                   "/checkpoints/00000006/model.safetensors: does not fit the network; "
                   "missing: conv1.weight, layer1.0.conv1.weight, layer1.0.conv2.weight and "
                   "111 more; unexpected: layers.0.weight, layers.0.bias; of another shape: "
                   "linear.weight ([10, 12] in the file, [10, 64] wanted); the file is for "
                   "model 'mlp'");
  prune_.run.clear();
  prune_.protocol = "imp";
  base_.run.weights = "w.safetensors";
  expect_misuse([&] { make("a"); },
                "prune: --protocol imp goes back to an earlier checkpoint of a run, which "
                "--weights does not have; give --run");
  expect_misuse([&] { train::options_of(folder_.path()); },
                folder_.path() +
                    ": holds no run (no config.json); name the folder that `unlazy "
                    "train` wrote");
}

// The gradient that the criterion sees is that of the mean loss over the batches.
TEST_F(PruningCurveTest, GradientsAreThoseOfTheMeanLoss) {
  const auto criterion = prune::registry().find("gradient").make();
  experiments::PrunedNetwork network(base_, run() + "/checkpoints/00000006/model.safetensors");
  const auto in_parts = network.candidate(*criterion, 4).gradients;
  base_.batch.batch_size = 64;
  experiments::PrunedNetwork whole(base_, run() + "/checkpoints/00000006/model.safetensors");
  const auto at_once = whole.candidate(*criterion, 1).gradients;
  EXPECT_GT(at_once.abs().max().item<double>(), 1e-3);
  EXPECT_LT((in_parts - at_once).abs().max().item<double>(), 1e-12);
}

// Half of the weights of a pruned network stay 0 whatever is computed with it.
TEST_F(PruningCurveTest, ApplyingMasksLeavesTheLoadedWeightsAlone) {
  experiments::PrunedNetwork network(base_, run() + "/checkpoints/00000006/model.safetensors");
  const auto before = network.parameters().values().clone();
  auto mask = prune::full_mask(network.parameters());
  network.apply(mask.logical_not());
  EXPECT_EQ(network.evaluate(0.5).weights, 0);
  network.apply(mask);
  EXPECT_TRUE(at::equal(network.parameters().values(), before));
}

experiments::PruningCurve curve_of(const std::string& label, int64_t seed,
                                   std::vector<double> accuracies) {
  experiments::PruningCurve curve;
  curve.run = label + std::to_string(seed);
  curve.label = label;
  curve.protocol = "one-shot";
  curve.seed = seed;
  double density = 1;
  for (const double accuracy : accuracies) {
    experiments::CurveLevel level;
    level.target = level.density = density;
    level.accuracy = accuracy;
    curve.levels.push_back(level);
    density /= 10;
  }
  return curve;
}

TEST(PruningComparison, AreaIsTheMeanOverTheLogarithm) {
  EXPECT_DOUBLE_EQ(experiments::area_under_curve({1, 0.1, 0.01}, {0.9, 0.9, 0.9}), 0.9);
  EXPECT_DOUBLE_EQ(experiments::area_under_curve({1, 0.1, 0.001}, {0.8, 0.6, 0.0}),
                   (0.7 * 1 + 0.3 * 2) / 3);
  EXPECT_TRUE(std::isnan(experiments::area_under_curve({1}, {0.8})));
}

TEST(PruningComparison, DropIsInterpolatedOnTheLogarithm) {
  EXPECT_DOUBLE_EQ(experiments::density_of_drop({1, 0.1, 0.01}, {0.9, 0.9, 0.88}),
                   std::pow(10, -1.5));
  EXPECT_DOUBLE_EQ(experiments::density_of_drop({1, 0.1}, {0.72, 0.71}), 0.1);
  EXPECT_TRUE(std::isnan(experiments::density_of_drop({1, 0.1}, {0.72, 0.715})));
}

TEST(PruningComparison, SeedsOfALabelMakeABand) {
  const auto groups = experiments::group_curves({curve_of("flip 0.1", 0, {0.8, 0.6}),
                                                 curve_of("no noise", 0, {0.7, 0.5}),
                                                 curve_of("flip 0.1", 1, {0.9, 0.5})});
  ASSERT_EQ(groups.size(), 2u);
  EXPECT_EQ(groups[0].label, "flip 0.1");
  EXPECT_EQ(groups[0].num_seeds, 2);
  EXPECT_DOUBLE_EQ(groups[0].accuracy.mean[0], 0.85);
  EXPECT_NEAR(groups[0].accuracy.sd[1], 0.1 / std::sqrt(2), 1e-12);
  EXPECT_NEAR(groups[0].accuracy.low[1], 0.55 - 0.1 / std::sqrt(2), 1e-12);
  EXPECT_NEAR(groups[0].accuracy.high[1], 0.55 + 0.1 / std::sqrt(2), 1e-12);
  EXPECT_EQ(groups[1].num_seeds, 1);
  EXPECT_TRUE(groups[1].accuracy.sd.empty());
}

TEST(PruningComparison, TheSameSeedTwiceIsRefused) {
  testing::expect_error(
      [] {
        experiments::group_curves({curve_of("flip 0.1", 3, {0.8}), curve_of("flip 0.1", 3, {0.9})});
      },
      "prune: flip 0.13 and flip 0.13 have the same settings and seed 3; compare one of them");
}

// Equal noise is not enough: what else the runs differ in parts them, and is said.
TEST(PruningComparison, RunsOfOtherSettingsAreNotSeeds) {
  auto slow = curve_of("flip 0.1", 0, {0.8, 0.6}), fast = curve_of("flip 0.1", 1, {0.9, 0.5});
  auto seed = curve_of("flip 0.1", 2, {0.7, 0.5});
  auto none = curve_of("no noise", 0, {0.7, 0.5});
  slow.settings = none.settings = {{"lr", "0.1"}, {"momentum", "0"}};
  fast.settings = seed.settings = {{"lr", "0.5"}, {"momentum", "0"}};
  const auto groups = experiments::group_curves({slow, fast, none, seed});
  ASSERT_EQ(groups.size(), 3u);
  EXPECT_EQ(groups[0].label, "flip 0.1 lr 0.1");
  EXPECT_EQ(groups[1].label, "flip 0.1 lr 0.5");
  EXPECT_EQ(groups[1].num_seeds, 2);
  EXPECT_EQ(groups[2].label, "no noise");
}

TEST(PruningSettings, AreTheResolvedOptionsButForTheSeed) {
  const auto settings = [](const std::vector<std::string>& flags) {
    PruneOptions prune;
    auto train = small_run();
    auto tables = experiments::describe(prune);
    for (auto& table : train::describe(train)) tables.push_back(std::move(table));
    Options("prune", std::move(tables)).parse(flags);
    return experiments::settings_of(train, prune);
  };
  const auto base = settings({});
  EXPECT_EQ(settings({"--seed", "7", "--out", "elsewhere", "--threads", "2", "--levels", "9",
                      "--measure", "test", "--checkpoint-at", "3it"}),
            base);
  for (const std::vector<std::string>& flags : {std::vector<std::string>{"--noise", "flip"},
                                                {"--noise-rate", "0.3"},
                                                {"--lr", "0.7"},
                                                {"--optimizer", "sam"},
                                                {"--rho", "0.3"},
                                                {"--model", "resnet20"},
                                                {"--train-size", "60"},
                                                {"--batch", "8"},
                                                {"--epochs", "3"},
                                                {"--precision", "fp32"},
                                                {"--criterion", "random"},
                                                {"--rewind-to", "2it"},
                                                {"--augment=false"},
                                                {"--weight-decay", "0.1"}}) {
    EXPECT_EQ(experiments::differing({base, settings(flags)}),
              std::vector<std::string>{flags[0].substr(2, flags[0].find('=') - 2)});
  }
}

TEST(PruningComparison, CurvesOfDifferentLevelsAreRefused) {
  testing::expect_error(
      [] {
        experiments::group_curves(
            {curve_of("flip 0.1", 0, {0.8, 0.6}), curve_of("flip 0.1", 1, {0.9})});
      },
      "prune: the curves of 'flip 0.1' (flip 0.10 and flip 0.11) have different levels; make them "
      "with the same --levels");
}

TEST(PruningComparison, WritesTablesAndPicture) {
  const testing::ScratchFolder folder;
  experiments::write_comparison(
      folder.path(), "pruning",
      {curve_of("flip 0.1", 0, {0.8, 0.6}), curve_of("no noise", 0, {0.8, 0.79}),
       curve_of("no noise", 1, {0.8, 0.79})});
  const auto rows = read_file(folder / "comparison.csv");
  EXPECT_EQ(rows.substr(0, rows.find('\n')),
            "protocol,label,density,accuracy_mean,accuracy_sd,seeds");
  EXPECT_NE(rows.find("\none-shot,flip 0.1,1,0.8,nan,1\n"), std::string::npos) << rows;
  EXPECT_NE(rows.find("\none-shot,no noise,1,0.8,0,2\n"), std::string::npos) << rows;
  const auto summary = read_file(folder / "summary.csv");
  EXPECT_EQ(summary.substr(0, summary.find('\n')),
            "protocol,label,seeds,area_under_curve,density_of_1_point_drop");
  EXPECT_NE(summary.find("\none-shot,flip 0.1,1,0.7,0.89125"), std::string::npos) << summary;
  EXPECT_NE(summary.find("\none-shot,no noise,2,0.795,0.1\n"), std::string::npos) << summary;
  EXPECT_NE(read_file(folder / "figures/pruning.gp").find("over 1 to 2 seeds; bands: ± 1 s.d."),
            std::string::npos);
  EXPECT_TRUE(std::filesystem::exists(folder / "figures/pruning.csv"));
}

}  // namespace
}  // namespace unlazy
