// A network against its linearisation. A network that is linear in its parameters is its own
// linearisation: both must then take the same steps, on the same batches, with the same rates and
// the same noisy labels.
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "core/files.h"
#include "core/safetensors.h"
#include "experiments/lazy_comparison.h"
#include "experiments/linearised_run.h"
#include "linearise/kernel.h"
#include "report/metrics.h"
#include "support/comparisons.h"
#include "support/expect_error.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using testing::compare;
using testing::expect_error;
using testing::expect_misuse;
using testing::linear_network;
using testing::relative;
using testing::results;
using testing::ScratchFolder;
using testing::stop_after;
using testing::two_layers;

struct Setting {
  const char* name;
  const char* perturbed;  // folder
  std::function<void(train::TrainOptions&)> change;
};
void PrintTo(const Setting& setting, std::ostream* out) { *out << setting.name; }

class LinearNetwork : public ::testing::TestWithParam<Setting> {
 protected:
  void expect_same(const std::string& network, const std::string& linear, bool is_function_space,
                   double tolerance) {
    const auto ours = report::read_metrics(linear), theirs = report::read_metrics(network);
    for (const std::string name : {"train_set_loss", "train_set_accuracy", "test_loss",
                                   "test_accuracy", "distance_from_init", "first_layer_norm"}) {
      SCOPED_TRACE(linear + " " + name);
      ASSERT_TRUE(ours.contains(name) && theirs.contains(name));
      const auto &a = ours.at(name), &b = theirs.at(name);
      EXPECT_EQ(a.steps, b.steps);
      EXPECT_EQ(a.epochs, b.epochs);
      ASSERT_EQ(a.values.size(), b.values.size());
      ASSERT_GE(a.values.size(), 3u);
      for (size_t i = 0; i < a.values.size(); ++i)
        EXPECT_NEAR(a.values[i], b.values[i], tolerance * (std::abs(b.values[i]) + 1e-3))
            << a.steps[i];
    }
    const auto& moved = theirs.at("distance_from_init").values;
    EXPECT_GT(moved.back(), 1e-3);
    // The weights theta0 + J^T alpha are those that training itself arrived at.
    const auto steps = train::RunDir::checkpoint_steps(network);
    const auto trained =
        load_tensors(train::RunDir::checkpoint(network, steps.back()) + "/model.safetensors");
    const auto found = load_tensors(
        is_function_space ? linear + "/linearised.safetensors"
                          : train::RunDir::checkpoint(linear, steps.back()) + "/model.safetensors");
    ASSERT_EQ(found.tensors.size(), trained.tensors.size());
    for (const auto& [name, tensor] : found.tensors)
      EXPECT_LT(relative(tensor, trained.at(name)), tolerance) << name;
  }
};

TEST_P(LinearNetwork, TrainsAsItsLinearisation) {
  const ScratchFolder scratch;
  auto options = linear_network();
  GetParam().change(options);
  const std::string perturbed = GetParam().perturbed;
  for (const bool is_function_space : {true, false}) {
    const std::string folder = scratch / (is_function_space ? "function/" : "weight/");
    compare(options, folder, {},
            {.lr_fraction = 0.3, .linear_space = is_function_space ? "function" : "weight"});
    const double tolerance = is_function_space ? 1e-9 : 1e-10;
    const auto seed = folder + "seed0/";
    expect_same(seed + "clean", seed + "linear", is_function_space, tolerance);
    expect_same(seed + perturbed, seed + "linear-" + perturbed, is_function_space, tolerance);
    EXPECT_NE(read_file(seed + "clean/metrics.csv"), read_file(seed + perturbed + "/metrics.csv"));
  }
}

void minibatches(train::TrainOptions& o) { o.batch.batch_size = 8; }  // 8, 8 and 4 samples
void momentum(train::TrainOptions& o) { o.optimizer.momentum = 0.8; }
void sam(train::TrainOptions& o) {
  o.noise = {};
  o.optimizer.name = "sam";
  o.optimizer.sharpness.rho = 0.5;
}

