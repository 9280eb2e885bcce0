// Measures what the paper's theorem and lemmas claim.
// Each claim is a row: quantity, bound, measured, verdict. A bound whose constants make it empty is
// called vacuous. A bound whose conditions are not met is measured anyway, and its conditions are
// listed with it. Constants inside O(..) are taken as 1. C and C_data follow footnote 3.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "synthetic/records/run.h"

namespace unlazy::synthetic {

enum class Verdict { kHolds, kFails, kVacuous, kUnknown };

struct Condition {
  std::string name;       // "A1"
  std::string statement;  // "m >= 1/sqrt(lr)"
  std::string there;      // "1000 >= 31.6"
  Verdict verdict = Verdict::kUnknown;
};

struct Claim {
  std::string source;    // "Theorem 2"
  std::string quantity;  // what is measured
  std::string bound;     // as text, with its value
  double bound_value = 0;
  double measured = 0;
  Verdict verdict = Verdict::kUnknown;
  std::string note;  // in words
};

struct TheoryReport {
  std::vector<Condition> conditions;
  std::vector<Claim> claims;
};

/// Measures the claims for the first setting of the grid: Theorem 2, Lemma 3 and the norm identity
/// by a run of all m neurons with the same draws (for label noise methods), Lemma 4 by the
/// oscillation at m = 1/sqrt(lr), and Lemmas 5 and 6 by gradient descent from a small start.
TheoryReport check_theory(const SyntheticOptions& options, const std::vector<RunResult>& results);

std::string to_text(const TheoryReport& report);
nlohmann::ordered_json to_json(const TheoryReport& report);
std::string verdict_text(Verdict verdict);

}  // namespace unlazy::synthetic
