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
        .help = "Radius of the perturbation of sam, asam and gsam.",
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
        .help = "The update that is made with the gradient at the perturbed point.",
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
        .help = "m-SAM: a perturbation for each group of this many samples of the batch, which "
                "it must divide; 0: one for the batch.",
        .only_for = with_sam},
       {.name = "sam-interval",
        .target = &o.interval,
        .range = Range::at_least(1),
        .unit = "steps",
        .help = "Perturb every this many steps, with steps of --sam-base between.",
        .only_for = with_sam},
       {.name = "sam-start",
        .target = &o.start,
        .help = "From when on steps are perturbed, such as 150ep.",
        .only_for = with_sam},
       {.name = "sam-end",
        .target = &o.end,
        .help = "Until when steps are perturbed.",
        .only_for = with_sam},
       {.name = "asam-eta",
        .target = &o.eta,
        .range = Range::at_least(0),
        .help = "asam scales the neighbourhood by abs(w) + this.",
        .only_for = {{"optimizer", {"asam"}}}},
       {.name = "asam-scaling",
        .target = &o.scaling,
        .help = "What asam scales by its size.",
        .choices = {{"all", "every parameter, as in the paper"},
                    {"weights",
                     "parameters called weight, scales of normalisation layers included, as "
                     "the authors' code; biases as sam"}},
        .only_for = {{"optimizer", {"asam"}}}},
       {.name = "gsam-alpha",
        .target = &o.alpha,
        .range = Range::at_least(0),
        .help =
            "gsam's weight of the ascent along the part of the gradient that is "
            "perpendicular to the gradient at the perturbed point (Zhuang et al. 2022: 0.01 for "
            "ResNets on ImageNet, their Table 4; their CIFAR-10 example: 0.4).",
        .only_for = {{"optimizer", {"gsam"}}}}}};
}

void check_group_size(const SharpnessOptions& options, int64_t batch_size) {
  const int64_t m = options.group_size;
  if (m == 0) return;
  UNLAZY_CHECK_USAGE(batch_size % m == 0, "sam: --sam-m must divide --batch ", batch_size, ", got ",
                     m);
}

}  // namespace unlazy::optim
