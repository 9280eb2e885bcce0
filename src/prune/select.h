// From scores to masks.
//   one_shot_masks   of n weights the k = round((1 - density) n) of lowest score are pruned: the
//                    rule of torch.nn.utils.prune (global_unstructured, and l1_unstructured layer
//                    by layer), to the weight: where scores are equal, torch.topk on the CPU
//                    decides, on the weights in PyTorch's order
//   next_mask        of r weights left, with s their sorted scores, those with
//                    score > s[ceil(fraction r)] stay: the rule of open_lth, which prunes
//                    ceil(fraction r) + 1 of r weights with distinct scores
// All densities of one_shot_masks share one sort.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "optim/flat_parameters.h"

namespace unlazy::prune {

/// What is pruned together.
struct Pool {
  std::vector<optim::Segment> layers;  // others are left whole
  bool is_layerwise = false;           // each layer by itself, or all of them by one threshold
};

/// One mask [num_weights] a density in (0, 1] of `pool`'s weights, within `mask` (undefined: all of
/// them), which counts as already pruned. `densities` descend; each mask is contained in the one
/// before. Where two levels part the same group of equal scores (as in weights that are zero
/// already) the first weights in PyTorch's order go first, so that masks stay nested; torch does
/// not promise that. Throws a misuse Error for a density outside (0, 1] or above the one before.
std::vector<at::Tensor> one_shot_masks(const at::Tensor& scores, const Pool& pool,
                                       const std::vector<double>& densities,
                                       const at::Tensor& mask = {});

/// The mask after `mask` with `fraction` in [0, 1) of its weights gone.
at::Tensor next_mask(const at::Tensor& scores, const Pool& pool, double fraction,
                     const at::Tensor& mask);

/// Throws a misuse Error unless densities are in (0, 1] and descend.
void check_densities(const std::vector<double>& densities);

}  // namespace unlazy::prune
