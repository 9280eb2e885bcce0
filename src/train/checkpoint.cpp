#include "train/checkpoint.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/aminmax.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <exception>
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

std::string model_of(const std::string& checkpoint) {
  return read_json_file(checkpoint + "/meta.json").at("model");
}

void check_model(const std::string& checkpoint, const std::string& model,
                 const Experiment& experiment) {
  UNLAZY_CHECK_USAGE(model == experiment.options().model.name, checkpoint,
                     ": is a checkpoint of model '", model, "', not of '",
                     experiment.options().model.name, "'; use --model ", model);
}

// Writing into new memory takes five times as long as into memory that is there.
void copy(const std::vector<std::pair<std::string, at::Tensor>>& tensors, TensorFile& file) {
  file.tensors.resize(tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    auto& [name_there, there] = file.tensors[i];
    name_there = name;
    if (there.defined() && there.device() == tensor.device() && there.sizes() == tensor.sizes() &&
        there.scalar_type() == tensor.scalar_type())
      there.copy_(tensor);
    else
      there = tensor.clone(at::MemoryFormat::Contiguous);
  }
}

[[noreturn]] void fail_to_save(const RunDir& run, int64_t step, const std::exception& error) {
  throw Error(internal::concat("checkpoint: step ", step, " was not saved: ", error.what(),
                               run.checkpoint_steps().empty()
                                   ? "; there is no older one: start the run again with --resume"
                                   : "; older checkpoints are untouched, continue with --resume"));
}

// Puts the folder `written` in the place of `target`. One that is there already was damaged.
void put_in_place(const fs::path& written, const fs::path& target) {
  const fs::path old = target.string() + ".old";
  if (fs::exists(target)) {
    fs::remove_all(old);
    fs::rename(target, old);
  }
  fs::rename(written, target);
  sync_folder(target.parent_path().string());
  std::error_code ignored;
  fs::remove_all(old, ignored);
}

// Loads all of a checkpoint but the recorder's state. Throws Error when it is damaged.
void load_checkpoint(const std::string& folder, int64_t step, Experiment& experiment) {
  load_checkpoint_weights(folder, experiment);
  const auto meta = read_json_file(folder + "/meta.json");
  const at::NoGradGuard no_grad;
  auto& parameters = experiment.parameters();
  parameters.set_mask(meta.value("is-pruned", false) ? prune::full_mask(parameters) : at::Tensor());
  models::copy_tensors(folder + "/state.safetensors", state_tensors(experiment));
  parameters.set_mask(parameters.mask());  // takes up the mask as it was read
  parameters.publish();
  UNLAZY_CHECK(meta.at("step") == step, folder, ": its meta.json is of step ",
               meta.at("step").dump());
  UNLAZY_CHECK(is_finite(experiment), folder, ": its weights are not finite");
}

// What the training that goes on from an older one would write there again; the user may look at
// it.
void set_aside(const std::string& checkpoint) {
  std::error_code ignored;
  fs::remove_all(checkpoint + ".damaged", ignored);
  fs::rename(checkpoint, checkpoint + ".damaged", ignored);
}

}  // namespace

bool is_finite(Experiment& experiment) {
  const at::NoGradGuard no_grad;
  auto tensors = experiment.named_tensors();
  for (auto& tensor : experiment.optimizer().state()) tensors.push_back(std::move(tensor));
  // The extremes are NaN where a number is: one pass over the numbers, without memory for masks.
  std::vector<at::Tensor> finite;
  for (const auto& [name, tensor] : tensors) {
    if (!tensor.is_floating_point() || tensor.numel() == 0) continue;
    const auto [least, greatest] = at::aminmax(tensor);
    finite.push_back(at::isfinite(least));
    finite.push_back(at::isfinite(greatest));
  }
  return at::stack(finite).all().item<bool>();
}

