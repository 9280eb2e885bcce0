#include "experiments/statement.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "core/format.h"
#include "report/band.h"

namespace unlazy::experiments {
namespace {

std::string in_hundredths(const Effect& e, double share) {
  return std::isfinite(share) ? rounded_text(100 * share, 3) + " " + e.unit : "no number";
}

Verdict verdict_of_effect(const Effect& e) {
  if (e.values.size() < e.fewest_seeds) return Verdict::kNotClear;
  if (!std::all_of(e.values.begin(), e.values.end(), [](double v) { return std::isfinite(v); }))
    return Verdict::kNotClear;
  const double sign = e.is_below ? -1 : 1;
  const double mean = sign * e.mean, least = sign * e.least, above = sign * e.above;
  const double margin = std::isfinite(e.margin) ? e.margin : 0;
  if (mean >= least && mean - margin > above) return Verdict::kHolds;
  return mean + margin < least ? Verdict::kDoesNotHold : Verdict::kNotClear;
}

std::string text_of_effect(const Effect& e) {
  std::string text = e.name + " " + in_hundredths(e, e.mean);
  if (e.values.size() > 1 && std::isfinite(e.margin)) text += " ± " + in_hundredths(e, e.margin);
  if (e.least == e.above)
    return text + " (claimed: " + (e.is_below ? "below " : "above ") + in_hundredths(e, e.least) +
           ")";
  return text + " (claimed: " + in_hundredths(e, e.least) + " or more, and above " +
         in_hundredths(e, e.above) + ")";
}

}  // namespace

std::string verdict_text(Verdict verdict) {
  return verdict == Verdict::kHolds         ? "holds"
         : verdict == Verdict::kDoesNotHold ? "does not hold"
                                            : "not clear";
}

Verdict verdict_called(const std::string& text) {
  for (const auto verdict : {Verdict::kHolds, Verdict::kDoesNotHold}) {
    if (verdict_text(verdict) == text) return verdict;
  }
  return Verdict::kNotClear;
}

Effect judged(Effect effect) {
  const auto mean = report::mean_of_seeds(effect.values);
  effect.mean = mean.mean;
  effect.std_error = mean.std_error;
  effect.margin = mean.margin;
  effect.verdict = verdict_of_effect(effect);
  return effect;
}

Verdict verdict_of(const std::vector<Effect>& effects) {
  const auto has = [&](Verdict verdict) {
    return std::ranges::count(effects, verdict, &Effect::verdict) > 0;
  };
  return has(Verdict::kDoesNotHold) ? Verdict::kDoesNotHold
         : has(Verdict::kNotClear)  ? Verdict::kNotClear
                                    : Verdict::kHolds;
}

std::string Statement::effect_text() const {
  std::string all;
  for (const auto& e : effects) all += (all.empty() ? "" : "; ") + text_of_effect(e);
  return all;
}

}  // namespace unlazy::experiments
