// From scores to masks.
//   one_shot_masks   prunes the k = round((1 - density) n) weights of lowest score among n. Agrees
//                    with torch.nn.utils.prune (global_unstructured, and l1_unstructured layer by
//                    layer) in every weight. Where scores are equal, torch.topk on the CPU decides,
//                    on the weights in PyTorch's order.
//   next_mask        of r remaining weights, with s their sorted scores, keeps those with
//                    score > s[ceil(fraction r)]. This is the rule of open_lth, which prunes
//                    ceil(fraction r) + 1 of r weights with distinct scores.
// All densities of one_shot_masks share one sort.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "optim/flat_parameters.h"

namespace unlazy::prune {

/// The weights that are pruned together.
struct Pool {
  std::vector<optim::Segment> layers;  // other layers are not pruned
  bool is_layerwise = false;           // true: each layer by itself; false: one threshold for all
};

/// One mask [num_weights] for each density in (0, 1] of `pool`'s weights. Weights outside `mask`
/// (undefined: none) count as pruned already. `densities` descend; each mask is contained in the
/// one before. If two levels divide the same group of equal scores (as in weights that are zero
/// already), the first weights in PyTorch's order are pruned first, so that masks stay nested;
/// torch does not promise that. Throws a misuse Error for a density outside (0, 1] or above the one
/// before.
std::vector<at::Tensor> one_shot_masks(const at::Tensor& scores, const Pool& pool,
                                       const std::vector<double>& densities,
                                       const at::Tensor& mask = {});

/// The mask that follows `mask` when `fraction` in [0, 1) of its weights is pruned.
at::Tensor next_mask(const at::Tensor& scores, const Pool& pool, double fraction,
                     const at::Tensor& mask);

/// Throws a misuse Error unless densities are in (0, 1] and descend.
void check_densities(const std::vector<double>& densities);

}  // namespace unlazy::prune
