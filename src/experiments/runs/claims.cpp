#include "experiments/runs/claims.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "core/format.h"
#include "experiments/pruning_comparison.h"
#include "experiments/runs/final_table.h"
#include "report/text.h"

namespace unlazy::experiments {
namespace {

constexpr double kPoint = 0.01;
constexpr double kFarther = 0.1;
constexpr size_t kFewestPairs = 2;

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();

// The numbers of two members, not finite where they have none that can be compared.
struct PairNumbers {
  bool is_measured = false;  // there is something, even if it cannot be compared
  double with = kNoNumber, without = kNoNumber;
};
using NumbersOf = std::function<PairNumbers(size_t with, size_t without)>;

struct Asked {
  std::string effect;  // "higher by"
  double least;
  bool is_relative;  // with / without - 1 instead of with - without
};

std::vector<ClaimCheck> checks_of(const std::vector<RunGroup>& groups, const NumbersOf& numbers,
                                  const Asked& asked) {
  std::vector<ClaimCheck> checks;
  for (const auto& group : groups) {
    const auto* baseline = baseline_of(group, groups);
    if (baseline == nullptr) continue;
    const auto pairs = pairs_of(group, *baseline);
    ClaimCheck check;
    check.with = group.name;
    check.without = baseline->name;
    check.num_pairs = pairs.seeds.size();
    std::vector<double> differences;
    bool is_any_measured = false;
    for (size_t i = 0; i < pairs.seeds.size(); ++i) {
      const auto [is_measured, with, without] = numbers(pairs.a[i], pairs.b[i]);
      is_any_measured = is_any_measured || is_measured;
      if (!std::isfinite(with) || !std::isfinite(without)) continue;
      check.seeds.push_back(pairs.seeds[i]);
      check.values_with.push_back(with);
      check.values_without.push_back(without);
      differences.push_back(asked.is_relative ? with / without - 1 : with - without);
    }
    if (!is_any_measured) continue;
    check.effect = judged({.name = asked.effect,
                           .values = differences,
                           .least = asked.least,
                           .fewest_seeds = kFewestPairs,
                           .unit = asked.is_relative ? "%" : "points"});
    if (differences.size() < check.num_pairs) check.effect.verdict = Verdict::kNotClear;
    checks.push_back(std::move(check));
  }
  return checks;
}

int64_t last_step(const FoundRun& run) {
  int64_t step = 0;
  for (const auto& [name, curve] : run.curves) step = std::max(step, curve.steps.back());
  return step;
}

// A curve's mean over the last tenth of training, or what was measured later: the same of both.
NumbersOf ends_of(const RunSet& set, const std::string& name) {
  return [&set, name](size_t with, size_t without) {
    const auto &a = set.runs[with], &b = set.runs[without];
    const bool can_be_compared = (a.is_done && b.is_done) || last_step(a) == last_step(b);
    const auto curve_a = a.curves.find(name), curve_b = b.curves.find(name);
    if (curve_a != a.curves.end() && curve_b != b.curves.end()) {
      if (!can_be_compared) return PairNumbers{.is_measured = true};
      return PairNumbers{true, end_of_curve(name, curve_a->second).tenth,
                         end_of_curve(name, curve_b->second).tenth};
    }
    const auto measured_a = a.measured.find(name), measured_b = b.measured.find(name);
    const bool is_measured = measured_a != a.measured.end() && measured_a->second.size() == 1 &&
                             measured_b != b.measured.end() && measured_b->second.size() == 1;
    if (!is_measured || !can_be_compared) return PairNumbers{.is_measured = is_measured};
    return PairNumbers{true, measured_a->second[0], measured_b->second[0]};
  };
}

struct OfCurve {
  const char* text;
  const char* curve;
  const char* needs;
  Asked asked;
};
const std::vector<OfCurve>& claims_before_pruning() {
  static const std::vector<OfCurve> list = {
      {"Label noise raises the test accuracy (the paper: by about 1.5 points)",
       "test_accuracy",
       "--measure test",
       {"higher by", kPoint, false}},
      {"Label noise raises the test accuracy (the paper: by about 1.5 points)",
       "test_accuracy_recalibrated",
       "--measure test-recalibrated",
       {"higher by", kPoint, false}}};
  return list;
}
const std::vector<OfCurve>& claims_after_pruning() {
  static const std::vector<OfCurve> list = {
      {"Sparser: with label noise more activations are zero",
       "activation_sparsity",
       "--measure activation-sparsity",
       {"more by", kPoint, false}},
      {"Leaves the lazy regime: farther from its own linearisation",
       "lazy_distance_train",
       "--measure lazy-distance",
       {"farther by", kFarther, true}},
      {"Leaves the lazy regime: farther from its own linearisation",
       "lazy_distance_test",
       "--measure lazy-distance",
       {"farther by", kFarther, true}},
      {"Leaves the lazy regime: the kernel ends farther from that at initialisation",
       "ntk_distance",
       "--measure ntk-change",
       {"farther by", kFarther, true}}};
  return list;
}

void add_claims(std::vector<Claim>& claims, const std::vector<OfCurve>& list, const RunSet& set,
                const std::vector<RunGroup>& groups) {
  for (const auto& one : list) {
    claims.push_back({one.text, std::string(one.curve) + ", mean of the last tenth", one.needs,
                      checks_of(groups, ends_of(set, one.curve), one.asked)});
  }
}

// What is left of the accuracy when the network is pruned: the accuracy less that of the dense
// network, so that a network that is better at every density is not taken for a sparser one. Not
// finite for a curve that does not begin with the dense network.
double kept_accuracy(const PruningCurve& curve) {
  constexpr double kDense = 1 - 1e-6;
  if (curve.levels.empty() || curve.levels[0].density < kDense) return kNoNumber;
  std::vector<double> density, kept;
  for (const auto& level : curve.levels) {
    density.push_back(level.density);
    kept.push_back(level.accuracy - curve.levels[0].accuracy);
  }
  return area_under_curve(density, kept);
}

// One claim for each protocol.
void add_pruning(std::vector<Claim>& claims, const RunSet& set) {
  const char* text = "Sparser: with label noise a network keeps more accuracy when it is pruned";
  for (const auto& [protocol, groups] : curve_groups(set)) {
    const NumbersOf kept = [&](size_t with, size_t without) {
      return PairNumbers{true, kept_accuracy(set.curves[with].curve),
                         kept_accuracy(set.curves[without].curve)};
    };
    claims.push_back({text,
                      "accuracy of " + protocol +
                          " less that of the dense network, mean over the log of the density",
                      "unlazy prune", checks_of(groups, kept, {"more kept by", kPoint, false})});
  }
  if (set.curves.empty())
    claims.push_back({text,
                      "accuracy less that of the dense network, mean over the log of the density",
                      "unlazy prune",
                      {}});
}

}  // namespace

std::vector<Claim> claims_of(const RunSet& set, const std::vector<RunGroup>& groups) {
  std::vector<Claim> claims;
  add_claims(claims, claims_before_pruning(), set, groups);
  add_pruning(claims, set);
  add_claims(claims, claims_after_pruning(), set, groups);
  return claims;
}

std::string missing_text(const ClaimCheck& check) {
  const size_t missing = check.num_pairs - check.seeds.size();
  if (missing == 0) return "";
  return " (" + std::to_string(missing) + " of " + std::to_string(check.num_pairs) +
         " pairs without a number)";
}

std::string claims_text(const std::vector<Claim>& claims) {
  std::string text, before;
  for (const auto& claim : claims) {
    if (claim.checks.empty()) continue;
    if (claim.text != before) text += claim.text + "\n";
    before = claim.text;
    text += "  " + report::one_line(claim.number) + ":\n";
    for (const auto& check : claim.checks) {
      const auto& e = check.effect;
      text += "    " + report::one_line(check.with + " against " + check.without) + ": " + e.name +
              " " + with_error(100 * e.mean, 100 * e.std_error) + " " + e.unit +
              ", n = " + std::to_string(e.values.size()) + missing_text(check) + ": " +
              verdict_text(e.verdict) + "\n";
    }
  }
  return text;
}

}  // namespace unlazy::experiments
