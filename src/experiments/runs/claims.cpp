#include "experiments/runs/claims.h"

#include <cmath>
#include <functional>
#include <limits>
#include <map>

#include "core/format.h"
#include "experiments/pruning_comparison.h"
#include "experiments/runs/final_table.h"

namespace unlazy::experiments {
namespace {

constexpr double kPoint = 0.01;
constexpr double kFarther = 0.1;
constexpr size_t kFewestPairs = 2;

// The number of a member, not finite where it has none.
using NumberOf = std::function<double(size_t member)>;

struct Asked {
  std::string effect;  // "higher by"
  double least;
  bool is_relative;  // with / without - 1 instead of with - without
};

std::vector<ClaimCheck> checks_of(const std::vector<RunGroup>& groups, const NumberOf& number,
                                  const Asked& asked) {
  std::vector<ClaimCheck> checks;
  for (const auto& group : groups) {
    const auto* baseline = baseline_of(group, groups);
    if (baseline == nullptr) continue;
    const auto pairs = pairs_of(group, *baseline);
    ClaimCheck check{.with = group.name, .without = baseline->name};
    std::vector<double> differences;
    for (size_t i = 0; i < pairs.seeds.size(); ++i) {
      const double with = number(pairs.a[i]), without = number(pairs.b[i]);
      if (!std::isfinite(with) || !std::isfinite(without)) continue;
      check.seeds.push_back(pairs.seeds[i]);
      check.values_with.push_back(with);
      check.values_without.push_back(without);
      differences.push_back(asked.is_relative ? with / without - 1 : with - without);
    }
    if (differences.empty()) continue;
    check.effect = judged({.name = asked.effect,
                           .values = differences,
                           .least = asked.least,
                           .fewest_seeds = kFewestPairs,
                           .unit = asked.is_relative ? "%" : "points"});
    checks.push_back(std::move(check));
  }
  return checks;
}

// A curve's mean over the last tenth of training, or what was measured later.
NumberOf end_of(const RunSet& set, const std::string& name) {
  return [&set, name](size_t member) {
    const auto& run = set.runs[member];
    if (const auto found = run.curves.find(name); found != run.curves.end())
      return end_of_curve(name, found->second).tenth;
    const auto found = run.measured.find(name);
    const bool is_there = found != run.measured.end() && found->second.size() == 1;
    return is_there ? found->second[0] : std::numeric_limits<double>::quiet_NaN();
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
                      checks_of(groups, end_of(set, one.curve), one.asked)});
  }
}

// One claim for each protocol.
void add_pruning(std::vector<Claim>& claims, const RunSet& set) {
  const char* text = "Sparser: with label noise a network keeps more accuracy when it is pruned";
  for (const auto& [protocol, groups] : curve_groups(set)) {
    const NumberOf area = [&](size_t member) {
      std::vector<double> density, accuracy;
      for (const auto& level : set.curves[member].curve.levels) {
        density.push_back(level.density);
        accuracy.push_back(level.accuracy);
      }
      return area_under_curve(density, accuracy);
    };
    claims.push_back({text, "accuracy of " + protocol + ", mean over the log of the density",
                      "unlazy prune", checks_of(groups, area, {"higher by", kPoint, false})});
  }
  if (set.curves.empty())
    claims.push_back({text, "accuracy, mean over the log of the density", "unlazy prune", {}});
}

}  // namespace

std::vector<Claim> claims_of(const RunSet& set, const std::vector<RunGroup>& groups) {
  std::vector<Claim> claims;
  add_claims(claims, claims_before_pruning(), set, groups);
  add_pruning(claims, set);
  add_claims(claims, claims_after_pruning(), set, groups);
  return claims;
}

std::string claims_text(const std::vector<Claim>& claims) {
  std::string text, before;
  for (const auto& claim : claims) {
    if (claim.checks.empty()) continue;
    if (claim.text != before) text += claim.text + "\n";
    before = claim.text;
    text += "  " + claim.number + ":\n";
    for (const auto& check : claim.checks) {
      const auto& e = check.effect;
      text += "    " + check.with + " against " + check.without + ": " + e.name + " " +
              with_error(100 * e.mean, 100 * e.std_error) + " " + e.unit +
              ", n = " + std::to_string(e.values.size()) + ": " + verdict_text(e.verdict) + "\n";
    }
  }
  return text;
}

}  // namespace unlazy::experiments
