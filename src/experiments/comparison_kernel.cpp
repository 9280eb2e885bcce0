#include "experiments/comparison_kernel.h"

#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/safetensors.h"
#include "experiments/linearised_run.h"

namespace unlazy::experiments {
namespace {

constexpr const char* kStatistics = "batch-norm-statistics";

std::string file_in(const std::string& folder) { return folder + "/kernel.safetensors"; }

// The kernels in the network's fp32 or fp64, and in fp64 for training.
double kernel_bytes(const train::TrainOptions& train, const DataSize& size) {
  const double entry = (train.compute.precision == "fp64" ? 8 : 4) + 8;
  const auto rows = static_cast<double>(size.num_train * size.num_outputs);
  return entry * rows * (rows + static_cast<double>(size.num_test * size.num_outputs));
}

std::optional<linearise::Kernel> read_kernel(const std::string& folder, const at::Device& device,
                                             const train::Hooks& hooks) {
  if (!std::filesystem::exists(file_in(folder))) return {};
  try {
    const auto file = load_tensors(file_in(folder));
    if (!file.metadata.contains(kStatistics)) return {};  // of a version that did not collect them
    const auto tensor = [&](const char* name) {
      return file.contains(name) ? file.at(name).to(device) : at::Tensor();
    };
    linearise::Kernel kernel{file.at("ntk_train").to(device), tensor("ntk_test"),
                             file.at("f_train").to(device), tensor("f_test")};
    const auto rows = kernel.train_outputs.numel();
    if (kernel.train.dim() == 2 && kernel.train.size(0) == rows && kernel.train.size(1) == rows) {
      if (hooks.on_line) hooks.on_line("kernel read from " + file_in(folder));
      return kernel;
    }
    throw Error(file_in(folder) + ": is no kernel of these images");
  } catch (const Error& error) {
    if (hooks.on_line) hooks.on_line(internal::concat("note: ", error.what(), "; computed again"));
    return {};
  }
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

}  // namespace

DataSize size_of(const train::TrainOptions& options) {
  const auto seed = static_cast<uint64_t>(options.run.seed);
  const auto splits = data::load(options.data, seed);
  const data::BatchOrder order(splits.train.size(), options.batch, seed);
  return {splits.train.size(), splits.test.size(), splits.train.num_classes(),
          order.steps_per_epoch()};
}

SpaceChoice choose_space(const std::string& asked, const train::TrainOptions& train,
                         const DataSize& size, int64_t memory) {
  if (asked == "weight") return {Space::kWeight, "as asked for"};
  const auto problem = function_space_problem(train);
  const double bytes = kernel_bytes(train, size);
  if (asked == "function") {
    UNLAZY_CHECK_USAGE(problem.empty(), "compare: in function space, ", problem,
                       ", or leave out --linear-space");
  } else if (!problem.empty()) {
    return {Space::kWeight, "function space: " + problem};
  } else if (bytes > static_cast<double>(memory)) {
    return {Space::kWeight,
            internal::concat("the kernels would take ", bytes_text(bytes), "; --ntk-memory is ",
                             bytes_text(static_cast<double>(memory)))};
  }
  return {Space::kFunction, "kernels of " + bytes_text(bytes)};
}

std::string text_of(const SpaceChoice& choice) {
  return internal::concat(choice.space == Space::kWeight ? "weight" : "function", " space (",
                          choice.reason, ")");
}

linearise::Kernel kernel_at_start(Space space, const train::TrainOptions& train,
                                  bool is_rate_wanted, int64_t memory, const std::string& folder,
                                  const train::Hooks& hooks) {
  if (space == Space::kWeight && !is_rate_wanted) return {};
  if (train.run.resume) {
    if (auto kernel = read_kernel(folder, resolve(train.compute).device, hooks)) return *kernel;
  }
  auto start = train;
  if (space == Space::kWeight && resolve(start.compute).dtype == c10::kBFloat16)
    start.compute.precision = "fp32";  // a rate needs no more than that
  train::Experiment experiment(start);
  UNLAZY_CHECK_USAGE(space == Space::kWeight || !experiment.model().is_random(),
                     "compare: ", train.model.name,
                     " draws random numbers in training (dropout), which a kernel of one function "
                     "cannot follow; export it without, or give --linear-space weight");
  return space == Space::kFunction ? kernel_of(experiment, memory)
                                   : kernel_of_some(experiment, memory, kRateImages);
}

void save_kernel(const linearise::Kernel& kernel, const std::string& folder) {
  if (!kernel.train.defined()) return;
  make_folder(folder);
  TensorFile file{{{"ntk_train", kernel.train}},
                  {{"rows", "(image, class)"}, {kStatistics, "collected at the start"}}};
  if (kernel.test.defined()) file.tensors.emplace_back("ntk_test", kernel.test);
  file.tensors.emplace_back("f_train", kernel.train_outputs);
  if (kernel.test.defined()) file.tensors.emplace_back("f_test", kernel.test_outputs);
  save_tensors(file_in(folder), file);
}

double learning_rate(const linearise::Kernel& kernel, double fraction,
                     const train::TrainOptions& train, const std::string& folder) {
  const auto& o = train.optimizer;
  const double rate = fraction * linearise::max_learning_rate(kernel.train, o.momentum, o.nesterov);
  return train.run.resume ? begun_rate(rate, folder) : rate;
}

}  // namespace unlazy::experiments
