#include "synthetic/records/spans.h"

#include <algorithm>

namespace unlazy::synthetic {

double phase_two_begin(const std::vector<RunResult>& results, int64_t group) {
  constexpr double kLeastRise = 0.1, kShare = 0.1;
  const auto cos = band_over_seeds(results, group, &Record::cos_abs_mean);
  if (cos.mean.empty()) return -1;
  const double start = cos.mean.front();
  const double rise = *std::max_element(cos.mean.begin(), cos.mean.end()) - start;
  if (!(rise >= kLeastRise)) return -1;
  size_t first = cos.mean.size();
  while (first > 0 && cos.mean[first - 1] >= start + kShare * rise) --first;
  return first > 0 && first < cos.mean.size() ? cos.steps[first] : -1;
}

void add_spans(report::Panel& panel, const SyntheticOptions& options,
               const std::vector<RunResult>& results, int64_t group) {
  const auto& method = options.method;
  const auto steps = static_cast<double>(method.steps);
  if (method.method == "periodic") {
    constexpr int64_t kMost = 100;  // more would be a grey ground
    if (method.steps / method.period > kMost) return;
    for (int64_t t = 0; t < method.steps; t += 2 * method.period) {
      const auto from = static_cast<double>(t);
      panel.spans.push_back({from, std::min(from + static_cast<double>(method.period), steps)});
    }
    panel.spans_label = "noise on";
    return;
  }
  const double begin = phase_two_begin(results, group);
  if (begin <= 0 || begin >= steps) return;
  panel.spans = {{panel.log_x ? 1.0 : 0.0, begin, "Phase I", false},
                 {begin, steps, "Phase II", true}};
}

}  // namespace unlazy::synthetic
