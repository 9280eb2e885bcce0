#include "prune/filters.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "core/error.h"

namespace unlazy::prune {
namespace {

constexpr std::string_view kFirst = "conv1.weight";

const at::Tensor* find(const NamedTensors& tensors, const std::string& name) {
  for (const auto& [known, tensor] : tensors) {
    if (known == name) return &tensor;
  }
  return nullptr;
}

// "layer1.0." for each residual block, in order. The stem's conv1 has no conv2 beside it.
std::vector<std::string> blocks_of(const NamedTensors& tensors) {
  std::vector<std::string> blocks;
  for (const auto& [name, tensor] : tensors) {
    if (!name.ends_with(kFirst)) continue;
    const auto block = name.substr(0, name.size() - kFirst.size());
    // Wide ResNets normalise before the convolution: there bn1 is not that of conv1's filters.
    UNLAZY_CHECK_USAGE(!block.starts_with("block"),
                       "filters: pre-activation networks such as wrn are not served; use it with "
                       "a resnet");
    if (find(tensors, block + "conv2.weight") != nullptr) blocks.push_back(block);
  }
  UNLAZY_CHECK_USAGE(!blocks.empty(),
                     "filters: the network has no residual blocks; use it with a resnet");
  return blocks;
}

std::vector<double> scores_of(const NamedTensors& tensors, const std::string& block,
                              const std::string& score) {
  at::Tensor values;
  if (score == "bn-scale") {
    const auto* scale = find(tensors, block + "bn1.weight");
    UNLAZY_CHECK_USAGE(scale != nullptr, "filters: bn-scale needs BatchNorm; use l1 or l2");
    values = scale->abs();
  } else {
    const auto& weight = *find(tensors, block + std::string(kFirst));
    values = at::linalg_vector_norm(weight.flatten(1), score == "l1" ? 1 : 2, 1);
  }
  values = values.to(c10::kDouble).cpu().contiguous();
  const double* first = values.const_data_ptr<double>();
  return {first, first + values.numel()};
}

// The places of the `count` highest scores, ascending; of equal ones the first.
std::vector<int64_t> highest(const std::vector<double>& scores, int64_t count) {
  std::vector<int64_t> order(scores.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(count));
  std::sort(order.begin(), order.end());
  return order;
}

int64_t share(double density, size_t total) {
  return std::max<int64_t>(1, std::llround(density * static_cast<double>(total)));
}

// How many filters of each block have one of the highest scores of all blocks.
std::vector<int64_t> global_counts(const std::vector<std::vector<double>>& scores, double density) {
  std::vector<double> all;
  for (const auto& block : scores) all.insert(all.end(), block.begin(), block.end());
  std::vector<int64_t> counts(scores.size(), 0);
  for (int64_t place : highest(all, share(density, all.size()))) {
    size_t block = 0;
    while (place >= static_cast<int64_t>(scores[block].size()))
      place -= static_cast<int64_t>(scores[block++].size());
    ++counts[block];
  }
  for (auto& count : counts) count = std::max<int64_t>(count, 1);
  return counts;
}

enum class Axis { kNone, kOut, kIn };

// Along which axis of a tensor the filters of its block lie.
Axis axis_of(const std::string& name, const std::string& block) {
  if (name.rfind(block, 0) != 0) return Axis::kNone;
  const auto rest = name.substr(block.size());
  if (rest == "conv2.weight") return Axis::kIn;
  const bool is_filter = rest.rfind("conv1.", 0) == 0 || rest.rfind("bn1.", 0) == 0;
  return is_filter && rest != "bn1.num_batches_tracked" ? Axis::kOut : Axis::kNone;
}

}  // namespace

std::vector<Choice> filter_scores() {
  return {{"l1", "L1 norm of the filter, the same fraction of each block"},
          {"l2", "L2 norm of the filter, the same fraction of each block"},
          {"bn-scale", "size of the BatchNorm scale, one threshold for all blocks"}};
}

std::vector<BlockFilters> choose_filters(const NamedTensors& tensors, const std::string& score,
                                         double density) {
  UNLAZY_CHECK_USAGE(density > 0 && density <= 1, "filters: the density must be in (0, 1], got ",
                     density);
  const auto blocks = blocks_of(tensors);
  UNLAZY_CHECK_USAGE(find(tensors, blocks[0] + "bn1.weight") == nullptr ||
                         find(tensors, blocks[0] + "bn1.running_mean") != nullptr,
                     "filters: removing filters would change the groups of --norm group; use "
                     "--norm batch or none");
  std::vector<std::vector<double>> scores;
  for (const auto& block : blocks) scores.push_back(scores_of(tensors, block, score));
  std::vector<int64_t> counts;
  if (score == "bn-scale") {
    counts = global_counts(scores, density);
  } else {
    for (const auto& block : scores) counts.push_back(share(density, block.size()));
  }
  std::vector<BlockFilters> filters;
  for (size_t i = 0; i < blocks.size(); ++i) {
    filters.push_back(
        {blocks[i], static_cast<int64_t>(scores[i].size()), highest(scores[i], counts[i])});
  }
  return filters;
}

NamedTensors remove_filters(const NamedTensors& tensors, const std::vector<BlockFilters>& filters) {
  NamedTensors result;
  for (const auto& [name, tensor] : tensors) {
    auto value = tensor;
    for (const auto& block : filters) {
      const Axis axis = axis_of(name, block.block);
      if (axis != Axis::kNone) {
        const auto kept = at::tensor(block.kept).to(tensor.device());
        value = tensor.index_select(axis == Axis::kOut ? 0 : 1, kept);
      }
    }
    result.emplace_back(name, value);
  }
  return result;
}

std::vector<int64_t> block_widths(const std::vector<BlockFilters>& filters) {
  std::vector<int64_t> widths;
  for (const auto& block : filters) widths.push_back(static_cast<int64_t>(block.kept.size()));
  return widths;
}

}  // namespace unlazy::prune