INSTANTIATE_TEST_SUITE_P(Settings, LinearNetwork,
                         ::testing::Values(Setting{"LabelNoise", "noise", [](auto&) {}},  //
                                           Setting{"Momentum", "noise", momentum},        //
                                           Setting{"Minibatches", "noise", minibatches},
                                           Setting{"WithReplacement", "noise",
                                                   [](auto& o) {
                                                     minibatches(o);
                                                     o.batch.with_replacement = true;
                                                   }},
                                           Setting{
                                               "WholeBatchWithReplacement", "noise",
                                               [](auto& o) { o.batch.with_replacement = true; }},
                                           Setting{"DropLast", "noise",
                                                   [](auto& o) {
                                                     minibatches(o);
                                                     o.batch.drop_last = true;
                                                   }},
                                           Setting{"NesterovWeightDecay", "noise",
                                                   [](auto& o) {
                                                     minibatches(o);
                                                     momentum(o);
                                                     o.optimizer.nesterov = true;
                                                     o.optimizer.weight_decay = 0.1;
                                                   }},
                                           Setting{"FixedCountAccumulated", "noise",
                                                   [](auto& o) {
                                                     o.noise.kind = "fixed-count";
                                                     minibatches(o);
                                                     o.run.accumulate = 2;
                                                   }},
                                           Setting{"GaussianTargetsInPeriods", "noise",
                                                   [](auto& o) {
                                                     o.noise = {.kind = "gaussian", .sigma = 0.5};
                                                     o.noise.period = Step::iterations(3);
                                                   }},
                                           Setting{"CosineWarmupCrossEntropy", "noise",
                                                   [](auto& o) {
                                                     o.loss.kind = "cross-entropy";
                                                     o.schedule.kind = "cosine";
                                                     o.schedule.warmup = Step::iterations(4);
                                                   }},
                                           Setting{"Sam", "sam", sam},
                                           Setting{"SamMinibatchesMomentum", "sam",
                                                   [](auto& o) {
                                                     sam(o);
                                                     o.optimizer.sharpness.rho = 0.05;
                                                     minibatches(o);
                                                     momentum(o);
                                                   }},
                                           Setting{"SamAtIntervalsWithLabelNoise", "noise-sam",
                                                   [](auto& o) {
                                                     const auto noise = o.noise;
                                                     sam(o);
                                                     o.noise = noise;
                                                     o.optimizer.sharpness.interval = 3;
                                                     o.optimizer.sharpness.rho_schedule = "linear";
                                                   }}),
                         [](const auto& setting) { return setting.param.name; });

TEST(LazyComparison, WritesFigureAndStatements) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  const auto result = compare(two_layers(), out, {}, {.seeds = {0, 3}});
  EXPECT_EQ(result.outcome, train::Outcome::kDone);
  ASSERT_EQ(result.statements.size(), 8u);
  const auto json = read_json_file(out + "/statements.json");
  EXPECT_EQ(json.at("seeds"), (std::vector<int>{0, 3}));
  ASSERT_EQ(json.at("lr").size(), 2u);
  EXPECT_NE(json.at("lr")[0], json.at("lr")[1]);
  ASSERT_EQ(json.at("statements").size(), 8u);
  for (size_t i = 0; i < 8; ++i) {
    EXPECT_EQ(json.at("statements")[i].at("text"), result.statements[i].text);
    EXPECT_EQ(json.at("statements")[i].at("numbers"), result.statements[i].numbers);
    EXPECT_EQ(json.at("statements")[i].at("verdict"), verdict_text(result.statements[i].verdict));
    for (const auto& effect : json.at("statements")[i].at("effects")) {
      EXPECT_EQ(effect.at("values").size(), 2u);
      EXPECT_TRUE(effect.at("least").is_number());
    }
  }
  for (const std::string seed : {"/seed0", "/seed3"}) {
    EXPECT_TRUE(fs::exists(out + seed + "/kernel.safetensors"));
    for (const char* run : {"/clean", "/noise", "/linear", "/linear-noise"}) {
      EXPECT_TRUE(fs::exists(out + seed + run + "/DONE")) << run;
      EXPECT_TRUE(fs::exists(out + seed + run + "/config.json")) << run;
    }
  }
  EXPECT_TRUE(fs::exists(out + "/figures/test.gp"));
  // Norms of several seeds are drawn as a part of their start.
  EXPECT_NE(read_file(out + "/figures/test.gp").find("‖{/:Bold W}(0)‖_F"), std::string::npos);
  const auto table = read_file(out + "/figures/test.csv");
  const auto row = table.find("\n\"Norm of the first-layer weights\",");
  ASSERT_NE(row, std::string::npos);
  const auto first = table.substr(row + 1, table.find('\n', row + 1) - row - 1);
  EXPECT_TRUE(first.ends_with(",0,1,1,1,")) << first;
  // A statement's number by hand: the trace at the end, of both seeds, with noise and without.
  double sum = 0;
  for (const std::string seed : {"/seed0", "/seed3"}) {
    const auto last = [&](const std::string& run) {
      return report::read_metrics(out + seed + run).at("ntk_trace_ratio").values.back();
    };
    sum += 1 - last("/noise") / last("/clean");
  }
  EXPECT_DOUBLE_EQ(result.statements[5].effects[0].mean, sum / 2);
  EXPECT_NE(result.statements[5].text.find("kernel shrinks"), std::string::npos);
  // The learning rate is the part of the largest stable one that was asked for.
  const auto kernel = load_tensors(out + "/seed3/kernel.safetensors").at("ntk_train");
  EXPECT_NEAR(result.lr[1] / linearise::max_learning_rate(kernel), 0.8, 1e-12);
}

