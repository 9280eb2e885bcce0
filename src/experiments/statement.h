// A statement of the paper in numbers: effects over seeds, each with a threshold, and a verdict.
#pragma once

#include <string>
#include <vector>

namespace unlazy::experiments {

enum class Verdict { kHolds, kDoesNotHold, kNotClear };
/// "holds", "does not hold", "not clear"
std::string verdict_text(Verdict verdict);
/// The verdict of that text; "not clear" for any other text.
Verdict verdict_called(const std::string& text);

/// A number, one per seed. A statement claims that it is at least `least`, and above `above` even
/// when the spread over seeds is taken into account.
///   holds          mean >= least, and the confidence interval of the mean lies above `above`
///   does not hold  the whole interval lies below `least`
///   not clear      otherwise: more seeds are needed; also when a seed has no number, or there are
///                  fewer seeds than `fewest_seeds`
/// The interval is the 95 % interval of Student's t. With one seed the spread is unknown, and, where
/// one is enough, the number alone decides.
struct Effect {
  std::string name;            // "lower by"
  std::vector<double> values;  // one per seed; not finite if it has none
  double least = 0, above = 0;
  bool is_below = false;  // claims the opposite: at most `least`, and below `above`
  size_t fewest_seeds = 1;
  std::string unit = "%";  // of hundredths: "%" of shares, "points" of accuracies
  double mean = 0;
  double std_error = 0;  // of the mean; not a number for a single seed
  double margin = 0;     // half of the interval's width; not a number for a single seed
  Verdict verdict = Verdict::kNotClear;
};

/// Fills mean, std_error, margin and verdict from the other members.
Effect judged(Effect effect);

/// One of the paper's statements, in numbers.
struct Statement {
  std::string text;
  std::string numbers;          // the numbers behind the effects, for every seed
  std::vector<Effect> effects;  // the statement holds when all of them hold
  Verdict verdict = Verdict::kNotClear;

  /// "lower by 6.1 % ± 2.3 % (claimed: 1 % or more, and above 0 %)"
  std::string effect_text() const;
};

/// The verdict on a statement with these effects: it holds if all of them do, and does not hold if
/// one of them does not.
Verdict verdict_of(const std::vector<Effect>& effects);

}  // namespace unlazy::experiments
