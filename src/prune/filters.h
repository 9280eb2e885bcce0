// Structured pruning: removes whole filters, which leaves a smaller dense network that is faster on
// any hardware.
// Only channels inside the residual blocks are removed: filters of conv1, with their places in bn1
// and in the inputs of conv2. The residual stream keeps its width, so every removal is exact (Li et
// al. 2017, section 3.3). Scores of a filter:
//   l1, l2     norm of its weights (Li et al. 2017), the same fraction of each block
//   bn-scale   |gamma| of its BatchNorm channel (Liu et al. 2017), one threshold for all blocks
// At least one filter of a block is kept.
// A filter whose weights, scale and shift are 0 has no effect on conv2, since relu(0) = 0. So the
// network without it computes the same function.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/registry.h"

namespace unlazy::prune {

/// Weights and buffers under PyTorch's names, as in model.safetensors.
using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

/// The filters of one block that are kept, ascending.
struct BlockFilters {
  std::string block;  // "layer1.0."
  int64_t total = 0;
  std::vector<int64_t> kept;
};

/// The choices of --filter-score.
std::vector<Choice> filter_scores();

/// Chooses the filters to keep at `density` in (0, 1] of all filters inside blocks. Throws a misuse
/// Error for tensors without residual blocks, for group normalisation (whose groups would change),
/// and for bn-scale without BatchNorm.
std::vector<BlockFilters> choose_filters(const NamedTensors& tensors, const std::string& score,
                                         double density);

/// The tensors of the smaller network.
NamedTensors remove_filters(const NamedTensors& tensors, const std::vector<BlockFilters>& filters);

/// The number of filters left in each block: --block-widths of the smaller network.
std::vector<int64_t> block_widths(const std::vector<BlockFilters>& filters);

}  // namespace unlazy::prune
