#include "experiments/runs/run_groups.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>

#include "core/names.h"
#include "experiments/pruning_settings.h"
#include "experiments/runs/run_config.h"

namespace unlazy::experiments {
namespace {

// What a reader looks for first.
constexpr std::array<const char*, 3> kFirstOptions = {"noise-rate", "noise-sigma", "noise"};

std::string setting_of(const Settings& settings, const std::string& name) {
  const auto found = settings.find(name);
  return found == settings.end() ? std::string() : found->second;
}

// Numbers as numbers, before words.
bool is_before(const std::string& a, const std::string& b) {
  double left = 0, right = 0;
  const auto is_number = [](const std::string& text, double& value) {
    return std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc{};
  };
  const bool has_left = is_number(a, left), has_right = is_number(b, right);
  if (has_left && has_right && left != right) return left < right;
  return has_left != has_right ? has_left : a < b;
}

// The differing options, without those that only repeat what others before them say.
std::vector<std::string> telling(const std::vector<Settings>& list) {
  auto names = differing(list);
  std::ranges::stable_sort(names, {}, [](const std::string& name) {
    return std::ranges::find(kFirstOptions, name) - kFirstOptions.begin();
  });
  std::vector<std::string> kept;
  std::vector<size_t> part(list.size(), 0);  // which settings the options kept so far tell apart
  size_t num_parts = 1;
  for (const auto& name : names) {
    std::map<std::pair<size_t, std::string>, size_t> places;
    std::vector<size_t> finer(list.size());
    for (size_t i = 0; i < list.size(); ++i)
      finer[i] =
          places.try_emplace({part[i], setting_of(list[i], name)}, places.size()).first->second;
    if (places.size() == num_parts) continue;
    kept.push_back(name);
    num_parts = places.size();
    part = std::move(finer);
  }
  return kept;
}

void name_groups(std::vector<RunGroup>& groups) {
  std::vector<Settings> list;
  for (const auto& group : groups) list.push_back(group.settings);
  const auto names = telling(list);
  for (auto& group : groups) {
    std::vector<std::string> words;
    for (const auto& name : names) {
      const auto value = setting_of(group.settings, name);
      group.options.emplace_back(name, value);
      words.push_back(value.empty() ? "no " + name : name + " " + value);
    }
    group.name = words.empty() ? "all runs" : join(words);
  }
  std::ranges::stable_sort(groups, [](const RunGroup& a, const RunGroup& b) {
    return std::ranges::lexicographical_compare(
        a.options, b.options,
        [](const auto& x, const auto& y) { return is_before(x.second, y.second); });
  });
}

}  // namespace

Grouping grouped(const std::vector<GroupMember>& members) {
  Grouping result;
  std::map<Settings, size_t> places;
  for (size_t i = 0; i < members.size(); ++i) {
    const auto [found, is_new] = places.try_emplace(members[i].settings, result.groups.size());
    if (is_new) result.groups.emplace_back().settings = members[i].settings;
    auto& group = result.groups[found->second];
    const auto seed = std::ranges::lower_bound(group.seeds, members[i].seed);
    const auto place = seed - group.seeds.begin();
    if (seed != group.seeds.end() && *seed == members[i].seed) {
      result.repeats.emplace_back(i, group.members[static_cast<size_t>(place)]);
      continue;
    }
    group.seeds.insert(seed, members[i].seed);
    group.members.insert(group.members.begin() + place, i);
  }
  for (auto& group : result.groups) group.noise_rate = noise_rate_in(group.settings);
  name_groups(result.groups);
  return result;
}

SeedPairs pairs_of(const RunGroup& a, const RunGroup& b) {
  SeedPairs pairs;
  for (size_t i = 0; i < a.seeds.size(); ++i) {
    const auto found = std::ranges::lower_bound(b.seeds, a.seeds[i]);
    if (found == b.seeds.end() || *found != a.seeds[i]) continue;
    pairs.seeds.push_back(a.seeds[i]);
    pairs.a.push_back(a.members[i]);
    pairs.b.push_back(b.members[static_cast<size_t>(found - b.seeds.begin())]);
  }
  return pairs;
}

const RunGroup* baseline_of(const RunGroup& group, const std::vector<RunGroup>& groups) {
  if (group.noise_rate == 0.0 || !group.settings.contains("noise")) return nullptr;
  const RunGroup* best = nullptr;
  size_t most = 0;
  for (const auto& other : groups) {
    if (other.noise_rate != 0.0 || without_noise(other.settings) != without_noise(group.settings))
      continue;
    const auto count = pairs_of(group, other).seeds.size();
    if (best != nullptr && count <= most) continue;
    best = &other;
    most = count;
  }
  return best;
}

}  // namespace unlazy::experiments
