// Runs that differ only in the seed are one group. A group is named by the options that tell it
// from the others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "experiments/pruning/curve.h"

namespace unlazy::experiments {

/// What is grouped: a run, or a curve made of one.
struct GroupMember {
  Settings settings;
  int64_t seed = 0;
};

struct RunGroup {
  /// The options whose values tell the groups apart, as few as suffice: those of label noise first,
  /// the others in the order of the alphabet. The same options in the same order in each group.
  std::vector<std::pair<std::string, std::string>> options;
  std::string name;  // "noise-rate 0.1, lr 0.05"; "all runs" when there is one group
  Settings settings;
  std::vector<size_t> members;  // places in the list, seeds ascending
  std::vector<int64_t> seeds;   // of these, each once
  std::optional<double> noise_rate;
};

struct Grouping {
  std::vector<RunGroup> groups;  // sorted by the values of `options`, numbers as numbers
  /// Members that repeat a seed of their group and are in no group, with the member they repeat.
  std::vector<std::pair<size_t, size_t>> repeats;
};

/// Groups members of the same settings. Of those with the same seed the first one counts.
Grouping grouped(const std::vector<GroupMember>& members);

/// Two lists of places of the same length: the members of `a` and `b` that have a seed in common,
/// seeds ascending.
struct SeedPairs {
  std::vector<int64_t> seeds;
  std::vector<size_t> a, b;
};
SeedPairs pairs_of(const RunGroup& a, const RunGroup& b);

/// The group without label noise that has all other settings of `group`, with the most seeds in
/// common with it. Null when there is none, or when `group` has no noise itself.
const RunGroup* baseline_of(const RunGroup& group, const std::vector<RunGroup>& groups);

}  // namespace unlazy::experiments
