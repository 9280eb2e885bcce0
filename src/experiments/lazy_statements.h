// What the paper says of its Figures 3 and 5, each statement with its numbers for every seed.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "report/metrics.h"

namespace unlazy::experiments {

/// The places of the four runs of a seed.
enum Place : size_t { kClean, kPerturbed, kLinear, kLinearPerturbed };
/// One seed's curves of the four runs, by Place.
using Runs = std::vector<std::map<std::string, report::Curve>>;

enum class Verdict { kHolds, kDoesNotHold, kNotClear };
/// "holds", "does not hold", "not clear"
std::string verdict_text(Verdict verdict);

/// A number that a statement claims to be at least `least`, by more than the seeds' spread above
/// `above`.
///   holds          mean >= least, and the confidence interval of the mean lies above `above`
///   does not hold  the whole interval lies below `least`
///   not clear      else: more seeds are needed; also when a seed has no number
/// The interval is that of 95 % by Student's t. The spread of a single seed is unknown: then the
/// number itself decides.
struct Effect {
  std::string name;            // "lower by"
  std::vector<double> values;  // a seed; not finite where it has none
  double least = 0, above = 0;
  bool is_below = false;  // claims the opposite: at most `least`, and below `above`
  double mean = 0;
  double margin = 0;  // half of the interval's width; not a number for a single seed
  Verdict verdict = Verdict::kNotClear;
};

/// One of the paper's statements, in numbers.
struct Statement {
  std::string text;
  std::string numbers;          // what the effects are made of, for every seed
  std::vector<Effect> effects;  // it holds when all of them hold
  Verdict verdict = Verdict::kNotClear;

  /// "lower by 6.1 % ± 2.3 % (claimed: 1 % or more, and above 0 by the seeds' spread)"
  std::string effect_text() const;
};

/// The statements on the runs of all seeds; `what`: "label noise", "SAM". The runs must have
/// train_set_loss, test_loss and first_layer_norm; those of the kernel and of the lazy distance are
/// made where they were measured.
std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what);

}  // namespace unlazy::experiments
