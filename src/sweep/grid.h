// What a sweep varies. An axis is an option with a list of values, and a grid is every combination
// of its axes. Two things make it smaller:
//   zipped axes       vary together: the first value with the first, the second with the second
//   conditional axes  are set only at points where a condition holds, such as noise-rate>0
// A point is what it sets, and its folder is named by that: "noise-rate=0.1,seed=0".
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

namespace unlazy::sweep {

struct Axis {
  std::string option;               // without dashes: "noise-rate"
  std::vector<std::string> values;  // as written after the flag; lists have commas
};

/// "noise-rate>0", "model=resnet18". Numbers are compared as numbers. The order relations are for
/// numbers only.
struct Condition {
  std::string option, relation, value;  // relation: = != < <= > >=
  std::string text() const { return option + relation + value; }
};
/// Throws a misuse Error when `text` is not OPTION, a relation and a value.
Condition condition_from(const std::string& text);
bool holds(const Condition& condition, const std::string& value);

struct Grid {
  std::vector<Axis> axes;
  std::vector<std::vector<std::string>> zips;          // each a group of axes that vary together
  std::map<std::string, std::vector<Condition>> when;  // by axis; all of them must hold
};

/// A part of a point: the option and its value.
struct Setting {
  std::string option, value;
  bool operator==(const Setting&) const = default;
};
using Settings = std::vector<Setting>;

/// The value of an option where no axis sets it.
using BaseValue = std::function<std::string(const std::string& option)>;

/// The words after "--" on the command line: "--seed 0..4", "--noise-rate=0,0.1". Values are
/// separated by commas; a..b and a..b..step are ranges with both ends.
std::vector<Axis> axes_from_words(const std::vector<std::string>& words);

/// {"axes": {"noise-rate": [0, 0.1], "seed": "0..4", "measure": [["test", "norms"]]},
///  "zip": [["lr", "batch"]], "when": {"noise": "noise-rate>0"}}
/// A value that is itself an array is the value of an option that takes a list. `source` names the
/// file in messages.
Grid grid_from_json(const nlohmann::ordered_json& json, const std::string& source);
nlohmann::ordered_json to_json(const Grid& grid);

/// "lr+batch": a group of zipped axes. "noise:noise-rate>0": the axis and its condition.
void add_zip(Grid& grid, const std::string& text);
void add_condition(Grid& grid, const std::string& text);

/// Throws a misuse Error that names the axis: one that stands twice or has no or equal values,
/// groups of unequal lengths, conditions in a circle, an axis that a zip or condition names but the
/// grid lacks.
void check(const Grid& grid);

/// Every point, in the order of the axes with the last one running fastest. What a point sets is in
/// the order of the axes. Throws a misuse Error for more than 100,000 points. The grid must pass
/// check().
std::vector<Settings> points_of(const Grid& grid, const BaseValue& base);

/// The name of the folder, "noise-rate=0.1,seed=0". Of a value, a comma becomes +, and letters that
/// a file name should not have become %XX. A name of more than 180 bytes is cut, and ends with a
/// checksum. "base" for a point that sets nothing.
std::string point_name(const Settings& settings);

}  // namespace unlazy::sweep