TEST(LazyComparison, LearningRateIsThatGivenWithoutAFraction) {
  const ScratchFolder scratch;
  auto options = linear_network();
  options.schedule.lr = 1e-4;
  const auto result = compare(options, scratch / "out", {}, {.lr_fraction = 0});
  EXPECT_EQ(result.lr, (std::vector<double>{1e-4}));
  EXPECT_EQ(read_json_file(scratch / "out/seed0/linear/config.json").at("lr"), 1e-4);
}

TEST(LazyComparison, InterruptedAndResumedItEndsAsUninterrupted) {
  const ScratchFolder scratch;
  const auto options = two_layers();
  compare(options, scratch / "whole");
  const auto whole = results(scratch / "whole");
  EXPECT_GE(whole.size(), 4 * 3u);
  // 4 runs of 12 steps: in the first, the second, and both linearised ones.
  for (const int steps : {5, 15, 30, 40}) {
    SCOPED_TRACE(steps);
    const auto out = scratch / "parts" + std::to_string(steps);
    auto parts = options;
    EXPECT_EQ(compare(parts, out, stop_after(steps)).outcome, train::Outcome::kInterrupted);
    EXPECT_FALSE(fs::exists(out + "/statements.json"));
    parts.run.resume = true;
    EXPECT_EQ(compare(parts, out).outcome, train::Outcome::kDone);
    const auto found = results(out);
    ASSERT_EQ(found.size(), whole.size());
    for (const auto& [name, content] : whole) EXPECT_EQ(found.at(name), content) << name;
  }
}

TEST(LazyComparison, ResumeTakesFinishedRunsAsTheyAre) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = two_layers();
  const auto first = compare(options, out);
  std::map<std::string, fs::file_time_type> times;
  for (const char* run : {"clean", "noise", "linear", "linear-noise"}) {
    const auto file = out + "/seed0/" + run + "/metrics.csv";
    times[file] = fs::last_write_time(file);
  }
  fs::remove(out + "/statements.json");
  options.run.resume = true;
  const auto again = compare(options, out);
  for (const auto& [file, time] : times) EXPECT_EQ(fs::last_write_time(file), time) << file;
  EXPECT_TRUE(fs::exists(out + "/statements.json"));
  ASSERT_EQ(again.statements.size(), first.statements.size());
  for (size_t i = 0; i < first.statements.size(); ++i)
    EXPECT_EQ(again.statements[i].numbers, first.statements[i].numbers);
  // A further seed is added to those that are there.
  compare(options, out, {}, {.seeds = {0, 1}});
  for (const auto& [file, time] : times) EXPECT_EQ(fs::last_write_time(file), time) << file;
  EXPECT_TRUE(fs::exists(out + "/seed1/linear-noise/DONE"));
}

// Another number of threads may change the last digits of the kernel, and with them the rate.
TEST(LazyComparison, ResumeKeepsTheRateUpToRounding) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = linear_network();
  const double rate = compare(options, out).lr[0];
  const auto begun_with = [&](double lr) {
    for (const char* run : {"clean", "noise", "linear", "linear-noise"}) {
      const auto file = out + "/seed0/" + run + "/config.json";
      auto config = read_json_file(file);
      config["lr"] = lr;
      write_file(file, config.dump());
    }
  };
  options.run.resume = true;
  begun_with(rate * (1 + 1e-6));
  EXPECT_EQ(compare(options, out).lr[0], rate * (1 + 1e-6));
  begun_with(rate * 1.01);
  EXPECT_THROW(compare(options, out), Error);
}