void take_snapshot(const RunDir& run, Experiment& experiment, Recorder& recorder, int64_t step,
                   Snapshot& snapshot) {
  const at::NoGradGuard no_grad;
  const std::string& model = experiment.options().model.name;
  try {
    nlohmann::ordered_json meta;
    meta["step"] = step;
    meta["model"] = model;
    meta["is-pruned"] = experiment.parameters().mask().defined();
    meta["recorder"] = recorder.state();
    snapshot.step = step;
    snapshot.meta = meta.dump(2) + "\n";
    snapshot.model.metadata = {{"format", "pt"}, {"model", model}};
    copy(experiment.named_tensors(), snapshot.model);
    copy(state_tensors(experiment), snapshot.state);
  } catch (const std::exception& error) {
    fail_to_save(run, step, error);
  }
}

void write_checkpoint(const RunDir& run, const Recorder& recorder, const Snapshot& snapshot) {
  const fs::path target = run.checkpoint(snapshot.step);
  const fs::path temporary = target.string() + ".writing";
  try {
    fs::remove_all(temporary);
    make_folder(temporary.string());
    save_tensors(temporary / "model.safetensors", snapshot.model);
    save_tensors(temporary / "state.safetensors", snapshot.state);
    recorder.sync();
    write_file(temporary / "meta.json", snapshot.meta);
    put_in_place(temporary, target);
  } catch (const std::exception& error) {
    std::error_code ignored;
    fs::remove_all(temporary, ignored);
    fail_to_save(run, snapshot.step, error);
  }
}

void load_checkpoint_weights(const std::string& folder, Experiment& experiment) {
  check_model(folder, model_of(folder), experiment);
  at::NoGradGuard no_grad;
  models::copy_tensors(folder + "/model.safetensors", experiment.named_tensors());
  experiment.parameters().publish();
}

std::optional<int64_t> load_newest_checkpoint(const RunDir& run, Experiment& experiment,
                                              Recorder& recorder,
                                              const std::function<void(const std::string&)>& note) {
  const auto steps = run.checkpoint_steps();
  std::string problems;
  for (size_t i = steps.size(); i-- > 0;) {
    const std::string folder = run.checkpoint(steps[i]);
    std::string problem, model;
    try {
      model = model_of(folder);
      if (model == experiment.options().model.name) load_checkpoint(folder, steps[i], experiment);
    } catch (const Error& error) {
      problem = error.what();
    } catch (const nlohmann::json::exception& error) {
      problem = folder + "/meta.json: " + error.what();
    }
    if (problem.empty()) {
      check_model(folder, model, experiment);
      // Not a matter of this checkpoint: a table that cannot be read is an error.
      recorder.restore(read_json_file(folder + "/meta.json").at("recorder"), steps[i], note);
      for (size_t damaged = i + 1; damaged < steps.size(); ++damaged)
        set_aside(run.checkpoint(steps[damaged]));
      return steps[i];
    }
    problems += (problems.empty() ? "" : "; ") + problem;
    if (i > 0) note(problem + "; going on from " + run.checkpoint(steps[i - 1]));
  }
  UNLAZY_CHECK(steps.empty(), run.path(), ": no checkpoint can be read (", problems,
               "); start again with --overwrite");
  return {};
}

std::string prune_checkpoints(const RunDir& run, int64_t keep, const std::vector<int64_t>& spared) {
  std::vector<fs::path> doomed;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(run.file("checkpoints"), error)) {
    const auto end = entry.path().extension();
    const auto stem = entry.path().stem().string();
    const bool is_ours = stem.find_first_not_of("0123456789") == std::string::npos;
    if (is_ours && (end == ".writing" || end == ".old")) doomed.push_back(entry.path());
  }
  auto steps = run.checkpoint_steps();
  std::erase_if(steps, [&](int64_t step) {
    return std::find(spared.begin(), spared.end(), step) != spared.end();
  });
  for (int64_t i = 0; keep > 0 && i + keep < static_cast<int64_t>(steps.size()); ++i)
    doomed.emplace_back(run.checkpoint(steps[static_cast<size_t>(i)]));
  std::string problem;
  for (const auto& folder : doomed) {
    // Renamed first, so that no half checkpoint ever has the name of a whole one.
    fs::path gone = folder;
    if (folder.extension().empty()) fs::rename(folder, gone += ".old", error);
    if (!error) fs::remove_all(gone, error);
    if (error) problem = folder.string() + ": cannot be removed: " + error.message();
    error.clear();
  }
  return problem;
}

}  // namespace unlazy::train
