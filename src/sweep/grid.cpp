#include "sweep/grid.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <set>

#include "core/error.h"
#include "core/names.h"

namespace unlazy::sweep {
namespace {

constexpr size_t kMostPoints = 100000;

const Axis* axis_named(const Grid& grid, const std::string& option) {
  for (const auto& axis : grid.axes) {
    if (axis.option == option) return &axis;
  }
  return nullptr;
}

// Throws, saying what named it, when the grid lacks the axis.
const Axis& needed_axis(const Grid& grid, const std::string& option, const char* named_by) {
  const auto* axis = axis_named(grid, option);
  std::vector<std::string> known;
  for (const auto& other : grid.axes) known.push_back(other.option);
  UNLAZY_CHECK_USAGE(axis != nullptr, "sweep: ", named_by, " names '", option,
                     "', which is no axis", known.empty() ? "" : "; " + suggest(option, known));
  return *axis;
}

// Axes that vary together, as places in grid.axes.
using Group = std::vector<size_t>;

std::vector<Group> groups_of(const Grid& grid) {
  std::vector<Group> groups;
  std::set<std::string> taken;
  for (size_t i = 0; i < grid.axes.size(); ++i) {
    const auto& option = grid.axes[i].option;
    if (taken.contains(option)) continue;
    Group group = {i};
    for (const auto& zip : grid.zips) {
      if (std::find(zip.begin(), zip.end(), option) == zip.end()) continue;
      for (size_t k = i + 1; k < grid.axes.size(); ++k) {
        if (std::find(zip.begin(), zip.end(), grid.axes[k].option) != zip.end()) group.push_back(k);
      }
    }
    for (const size_t k : group) taken.insert(grid.axes[k].option);
    groups.push_back(std::move(group));
  }
  return groups;
}

std::vector<Condition> conditions_of(const Grid& grid, const Group& group) {
  std::vector<Condition> all;
  for (const size_t i : group) {
    const auto found = grid.when.find(grid.axes[i].option);
    if (found != grid.when.end()) all.insert(all.end(), found->second.begin(), found->second.end());
  }
  return all;
}

// The groups so that each comes after those that its conditions ask about, otherwise as they are.
std::vector<Group> in_order_of_conditions(const Grid& grid) {
  auto left = groups_of(grid);
  std::vector<Group> ordered;
  while (!left.empty()) {
    const auto is_open = [&](const std::string& option) {
      return std::any_of(left.begin(), left.end(), [&](const Group& group) {
        return std::any_of(group.begin(), group.end(),
                           [&](size_t i) { return grid.axes[i].option == option; });
      });
    };
    const auto next = std::find_if(left.begin(), left.end(), [&](const Group& group) {
      const auto conditions = conditions_of(grid, group);
      return std::none_of(conditions.begin(), conditions.end(),
                          [&](const Condition& c) { return is_open(c.option); });
    });
    UNLAZY_CHECK_USAGE(next != left.end(), "sweep: the conditions of --",
                       grid.axes[left.front().front()].option, " ask about each other in a circle");
    ordered.push_back(*next);
    left.erase(next);
  }
  return ordered;
}

// Where an axis stands on: the value of each axis, by its place, as an index; -1: not set.
using Choice = std::vector<int64_t>;

std::string value_at(const Grid& grid, const Choice& choice, const std::string& option,
                     const BaseValue& base) {
  for (size_t i = 0; i < grid.axes.size(); ++i) {
    if (grid.axes[i].option == option && choice[i] >= 0)
      return grid.axes[i].values[static_cast<size_t>(choice[i])];
  }
  return base(option);
}

void append_choices(const Grid& grid, const std::vector<Group>& groups, size_t k, Choice& choice,
                    const BaseValue& base, std::vector<Choice>& all) {
  if (k == groups.size()) {
    UNLAZY_CHECK_USAGE(all.size() < kMostPoints, "sweep: the grid has more than ", kMostPoints,
                       " points; leave out axes or values");
    all.push_back(choice);
    return;
  }
  const auto conditions = conditions_of(grid, groups[k]);
  const bool is_set = std::all_of(conditions.begin(), conditions.end(), [&](const Condition& c) {
    return holds(c, value_at(grid, choice, c.option, base));
  });
  const size_t count = grid.axes[groups[k].front()].values.size();
  for (size_t v = 0; v < (is_set ? count : 1); ++v) {
    for (const size_t i : groups[k]) choice[i] = is_set ? static_cast<int64_t>(v) : -1;
    append_choices(grid, groups, k + 1, choice, base, all);
  }
  for (const size_t i : groups[k]) choice[i] = -1;
}

std::string safe_value(const std::string& value) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : value) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter) || c == '.' || c == '-' || c == '_' || c == ':') {
      text += c;
    } else if (c == ',') {
      text += '+';
    } else {
      text += {'%', kDigits[letter / 16], kDigits[letter % 16]};
    }
  }
  return text;
}

