#include "noise/label_noise.h"

#include "core/error.h"

namespace unlazy::noise {
namespace {

// The kinds that add to regression targets, or all others but none, which replace class labels.
std::vector<std::string> kinds(bool are_for_targets) {
  constexpr int64_t kClasses = 10;  // a number that every kind takes
  std::vector<std::string> names;
  for (const auto& entry : registry().entries()) {
    if (entry.name == "none") continue;
    if (entry.make({{}, kClasses, 0})->is_for_targets() == are_for_targets)
      names.push_back(entry.name);
  }
  return names;
}

}  // namespace

OptionTable describe(NoiseOptions& options) {
  const auto of_labels = kinds(false), of_targets = kinds(true);
  auto all = of_labels;
  all.insert(all.end(), of_targets.begin(), of_targets.end());
  return {"Label noise",
          {
              {.name = "noise",
               .target = &options.kind,
               .help = "Kind of label noise.",
               .choices = registry().choices(),
               .is_common = true},
              {.name = "noise-rate",
               .target = &options.rate,
               .range = Range::closed(0, 1),
               .help = "Class labels: probability that a label is replaced.",
               .only_for = {{"noise", of_labels}},
               .is_needed = true,
               .is_common = true},
              {.name = "noise-sigma",
               .target = &options.sigma,
               .range = Range::at_least(0),
               .help = "Regression targets: standard deviation of the noise that is added.",
               .only_for = {{"noise", of_targets}},
               .is_needed = true},
              {.name = "noise-start",
               .target = &options.start,
               .help = "When the noise is switched on.",
               .only_for = {{"noise", all}}},
              {.name = "noise-end",
               .target = &options.end,
               .help = "When the noise is switched off.",
               .only_for = {{"noise", all}}},
              {.name = "noise-ramp",
               .target = &options.ramp,
               .range = Range::closed(0, Step::kMost),
               .help = "Length of the ramp after the start, in which the noise grows linearly from "
                       "0 to its full size.",
               .only_for = {{"noise", all}}},
              {.name = "noise-period",
               .target = &options.period,
               .range = Range::above(0),
               .help = "Length of a period: the noise is on for one period after the start, off "
                       "for the next, and so on.",
               .only_for = {{"noise", all}}},
          }};
}

void LabelNoise::labels(std::span<const int64_t>, std::span<const int64_t>, double, Rng&,
                        std::span<int64_t>) const {
  throw Error("noise: this kind acts on regression targets, not on class labels",
              Error::Kind::kMisuse);
}

void LabelNoise::targets(double, Rng&, std::span<float>) const {
  throw Error("noise: this kind acts on class labels, not on regression targets",
              Error::Kind::kMisuse);
}

std::unique_ptr<LabelNoise> make_noise(const NoiseContext& context) {
  return registry().find(context.options.kind).make(context);
}

}  // namespace unlazy::noise
