#include "noise/label_noise.h"

#include "core/error.h"
#include "core/format.h"

namespace unlazy::noise {
namespace {

// Refuses an option that would silently do nothing.
void refuse_unused(const NoiseOptions& options, const std::string& flag, const std::string& value,
                   bool is_used, const std::string& advice) {
  UNLAZY_CHECK_USAGE(is_used, "noise: --", flag, " ", value, " has no effect with --noise ",
                     options.kind, advice);
}

void check_is_used(const NoiseOptions& options, bool is_for_targets) {
  const bool is_none = options.kind == "none";
  const std::string choose = "; choose a kind such as --noise flip";
  refuse_unused(options, "noise-rate", number_text(options.rate),
                options.rate == 0 || !(is_none || is_for_targets),
                is_none ? choose : ", which takes --noise-sigma");
  refuse_unused(options, "noise-sigma", number_text(options.sigma),
                options.sigma == 0 || is_for_targets,
                is_none ? choose : ", which takes --noise-rate");
  if (!is_none) return;
  const NoiseOptions defaults;
  refuse_unused(options, "noise-start", options.start.text(), options.start == defaults.start,
                choose);
  refuse_unused(options, "noise-end", options.end.text(), options.end == defaults.end, choose);
  refuse_unused(options, "noise-ramp", options.ramp.text(), options.ramp == defaults.ramp, choose);
  refuse_unused(options, "noise-period", options.period.text(), options.period == defaults.period,
                choose);
}

}  // namespace

OptionTable describe(NoiseOptions& options) {
  return {"Label noise",
          {
              {.name = "noise",
               .target = &options.kind,
               .help = "Kind of label noise.",
               .choices = registry().choices()},
              {.name = "noise-rate",
               .target = &options.rate,
               .range = Range::closed(0, 1),
               .help = "Class labels: probability that a label is replaced."},
              {.name = "noise-sigma",
               .target = &options.sigma,
               .range = Range::at_least(0),
               .help = "Regression targets: standard deviation of what is added."},
              {.name = "noise-start", .target = &options.start, .help = "Noise is on from here."},
              {.name = "noise-end", .target = &options.end, .help = "Noise is off from here."},
              {.name = "noise-ramp",
               .target = &options.ramp,
               .help = "Over this length after the start the noise grows linearly from 0 to its "
                       "full size."},
              {.name = "noise-period",
               .target = &options.period,
               .help = "Noise is on for one period after the start, off for the next, and so on."},
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
  auto noise = registry().find(context.options.kind).make(context);
  check_is_used(context.options, noise->is_for_targets());
  return noise;
}

}  // namespace unlazy::noise