// FNV-1a, 64 bits: names of cut points must differ, nothing more.
std::string checksum(const std::string& text) {
  uint64_t sum = 0xcbf29ce484222325ULL;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  std::string digits;
  for (int shift = 60; shift >= 0; shift -= 4) digits += "0123456789abcdef"[(sum >> shift) & 15];
  return digits;
}

}  // namespace

void check(const Grid& grid) {
  std::set<std::string> seen, zipped;
  for (const auto& zip : grid.zips) {
    UNLAZY_CHECK_USAGE(zip.size() > 1, "sweep: a zip needs two axes or more, such as lr+batch");
    const auto& first = needed_axis(grid, zip.front(), "zip");
    for (const auto& option : zip) {
      const auto& axis = needed_axis(grid, option, "zip");
      UNLAZY_CHECK_USAGE(zipped.insert(option).second, "sweep: the axis --", option,
                         " is zipped twice");
      UNLAZY_CHECK_USAGE(axis.values.size() == first.values.size(),
                         "sweep: zipped axes need as many values each, but --", first.option,
                         " has ", first.values.size(), " and --", option, " has ",
                         axis.values.size());
    }
  }
  for (const auto& axis : grid.axes) {
    UNLAZY_CHECK_USAGE(seen.insert(axis.option).second, "sweep: the axis --", axis.option,
                       " stands there twice; give all its values at once");
    UNLAZY_CHECK_USAGE(!axis.values.empty(), "sweep: the axis --", axis.option, " has no values");
    std::set<std::string> values;
    for (const auto& value : axis.values)
      UNLAZY_CHECK_USAGE(values.insert(value).second || zipped.contains(axis.option),
                         "sweep: the axis --", axis.option, " has the value ", value, " twice");
  }
  for (const auto& [option, conditions] : grid.when) needed_axis(grid, option, "when");
  in_order_of_conditions(grid);
}

std::vector<Settings> points_of(const Grid& grid, const BaseValue& base) {
  std::vector<Choice> choices;
  Choice choice(grid.axes.size(), -1);
  append_choices(grid, in_order_of_conditions(grid), 0, choice, base, choices);
  std::sort(choices.begin(), choices.end());  // in the order of the axes
  std::vector<Settings> points;
  for (const auto& values : choices) {
    Settings settings;
    for (size_t i = 0; i < values.size(); ++i) {
      if (values[i] >= 0)
        settings.push_back(
            {grid.axes[i].option, grid.axes[i].values[static_cast<size_t>(values[i])]});
    }
    points.push_back(std::move(settings));
  }
  return points;
}

std::string point_name(const Settings& settings) {
  constexpr size_t kLongest = 180;  // of a file name's 255 bytes; the rest is for our own endings
  std::string name;
  for (const auto& [option, value] : settings)
    name += (name.empty() ? "" : ",") + option + "=" + safe_value(value);
  if (name.empty()) return "base";
  if (name.size() <= kLongest) return name;
  const auto sum = checksum(name);
  return name.substr(0, kLongest - sum.size() - 1) + "~" + sum;
}

}  // namespace unlazy::sweep
