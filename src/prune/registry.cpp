#include "core/error.h"
#include "prune/criterion.h"
#include "prune/mask.h"

namespace unlazy::prune {

MakeCriterion make_magnitude, make_layer_magnitude, make_gradient, make_random;

const Registry<MakeCriterion>& registry() {
  static const Registry<MakeCriterion> criteria(
      "criterion",
      {
          {"magnitude",
           "|w|, one threshold for all layers, as torch.nn.utils.prune's "
           "global_unstructured",
           make_magnitude},
          {"layer-magnitude", "|w|, the same fraction of each layer", make_layer_magnitude},
          {"gradient", "|g w|, g the gradient of the training loss, one threshold for all layers",
           make_gradient},
          {"random", "uniformly random, over all layers", make_random},
      });
  return criteria;
}

OptionTable describe(CriterionOptions& o) {
  return {"Criterion",
          {{.name = "criterion",
            .target = &o.name,
            .help = "Which weights are pruned first: those of lowest score.",
            .choices = registry().choices(),
            .is_common = true},
           {.name = "keep-first",
            .target = &o.keep_first,
            .help = "Do not prune the first layer (the stem); densities are then those of the "
                    "other layers."},
           {.name = "keep-last",
            .target = &o.keep_last,
            .help = "Do not prune the last layer (the head); densities are then those of the other "
                    "layers."}}};
}

std::vector<optim::Segment> prunable_layers(const CriterionOptions& options,
                                            const optim::FlatParameters& parameters) {
  auto layers = weight_layers(parameters);
  if (options.keep_first && !layers.empty()) layers.erase(layers.begin());
  if (options.keep_last && !layers.empty()) layers.pop_back();
  UNLAZY_CHECK_USAGE(!layers.empty(),
                     "prune: --keep-first and --keep-last leave no layer to prune");
  return layers;
}

}  // namespace unlazy::prune
