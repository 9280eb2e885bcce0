#include "prune/select.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/sort.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>
#include <cmath>

#include "core/error.h"
#include "core/format.h"

namespace unlazy::prune {
namespace {

using Layers = std::vector<optim::Segment>;
constexpr double kPruned = -1;  // below every score: what is pruned already goes first

std::vector<Layers> groups_of(const Pool& pool) {
  if (!pool.is_layerwise) return {pool.layers};
  std::vector<Layers> groups;
  for (const auto& layer : pool.layers) groups.push_back({layer});
  return groups;
}

// The group's part of a flat buffer, each layer in PyTorch's row-major order.
at::Tensor in_torch_order(const at::Tensor& flat, const Layers& layers) {
  std::vector<at::Tensor> parts;
  for (const auto& layer : layers)
    parts.push_back(optim::FlatParameters::view(flat, layer).reshape({-1}));
  return parts.size() == 1 ? parts[0] : at::cat(parts);
}

// The way back: `values` in PyTorch's order into the group's part of `flat`.
void write_back(const at::Tensor& flat, const Layers& layers, const at::Tensor& values) {
  int64_t begin = 0;
  for (const auto& layer : layers) {
    optim::FlatParameters::view(flat, layer)
        .copy_(values.narrow(0, begin, layer.count).view(layer.shape));
    begin += layer.count;
  }
}

// Where one density cuts the sorted scores: positions below `count` are pruned.
struct Cut {
  int64_t count;       // k
  double below, here;  // scores at positions k - 1 and k
};

std::vector<Cut> find_cuts(const at::Tensor& sorted, const std::vector<double>& densities) {
  const int64_t total = sorted.numel();
  std::vector<Cut> cuts;
  std::vector<int64_t> places;
  for (const double density : densities) {
    // As Python's round(amount * n): to the nearest, halves to even.
    const auto count =
        static_cast<int64_t>(std::nearbyint((1 - density) * static_cast<double>(total)));
    cuts.push_back({count, 0, 0});
    places.push_back(std::max<int64_t>(count - 1, 0));
    places.push_back(std::min(count, total - 1));
  }
  const auto seen =
      sorted.index_select(0, at::tensor(places).to(sorted.device())).to(c10::kDouble).cpu();
  for (size_t i = 0; i < cuts.size(); ++i) {
    cuts[i].below = seen.const_data_ptr<double>()[2 * i];
    cuts[i].here = seen.const_data_ptr<double>()[2 * i + 1];
  }
  return cuts;
}

// [n] in PyTorch's order: which weights stay where the cut parts equal scores.
at::Tensor keep_by_topk(const at::Tensor& scores, const Cut& cut) {
  const auto host = scores.cpu();
  auto keep = at::ones({host.numel()}, host.options().dtype(c10::kBool));
  const auto lowest = std::get<1>(at::topk(host, cut.count, 0, /*largest=*/false));
  return keep.index_fill_(0, lowest, false).to(scores.device());
}

at::Tensor keep_by_order(const at::Tensor& scores, const Cut& cut) {
  const auto order = std::get<1>(at::sort(scores, /*stable=*/true, 0, /*descending=*/false));
  auto keep = at::ones({scores.numel()}, scores.options().dtype(c10::kBool));
  return keep.index_fill_(0, order.narrow(0, 0, cut.count), false);
}

class GroupMasks {
 public:
  GroupMasks(const at::Tensor& flat_scores, const Layers& layers,
             const std::vector<double>& densities)
      : flat_scores_(flat_scores), layers_(layers) {
    scores_ = in_torch_order(flat_scores, layers);
    cuts_ = find_cuts(std::get<0>(at::sort(scores_)), densities);
  }

  void write(const at::Tensor& mask, size_t level) const {
    const Cut& cut = cuts_[level];
    if (cut.count == 0) return;
    const bool is_empty = cut.count == scores_.numel();
    if (is_empty || cut.below < cut.here) {
      for (const auto& layer : layers_) {
        const auto scores = flat_scores_.narrow(0, layer.offset, layer.count);
        const auto stays = is_empty ? at::zeros_like(scores, c10::kBool) : scores >= cut.here;
        mask.narrow(0, layer.offset, layer.count).copy_(stays);
      }
      return;
    }
    write_back(mask, layers_,
               is_shared(cut) ? keep_by_order(scores_, cut) : keep_by_topk(scores_, cut));
  }

 private:
  // Do other levels part the same equal scores?
  bool is_shared(const Cut& cut) const {
    return std::any_of(cuts_.begin(), cuts_.end(), [&](const Cut& other) {
      return other.count != cut.count && other.count > 0 && other.below == cut.here &&
             other.here == cut.here;
    });
  }

  const at::Tensor& flat_scores_;
  const Layers& layers_;
  at::Tensor scores_;  // in PyTorch's order
  std::vector<Cut> cuts_;
};

}  // namespace

void check_densities(const std::vector<double>& densities) {
  for (size_t i = 0; i < densities.size(); ++i) {
    UNLAZY_CHECK_USAGE(densities[i] > 0 && densities[i] <= 1,
                       "prune: a density must be in (0, 1], got ", number_text(densities[i]),
                       " at level ", i);
    UNLAZY_CHECK_USAGE(i == 0 || densities[i] <= densities[i - 1], "prune: level ", i,
                       " has density ", number_text(densities[i]), ", above the last one's ",
                       number_text(densities[i - 1]),
                       "; a pruned weight does not come back, so give densities in falling order");
  }
}

std::vector<at::Tensor> one_shot_masks(const at::Tensor& scores, const Pool& pool,
                                       const std::vector<double>& densities,
                                       const at::Tensor& mask) {
  check_densities(densities);
  const auto before =
      mask.defined() ? mask : at::ones({scores.numel()}, scores.options().dtype(c10::kBool));
  const auto ranked = mask.defined() ? scores.masked_fill(mask.logical_not(), kPruned) : scores;
  std::vector<at::Tensor> masks;
  for (size_t i = 0; i < densities.size(); ++i) masks.push_back(before.clone());
  for (const auto& layers : groups_of(pool)) {
    const GroupMasks group(ranked, layers, densities);
    for (size_t i = 0; i < densities.size(); ++i) group.write(masks[i], i);
  }
  if (mask.defined()) {
    for (auto& level : masks) level.logical_and_(mask);
  }
  return masks;
}

at::Tensor next_mask(const at::Tensor& scores, const Pool& pool, double fraction,
                     const at::Tensor& mask) {
  UNLAZY_CHECK_USAGE(fraction >= 0 && fraction < 1,
                     "prune: the fraction pruned at a level must be in [0, 1), got ",
                     number_text(fraction));
  auto next = mask.clone();
  for (const auto& layers : groups_of(pool)) {
    const auto left = in_torch_order(scores, layers).masked_select(in_torch_order(mask, layers));
    const int64_t remaining = left.numel();
    const auto place = static_cast<int64_t>(std::ceil(fraction * static_cast<double>(remaining)));
    const auto sorted = std::get<0>(at::sort(left));
    for (const auto& layer : layers) {
      auto part = next.narrow(0, layer.offset, layer.count);
      if (place >= remaining) {
        part.zero_();  // too few to have a threshold: nothing is left
      } else {
        part.logical_and_(scores.narrow(0, layer.offset, layer.count) > sorted[place]);
      }
    }
  }
  return next;
}

}  // namespace unlazy::prune
