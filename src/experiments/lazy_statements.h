// What the paper says about its Figures 3 and 5: each statement with its numbers for every seed.
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

/// A number, one per seed. A statement claims that it is at least `least`, and above `above` even
/// when the spread over seeds is taken into account.
///   holds          mean >= least, and the confidence interval of the mean lies above `above`
///   does not hold  the whole interval lies below `least`
///   not clear      otherwise: more seeds are needed; also when a seed has no number
/// The interval is the 95 % interval of Student's t. With one seed the spread is unknown, and the
/// number alone decides.
struct Effect {
  std::string name;            // "lower by"
  std::vector<double> values;  // one per seed; not finite if it has none
  double least = 0, above = 0;
  bool is_below = false;  // claims the opposite: at most `least`, and below `above`
  double mean = 0;
  double margin = 0;  // half of the interval's width; not a number for a single seed
  Verdict verdict = Verdict::kNotClear;
};

/// One of the paper's statements, in numbers.
struct Statement {
  std::string text;
  std::string numbers;          // the numbers behind the effects, for every seed
  std::vector<Effect> effects;  // the statement holds when all of them hold
  Verdict verdict = Verdict::kNotClear;

  /// "lower by 6.1 % ± 2.3 % (claimed: 1 % or more, and above 0 %)"
  std::string effect_text() const;
};

/// The statements for the runs of all seeds; `what` is "label noise" or "SAM". The runs must have
/// train_set_loss, test_loss and first_layer_norm. The statements about the kernel and the lazy
/// distance are only made if these were measured.
std::vector<Statement> statements_of(const std::vector<Runs>& seeds, const std::string& what);

}  // namespace unlazy::experiments
