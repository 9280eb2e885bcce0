#include "train/checkpoint.h"

#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/safetensors.h"
#include "models/weights.h"
#include "prune/mask.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;

// The sums of an unfinished epoch and the mask travel with the optimizer's state, under names that
// no optimizer uses.
constexpr const char* kSums = "train-sums";
constexpr const char* kMask = "mask";

std::vector<std::pair<std::string, at::Tensor>> state_tensors(Experiment& experiment) {
  auto tensors = experiment.optimizer().state();
  tensors.emplace_back(kSums, experiment.step().sums());
  if (experiment.parameters().mask().defined())
    tensors.emplace_back(kMask, experiment.parameters().mask());
  return tensors;
}

}  // namespace

void save_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step) {
  const fs::path target = run.checkpoint(step);
  const fs::path temporary = target.string() + ".writing";
  try {
    fs::remove_all(temporary);
    fs::create_directories(temporary);
    save_tensors(temporary / "model.safetensors",
                 {experiment.named_tensors(),
                  {{"format", "pt"}, {"model", experiment.options().model.name}}});
    save_tensors(temporary / "state.safetensors", {state_tensors(experiment), {}});
    nlohmann::ordered_json meta;
    meta["step"] = step;
    meta["model"] = experiment.options().model.name;
    meta["is-pruned"] = experiment.parameters().mask().defined();
    meta["recorder"] = recorder.state();
    write_file(temporary / "meta.json", meta.dump(2) + "\n");
    fs::remove_all(target);
    fs::rename(temporary, target);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    throw Error(internal::concat("checkpoint: step ", step, " was not saved: ", error.what(),
                                 "; older checkpoints are untouched, continue with --resume"));
  }
}

void load_checkpoint_weights(const std::string& folder, Experiment& experiment) {
  const auto model = read_json_file(folder + "/meta.json").at("model").get<std::string>();
  UNLAZY_CHECK_USAGE(model == experiment.options().model.name, folder,
                     ": is a checkpoint of model '", model, "', not of '",
                     experiment.options().model.name, "'; use --model ", model);
  at::NoGradGuard no_grad;
  models::copy_tensors(folder + "/model.safetensors", experiment.named_tensors());
  experiment.parameters().publish();
}

int64_t load_newest_checkpoint(const RunDir& run, Experiment& experiment, Recorder& recorder) {
  const auto steps = run.checkpoint_steps();
  UNLAZY_CHECK(!steps.empty(), run.path(),
               ": has no checkpoint to resume from; start again with --overwrite");
  const std::string folder = run.checkpoint(steps.back());
  load_checkpoint_weights(folder, experiment);
  const auto meta = read_json_file(folder + "/meta.json");
  at::NoGradGuard no_grad;
  auto& parameters = experiment.parameters();
  if (meta.value("is-pruned", false)) parameters.set_mask(prune::full_mask(parameters));
  models::copy_tensors(folder + "/state.safetensors", state_tensors(experiment));
  parameters.set_mask(parameters.mask());  // takes up the mask as it was read
  parameters.publish();
  recorder.restore(meta.at("recorder"));
  return meta.at("step").get<int64_t>();
}

void prune_checkpoints(const RunDir& run, int64_t keep, const std::vector<int64_t>& spared) {
  if (keep == 0) return;
  auto steps = run.checkpoint_steps();
  std::erase_if(steps, [&](int64_t step) {
    return std::find(spared.begin(), spared.end(), step) != spared.end();
  });
  for (int64_t i = 0; i + keep < static_cast<int64_t>(steps.size()); ++i) {
    fs::remove_all(run.checkpoint(steps[static_cast<size_t>(i)]));
  }
}

}  // namespace unlazy::train
