#include "sweep_base.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/cpu_memory.h"
#include "core/error.h"
#include "core/option_rows.h"
#include "train/experiment.h"

namespace unlazy::tools {
namespace {

// What the sweep says to each run itself, or what makes no run.
bool is_of_the_sweep(const Option& row) {
  return row.name == "out" || (row.role == Role::kRequest && row.name != "preset");
}

}  // namespace

SweepBase::SweepBase(std::string command, std::vector<std::string> arguments)
    : command_(std::move(command)),
      arguments_(std::move(arguments)),
      base_(commands().find(command_).make()),
      scratch_(commands().find(command_).make()) {
  refuse_words("sweep " + command_, base_->parse(arguments_));
  UNLAZY_CHECK_USAGE(!is_flag_given("runs"), "sweep ", command_,
                     ": a point is of one run; leave out --runs, and give the runs as an axis: -- "
                     "--run RUN,RUN,..");
}

SweepBase::~SweepBase() = default;

bool SweepBase::has(const std::string& option) const {
  return find_row(base_->options().tables(), option) != nullptr;
}

std::string SweepBase::value(const std::string& option) const {
  const auto* row = find_row(base_->options().tables(), option);
  return row == nullptr ? "" : value_text(*row);
}

bool SweepBase::is_flag_given(const std::string& option) const {
  return std::ranges::any_of(arguments_, [&](const std::string& word) {
    return word == "--" + option || word.starts_with("--" + option + "=");
  });
}

std::map<std::string, std::string> SweepBase::deciding_values() const {
  std::map<std::string, std::string> values;
  for (const auto& table : base_->options().tables()) {
    for (const auto& row : table.rows()) {
      if (row.role != Role::kPlace && row.role != Role::kRequest)
        values[row.name] = value_text(row);
    }
  }
  return values;
}

void SweepBase::check_axis(sweep::Axis& axis) const {
  const auto& option = axis.option;
  const auto* row = find_row(scratch_->options().tables(), option);
  UNLAZY_CHECK_USAGE(
      option != "config" && option != "runs" && (row == nullptr || !is_of_the_sweep(*row)),
      "sweep: --", option, " cannot be an axis");
  for (auto& value : axis.values) {
    scratch_->options().parse({"--" + option + "=" + value});
    value = value_text(*find_row(scratch_->options().tables(), option));
  }
  UNLAZY_CHECK_USAGE(!is_flag_given(option), "sweep: --", option,
                     " is an axis and stands before -- too; leave one of them out");
}

void SweepBase::check_condition(sweep::Condition& condition) const {
  const auto& option = condition.option;
  const auto* row = find_row(scratch_->options().tables(), option);
  UNLAZY_CHECK_USAGE(row != nullptr, "sweep: the condition ", condition.text(), " asks about --",
                     option, ", an option that unlazy ", command_, " does not have");
  UNLAZY_CHECK_USAGE(row->role != Role::kPlace && row->role != Role::kRequest,
                     "sweep: the condition ", condition.text(), " asks about --", option,
                     ", which decides no result");
  // < and the like take any number, also one that the option does not.
  if (condition.relation != "=" && condition.relation != "!=") return;
  if (condition.value == value_text(*row)) return;
  try {
    scratch_->options().parse({"--" + option + "=" + condition.value});
  } catch (const Error& error) {
    throw Error("sweep: the condition " + condition.text() + " is refused: " + error.what(),
                error.kind());
  }
  condition.value = value_text(*row);
}

std::vector<std::string> SweepBase::all_words(const sweep::Settings& settings) const {
  auto words = arguments_;
  for (const auto& [option, value] : settings) words.push_back("--" + option + "=" + value);
  return words;
}

// A command refuses an option that has no effect, such as --noise-rate 0 without noise. As a point
// of an axis it means the base, so there it is left out.
std::vector<std::string> SweepBase::accepted_words(const sweep::Point& point) const {
  const auto check = [&](const std::vector<std::string>& words) {
    const auto command = commands().find(command_).make();
    command->parse(words);
    command->options().refuse_without_effect();
    return words;
  };
  try {
    return check(all_words(point.set));
  } catch (const Error& error) {
    try {
      sweep::Settings others;
      for (const auto& setting : point.set) {
        if (setting.value != value(setting.option)) others.push_back(setting);
      }
      return check(all_words(others));
    } catch (const Error&) {
      throw Error("sweep: the point " + point.name + " is refused: " + error.what(), error.kind());
    }
  }
}

// Those of `points` that are to be built.
std::vector<sweep::Point> SweepBase::different_points(
    const std::vector<sweep::Point>& points) const {
  constexpr size_t kMost = 32;  // at about half a second each
  std::map<std::string, sweep::Point> by_setting;
  std::set<std::string> seen;
  std::vector<sweep::Point> with_new_values;
  for (const auto& point : points) {
    std::string setting;
    bool is_new = false;
    for (const auto& [option, value] : point.set) {
      const auto role = base_->options().role(option);
      if (role == Role::kSource || role == Role::kPlace || role == Role::kOutput) continue;
      setting += option + "=" + value + "\n";
      is_new = seen.insert(option + "=" + value).second || is_new;
    }
    by_setting.emplace(setting, point);
    if (is_new || with_new_values.empty()) with_new_values.push_back(point);
  }
  if (by_setting.size() > kMost) return with_new_values;
  std::vector<sweep::Point> different;
  for (const auto& [setting, point] : by_setting) different.push_back(point);
  return different;
}

void SweepBase::try_points(const std::vector<sweep::Point>& points) const {
  if (command_ != "train") return;
  for (const auto& point : different_points(points)) {
    const auto command = commands().find(command_).make();
    command->parse(accepted_words(point));
    auto json = command->options().to_json();
    train::TrainOptions options;
    Options described(command_, train::describe(options));
    for (const auto& table : command->options().tables()) {
      for (const auto& row : table.rows()) {
        if (find_row(described.tables(), row.name) == nullptr) json.erase(row.name);
      }
    }
    try {
      described.read_json(json, "sweep");
      options.compute.device = "cpu";
      options.compute.precision = "fp32";
      const train::Experiment built(options);
    } catch (const Error& error) {
      throw Error("sweep: the point " + point.name + " is refused: " + error.what(), error.kind());
    }
  }
  give_back_free_memory();  // the runs need it
}

std::vector<std::string> SweepBase::call(const sweep::Point& point, const std::string& out,
                                         int64_t threads) const {
  auto words = accepted_words(point);
  words.insert(words.begin(), command_);
  words.push_back("--out=" + out);
  const bool is_there = std::filesystem::exists(out + "/config.json");
  if (has("resume"))
    words.push_back("--resume");
  else if (is_there)
    words.push_back("--overwrite");  // it takes seconds, and begins anew
  const bool is_axis = std::ranges::any_of(
      point.set, [](const sweep::Setting& setting) { return setting.option == "threads"; });
  if (threads > 0 && has("threads") && !is_axis && !is_there && value("threads") == "0")
    words.push_back("--threads=" + std::to_string(threads));
  return words;
}

}  // namespace unlazy::tools
