#include "optim/sharpness_options.h"

#include "core/error.h"
#include "optim/optimizer.h"

namespace unlazy::optim {

OptionTable describe(SharpnessOptions& o) {
  const std::vector<OnlyFor> with_sam = {{"optimizer", sharpness_aware_optimizers()}};
  return {
      "Sharpness-aware minimisation (SAM)",
      {{.name = "rho",
        .target = &o.rho,
        .range = Range::at_least(0),
        .help =
            "Radius of the perturbation of sam, asam and gsam. With --precision bf16 the gradient "
            "at the perturbed weights is computed in fp32, because bf16 would round most of the "
            "perturbation away; gsam computes both gradients in fp32.",
        .only_for = with_sam,
        .is_common = true},
       {.name = "rho-schedule",
        .target = &o.rho_schedule,
        .help = "How the radius changes.",
        .choices = {{"constant", "not at all"},
                    {"linear", "from --rho at --sam-start to --rho-end at the end"},
                    {"cosine", "the same along half a cosine wave"},
                    {"lr", "from --rho to --rho-end as the learning rate falls from --lr to 0"}},
        .only_for = with_sam},
       {.name = "rho-end",
        .target = &o.rho_end,
        .range = Range::at_least(0),
        .help = "Radius at the end of --rho-schedule.",
        .only_for = {{"rho-schedule", {"linear", "cosine", "lr"}}}},
       {.name = "sam-base",
        .target = &o.base,
        .help = "Base optimizer, which makes the update with the gradient at the perturbed point.",
        .choices = base_registry().choices(),
        .only_for = with_sam},
       {.name = "sam-variant",
        .target = &o.variant,
        .help = "The perturbation.",
        .choices = {{"normalized", "rho * g / norm(g)"},
                    {"unnormalized", "rho * g (Andriushchenko and Flammarion 2022)"}},
        .only_for = {{"optimizer", {"sam"}}}},
       {.name = "sam-m",
        .target = &o.group_size,
        .range = Range::at_least(0),
        .unit = "samples",
        .help = "m-SAM: give each group of this many samples its own perturbation; must divide the "
                "batch; 0: one perturbation for the whole batch.",
        .only_for = with_sam},
       {.name = "sam-interval",
        .target = &o.interval,
        .range = Range::at_least(1),
        .unit = "steps",
        .help = "Perturb every Nth step; other steps use the base optimizer.",
        .only_for = with_sam},
       {.name = "sam-start",
        .target = &o.start,
        .help = "When perturbed steps begin, such as 150ep.",
        .only_for = with_sam},
       {.name = "sam-end",
        .target = &o.end,
        .help = "When perturbed steps end.",
        .only_for = with_sam},
       {.name = "asam-eta",
        .target = &o.eta,
        .range = Range::at_least(0),
        .help = "Constant eta of asam, which scales the neighbourhood by abs(w) + eta.",
        .only_for = {{"optimizer", {"asam"}}}},
       {.name = "asam-scaling",
        .target = &o.scaling,
        .help = "Which parameters asam scales by their size.",
        .choices = {{"all", "every parameter, as in the paper"},
                    {"weights",
                     "parameters called weight, including the scales of normalisation layers, as "
                     "in the authors' code; biases as in sam"}},
        .only_for = {{"optimizer", {"asam"}}}},
       {.name = "gsam-alpha",
        .target = &o.alpha,
        .range = Range::at_least(0),
        .help = "gsam: weight of the ascent along the part of the gradient that is perpendicular "
                "to the gradient at the perturbed point (Zhuang et al. 2022 use 0.01 for ResNets "
                "on ImageNet, their Table 4, and 0.4 in their CIFAR-10 example).",
        .only_for = {{"optimizer", {"gsam"}}}}}};
}

void check_group_size(const SharpnessOptions& options, int64_t batch_size) {
  const int64_t m = options.group_size;
  if (m == 0) return;
  UNLAZY_CHECK_USAGE(batch_size % m == 0, "sam: --sam-m must divide --batch ", batch_size, ", got ",
                     m);
}

}  // namespace unlazy::optim