TEST(LazyComparison, ResumeRefusesOtherSettings) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = linear_network();
  compare(options, out);
  options.run.resume = true;
  options.noise.rate = 0.25;
  expect_misuse([&] { compare(options, out); },
                out +
                    ": was run with noise-rate 0.5, but --resume was given 0.25; leave "
                    "the flag out, or start a new run with another --out");
  // What only a linearised run still stands for, in a folder of version 0.1.0.
  fs::remove(out + "/config.json");
  options.noise.rate = 0.5;
  fs::remove_all(out + "/seed0/clean");
  fs::remove_all(out + "/seed0/noise");
  options.optimizer.momentum = 0.5;
  options.schedule.lr = 1e-3;
  expect_misuse([&] { compare(options, out, {}, {.lr_fraction = 0}); },
                out +
                    "/seed0/linear: was run with momentum 0.0, but --resume was given 0.5; leave "
                    "the flag out, or start a new run with another --out");
}

// Longer, all four runs go on to the same steps; other curves or fewer steps are refused.
TEST(LazyComparison, ResumeWithAnotherLengthOrOtherCurves) {
  const ScratchFolder scratch;
  const auto out = scratch / "out";
  auto options = linear_network();
  compare(options, out);
  options.run.resume = true;
  options.measure.every = Step::iterations(2);
  expect_misuse([&] { compare(options, out); },
                out +
                    ": was run with measure-every \"5it\", but --resume was given \"2it\"; leave "
                    "the flag out, or start a new run with another --out");
  options.measure.every = Step::iterations(5);
  options.run.epochs = 8;
  expect_misuse([&] { compare(options, out); },
                out +
                    "/seed0/clean: was trained to step 12 already, beyond step 8 that --epochs and "
                    "--max-steps ask for; ask for as much or more, or begin anew with --overwrite "
                    "or another --out");
  options.run.epochs = 15;
  compare(options, out);
  for (const char* run : {"clean", "noise", "linear", "linear-noise"}) {
    const auto curve = report::read_metrics(out + "/seed0/" + run).at("train_set_loss");
    EXPECT_EQ(curve.steps.back(), 15) << run;
  }
}

// Killed before the first run has a checkpoint: nothing finished is asked to be thrown away.
TEST(LazyComparison, KilledBeforeACheckpointItGoesOn) {
  const ScratchFolder scratch;
  const auto whole = scratch / "whole", parts = scratch / "parts";
  auto options = two_layers();
  compare(options, whole);
  compare(options, parts);
  for (const auto& run : {"noise", "linear", "linear-noise"})
    fs::remove_all(parts + "/seed0/" + run);
  fs::create_directories(parts + "/seed0/noise/checkpoints");
  fs::copy(whole + "/seed0/noise/config.json", parts + "/seed0/noise/config.json");
  options.run.resume = true;
  compare(options, parts);
  EXPECT_EQ(results(parts).size(), results(whole).size());
  EXPECT_EQ(read_file(parts + "/seed0/noise/metrics.csv"),
            read_file(whole + "/seed0/noise/metrics.csv"));
}

