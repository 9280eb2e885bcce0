// A pruned weight is exactly 0 after every step, whatever the optimizer; no mask and a mask of ones
// are the same run bit for bit; a run resumed in the middle is the uninterrupted one.
#include <ATen/TensorOperators.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/safetensors.h"
#include "models/weights.h"
#include "optim/optimizer.h"
#include "prune/mask.h"
#include "prune/small_network.h"
#include "support/expect_error.h"
#include "support/optimizers.h"
#include "support/scratch_folder.h"
#include "support/small_run.h"
#include "train/experiment.h"
#include "train/saved_run.h"

namespace unlazy {
namespace {

train::TrainOptions small_run(const std::string& precision = "fp64") {
  auto o = testing::small_run();
  o.noise.kind = "flip";
  o.noise.rate = 0.2;
  o.optimizer.weight_decay = 0.01;
  o.run.checkpoint_every = Step::iterations(3);
  o.run.curve_ema = 0;
  o.measure.every = Step::iterations(3);
  o.compute.precision = precision;
  return o;
}

at::Tensor half_mask(const optim::FlatParameters& parameters) {
  return at::rand({parameters.num_weights()}) < 0.5;
}

at::Tensor pruned_part(train::Experiment& e, const at::Tensor& mask) {
  return e.parameters().values().narrow(0, 0, mask.numel()).masked_select(mask.logical_not());
}

at::Tensor seen_by_network(train::Experiment& e) {
  const auto tensors = models::named_tensors(e.model());
  return tensors.front().second.to(c10::kDouble);
}

class MaskedTraining : public ::testing::TestWithParam<std::string> {};

// Momentum that a weight had before it was pruned must not bring it back either.
TEST_P(MaskedTraining, PrunedWeightsAreZeroAfterEveryStep) {
  for (const char* precision : {"fp32", "bf16", "fp64"}) {
    SCOPED_TRACE(precision);
    auto options = small_run(precision);
    testing::choose_optimizer(options.optimizer, GetParam());
    train::Experiment e(options);
    e.run_step(0);
    const auto mask = half_mask(e.parameters());
    e.parameters().set_mask(mask);
    const auto kept_before =
        e.parameters().values().narrow(0, 0, mask.numel()).masked_select(mask).clone();
    for (int64_t step = 1; step < 5; ++step) {
      e.run_step(step);
      EXPECT_EQ(pruned_part(e, mask).abs().max().item<double>(), 0) << "step " << step;
      EXPECT_EQ(e.parameters()
                    .gradients()
                    .narrow(0, 0, mask.numel())
                    .masked_select(mask.logical_not())
                    .abs()
                    .max()
                    .item<double>(),
                0);
      const auto shown = seen_by_network(e);
      const auto kept = optim::FlatParameters::view(mask, e.parameters().segments()[0]);
      EXPECT_EQ(shown.masked_select(kept.logical_not()).abs().max().item<double>(), 0);
    }
    const auto kept = e.parameters().values().narrow(0, 0, mask.numel()).masked_select(mask);
    EXPECT_GT((kept - kept_before).abs().min().item<double>(), 0);
  }
}

TEST_P(MaskedTraining, AMaskOfOnesIsNoMask) {
  for (const char* precision : {"fp32", "bf16", "fp64"}) {
    SCOPED_TRACE(precision);
    auto options = small_run(precision);
    testing::choose_optimizer(options.optimizer, GetParam());
    train::Experiment plain(options), masked(options);
    masked.parameters().set_mask(prune::full_mask(masked.parameters()));
    for (int64_t step = 0; step < 4; ++step) {
      plain.run_step(step);
      masked.run_step(step);
    }
    EXPECT_TRUE(at::equal(plain.parameters().values(), masked.parameters().values()));
  }
}

INSTANTIATE_TEST_SUITE_P(All, MaskedTraining, ::testing::ValuesIn([] {
                           std::vector<std::string> names;
                           for (const auto& entry : optim::registry().entries())
                             names.push_back(entry.name);
                           return names;
                         }()),
                         [](const auto& test) {
                           auto name = test.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

// A dense layer of which half the inputs are pruned is that layer on half the inputs: the norm that
// clipping sees, the momentum and the decay are those of the smaller network.
TEST(MaskedRun, ClippingSeesTheWeightsThatAreLeft) {
  auto options = small_run();
  options.optimizer.clip_norm = 0.01;
  train::Experiment e(options);
  auto mask = prune::full_mask(e.parameters());
  mask.zero_();
  e.parameters().set_mask(mask);
  e.run_step(0);
  // Only biases have gradients now; they were scaled to the whole of the norm allowed.
  EXPECT_NEAR(e.parameters().gradients().norm().item<double>(), 0.01, 1e-5);
}

train::TrainOptions in_folder(const testing::ScratchFolder& folder, const std::string& name) {
  auto options = small_run();
  options.run.out = folder / name;
  options.run.mask = folder / "mask.safetensors";
  return options;
}

at::Tensor final_weights(const train::TrainOptions& o) {
  return load_tensors(o.run.out + "/checkpoints/00000006/model.safetensors").at("layers.0.weight");
}

void expect_resumed_is_whole(const std::string& optimizer) {
  const testing::ScratchFolder folder;
  at::Tensor mask;
  {
    train::Experiment e(small_run());
    mask = half_mask(e.parameters());
    prune::save_mask(e.parameters(), mask, folder / "mask.safetensors");
  }
  auto whole = in_folder(folder, "whole"), parts = in_folder(folder, "parts");
  whole.optimizer.name = parts.optimizer.name = optimizer;
  train::run_training(whole, {});
  int calls = 0;
  train::Hooks stop;
  stop.should_stop = [&] { return ++calls == 4; };
  EXPECT_EQ(train::run_training(parts, stop), train::Outcome::kInterrupted);
  // The mask comes from the checkpoint, not from the file, which has another by now.
  {
    train::Experiment e(small_run());
    prune::save_mask(e.parameters(), prune::full_mask(e.parameters()), folder / "mask.safetensors");
  }
  parts.run.resume = true;
  train::run_training(parts, {});
  EXPECT_TRUE(at::equal(final_weights(whole), final_weights(parts)));
  const auto state = load_tensors(parts.run.out + "/checkpoints/00000006/state.safetensors");
  EXPECT_TRUE(at::equal(state.at("mask"), mask));
  const auto kept = mask.narrow(0, 0, final_weights(parts).numel());
  EXPECT_EQ(final_weights(parts).ne(0).sum().item<int64_t>(), kept.sum().item<int64_t>());
}

TEST(MaskedRun, ResumesAsTheUninterruptedOne) { expect_resumed_is_whole("sgd"); }
TEST(MaskedRun, ResumesAsTheUninterruptedOneWithSam) { expect_resumed_is_whole("sam"); }

// Rewinding: from step 3 with its weights, without momentum the same run from there on.
TEST(MaskedRun, StartsAtALaterStep) {
  const testing::ScratchFolder folder;
  auto whole = small_run();
  whole.optimizer.momentum = 0;
  whole.run.out = folder / "whole";
  whole.run.checkpoint_at = {Step::iterations(3)};
  train::run_training(whole, {});
  auto rest = whole;
  rest.run.out = folder / "rest";
  rest.run.weights = whole.run.out + "/checkpoints/00000003/model.safetensors";
  rest.run.start_at = Step::iterations(3);
  train::run_training(rest, {});
  EXPECT_TRUE(at::equal(final_weights(whole), final_weights(rest)));
}

TEST(MaskedRun, StartAfterTheEndIsRefused) {
  auto options = small_run();
  options.run.start_at = Step::iterations(7);
  testing::expect_misuse([&] { train::Experiment e(options); },
                         "train: --start-at 7it is after the end of training, step 6");
}

TEST(MaskedRun, AMaskOfAnotherSizeIsRefused) {
  testing::SmallNetwork network;
  optim::FlatParameters parameters(network, c10::kCPU, c10::kFloat);
  testing::expect_error([&] { parameters.set_mask(at::zeros({3}, c10::kBool)); },
                        "flat parameters: a mask has 1528 elements of type Bool, one a weight; got "
                        "3 of type Bool");
}

}  // namespace
}  // namespace unlazy