TEST(LazyComparison, WhatCannotBeComparedIsSaid) {
  const ScratchFolder scratch;
  const auto expect = [&](const std::function<void(train::TrainOptions&)>& change,
                          const std::string& text) {
    auto options = linear_network();
    change(options);
    const CompareOptions in_function_space{.linear_space = "function"};
    expect_misuse([&] { compare(options, scratch / "out", {}, in_function_space); }, text);
    EXPECT_FALSE(fs::exists(scratch / "out")) << "nothing is written for: " << text;
  };
  expect([](auto& o) { o.noise = {}; },
         "compare: name what to compare with gradient descent: label noise, such as --noise "
         "flip-any --noise-rate 0.5, or SAM: --optimizer sam --rho 2");
  expect([](auto& o) { o.batch.augment = true; },
         "compare: in function space, the kernel is that of fixed images: give --augment=false, or "
         "leave out --linear-space");
  for (const std::string name : {"adamw", "asam", "gsam"}) {
    expect([&](auto& o) { o.optimizer.name = name; },
           "compare: in function space, it follows sgd and sam, not --optimizer " + name +
               ", or leave out --linear-space");
  }
  for (const auto& change : std::vector<std::function<void(optim::SharpnessOptions&)>>{
           [](auto& s) { s.group_size = 4; }, [](auto& s) { s.variant = "unnormalized"; }}) {
    expect(
        [&](auto& o) {
          sam(o);
          change(o.optimizer.sharpness);
        },
        "compare: in function space, it follows normalised SAM of the whole batch around sgd: "
        "leave out --sam-base, --sam-variant and --sam-m, or leave out --linear-space");
  }
  expect([](auto& o) { o.optimizer.clip_norm = 1; },
         "compare: in function space, it does not follow --clip-norm: leave it out, or leave out "
         "--linear-space");
  expect(
      [](auto& o) {
        o.optimizer.weight_decay = 0.1;
        o.optimizer.decay = "weights";
      },
      "compare: in function space, it follows --decay all only, or leave out --linear-space");
  expect([](auto& o) { o.run.mask = "mask.safetensors"; },
         "compare: in function space, it does not follow --mask: leave it out, or leave out "
         "--linear-space");
  expect([](auto& o) { o.compute.precision = "bf16"; },
         "compare: in function space, the kernel needs more than bf16: give --precision fp32 or "
         "fp64, or leave out --linear-space");
  expect([](auto& o) { o.linearise.order = 1; },
         "compare: trains the linearised network besides; leave out --linearised");
  auto options = linear_network();
  expect_misuse([&] { compare(options, scratch / "out", {}, {.seeds = {}}); },
                "compare: --seeds needs an entry");
  expect_misuse(
      [&] {
        compare(options, scratch / "out", {}, {.seeds = {1, 2, 1}});
      },
      "compare: a seed stands twice in --seeds");
  expect([](auto& o) { o.run.seed = 5; }, "compare: give --seeds 5 in place of --seed");
  expect([](auto& o) { o.measure.names = {"test"}; },
         "compare: the comparison is made of the measurements test, train-set and first-layer; add "
         "train-set to --measure");
  options.data.train_size = 40;
  expect_error(
      [&] { compare(options, scratch / "out", {}, {.linear_space = "function", .ntk_memory = 1}); },
      "ntk: 56 samples with 10 outputs need 3 MB at least, the cap is 1 MB; raise the cap "
      "or take fewer samples");
}

// A finite loss of 1e8 is no result either.
TEST(LazyComparison, NothingIsSaidOfARunThatDiverged) {
  const ScratchFolder scratch;
  for (const bool is_linear : {false, true}) {
    const std::string out = scratch / (is_linear ? "linear" : "clean");
    // The linearised runs diverge with the network that is linear itself, or alone.
    auto options = is_linear ? two_layers() : linear_network();
    if (is_linear) options.run.epochs = 40;
    try {
      compare(options, out, {}, {.lr_fraction = 1.5});
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      const std::string text = error.what();
      EXPECT_TRUE(text.starts_with("compare: " + out + "/seed0/")) << text;
      EXPECT_NE(text.find(" diverged: its loss on the training images was "), std::string::npos)
          << text;
      EXPECT_TRUE(
          text.ends_with("; take a smaller --lr-fraction, --lr or --rho, and give --overwrite"))
          << text;
    }
    EXPECT_FALSE(fs::exists(out + "/statements.json"));
    EXPECT_FALSE(fs::exists(out + "/DONE"));
  }
}

TEST(LazyComparison, DivergedLinearisationIsSaid) {
  const ScratchFolder scratch;
  auto options = two_layers();
  options.run.epochs = 400;
  options.run.out = scratch / "linear";
  train::Experiment experiment(options);
  const auto kernel = kernel_of(experiment, int64_t{1} << 30);
  options.schedule.lr = 3 * linearise::max_learning_rate(kernel.train);
  try {
    run_linearised(options, "compare", {}, kernel);
    FAIL();
  } catch (const Error& error) {
    const std::string text = error.what();
    EXPECT_TRUE(
        text.starts_with("compare: the loss of the linearised network is not finite at "
                         "step "))
        << text;
    EXPECT_TRUE(
        text.ends_with("; its learning rate is above the stable one: try a smaller "
                       "--lr-fraction"))
        << text;
  }
  EXPECT_FALSE(fs::exists(options.run.out + "/DONE"));
  EXPECT_FALSE(fs::exists(options.run.out + "/linearised.safetensors"));
}

}  // namespace
}  // namespace unlazy::experiments
