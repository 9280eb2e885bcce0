#include "sweep/plan.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/names.h"
#include "core/options.h"
#include "core/version.h"
#include "sweep/lock.h"

namespace unlazy::sweep {
namespace {

using Json = nlohmann::ordered_json;

// The settings that a point's name holds.
Settings named_settings(const Settings& settings, const std::map<std::string, std::string>& added) {
  Settings named;
  for (const auto& setting : settings) {
    const auto found = added.find(setting.option);
    if (found == added.end() || found->second != setting.value) named.push_back(setting);
  }
  return named;
}

Json json_of(const Plan& plan) {
  Json points = Json::array();
  for (const auto& point : plan.points) {
    Json set = Json::object();
    for (const auto& [option, value] : point.set) set[option] = value;
    points.push_back({{"name", point.name}, {"set", set}});
  }
  Json json = {{"config-version", kConfigVersion},
               {"command", "sweep " + plan.command},
               {"arguments", plan.arguments}};
  json.update(to_json(plan.grid));
  json["added"] = plan.added;
  json["points"] = points;
  json["base"] = plan.base;
  json["about"] = {{"unlazy", version()}};
  return json;
}

Plan plan_in(const Json& json, const std::string& source) {
  constexpr std::string_view kBegin = "sweep ";
  try {
    UNLAZY_CHECK_USAGE(json.at("config-version").get<int>() <= kConfigVersion, source,
                       ": was written by a newer unlazy; use that one");
    Plan plan;
    const auto command = json.at("command").get<std::string>();
    UNLAZY_CHECK_USAGE(command.starts_with(kBegin), source, ": is of unlazy ", command,
                       ", not of a sweep");
    plan.command = command.substr(kBegin.size());
    plan.arguments = json.at("arguments").get<std::vector<std::string>>();
    plan.base = json.at("base").get<std::map<std::string, std::string>>();
    plan.added = json.at("added").get<std::map<std::string, std::string>>();
    plan.grid = grid_from_json(
        {{"axes", json.at("axes")}, {"zip", json.at("zip")}, {"when", json.at("when")}}, source);
    for (const auto& item : json.at("points")) {
      Point point{item.at("name"), {}};
      for (const auto& [option, value] : item.at("set").items())
        point.set.push_back({option, value});
      plan.points.push_back(std::move(point));
    }
    return plan;
  } catch (const Json::exception& error) {
    throw Error(internal::concat(source, ": is not what a sweep writes (", error.what(),
                                 "); choose another --out"),
                Error::Kind::kMisuse);
  }
}

const Axis* find_axis(const Grid& grid, const std::string& option) {
  const auto found = std::find_if(grid.axes.begin(), grid.axes.end(),
                                  [&](const Axis& axis) { return axis.option == option; });
  return found == grid.axes.end() ? nullptr : &*found;
}

// The zipped group of an axis and its conditions, as text.
std::string ties_of(const Grid& grid, const std::string& option) {
  std::string text;
  for (const auto& zip : grid.zips) {
    if (std::find(zip.begin(), zip.end(), option) != zip.end()) text += "zip " + join(zip, "+");
  }
  const auto found = grid.when.find(option);
  if (found == grid.when.end()) return text;
  for (const auto& condition : found->second) text += " when " + condition.text();
  return text;
}

constexpr const char* kAdvice = "; give what it was begun with, or choose another --out";

void check_same_base(const Plan& before, const Plan& now, const std::string& folder) {
  for (const auto& [option, value] : before.base) {
    const auto found = now.base.find(option);
    const bool is_axis = find_axis(now.grid, option) != nullptr;
    const bool is_needed = !is_axis || now.grid.when.contains(option);
    if (found == now.base.end() || !is_needed) continue;
    UNLAZY_CHECK_USAGE(found->second == value, folder, ": its sweep was begun with --", option, " ",
                       value.empty() ? "(nothing)" : value, ", but this command has ",
                       found->second.empty() ? "(nothing)" : found->second, kAdvice);
  }
  for (const auto& [option, value] : now.defaults) {
    const auto found = now.base.find(option);
    if (before.base.contains(option) || found == now.base.end()) continue;
    UNLAZY_CHECK_USAGE(found->second == value, folder,
                       ": its sweep was begun by an unlazy without --", option, ", so it has ",
                       value.empty() ? "(nothing)" : value, ", but this command has ",
                       found->second.empty() ? "(nothing)" : found->second, kAdvice);
  }
}

void check_same_axes(const Plan& before, const Plan& now, const std::string& folder) {
  for (const auto& axis : before.grid.axes) {
    const auto* later = find_axis(now.grid, axis.option);
    UNLAZY_CHECK_USAGE(later != nullptr, folder, ": its sweep has the axis --", axis.option,
                       ", which this command lacks", kAdvice);
    for (const auto& value : axis.values) {
      const auto& values = later->values;
      UNLAZY_CHECK_USAGE(std::find(values.begin(), values.end(), value) != values.end(), folder,
                         ": its sweep has --", axis.option, " ", value,
                         ", which this command lacks; values may be added, not taken away");
    }
    UNLAZY_CHECK_USAGE(ties_of(before.grid, axis.option) == ties_of(now.grid, axis.option), folder,
                       ": its sweep zips or conditions the axis --", axis.option, " in another way",
                       kAdvice);
  }
}

// The axes of `now`, those of `before` first and in their order, their values likewise. Values of
// zipped axes keep their places: they belong together.
std::vector<Axis> in_older_order(const Grid& before, const Grid& now) {
  std::vector<Axis> axes;
  for (const auto& axis : before.axes) {
    const auto& later = *find_axis(now, axis.option);
    if (ties_of(now, axis.option).starts_with("zip")) {
      axes.push_back(later);
      continue;
    }
    Axis merged = axis;
    for (const auto& value : later.values) {
      if (std::find(axis.values.begin(), axis.values.end(), value) == axis.values.end())
        merged.values.push_back(value);
    }
    axes.push_back(std::move(merged));
  }
  for (const auto& axis : now.axes) {
    if (find_axis(before, axis.option) == nullptr) axes.push_back(axis);
  }
  return axes;
}

void refuse_run(const SweepFolder& folder) {
  UNLAZY_CHECK_USAGE(!std::filesystem::exists(folder.path() + "/config.json"), folder.path(),
                     ": holds a run, not a sweep; choose another --out");
}

}  // namespace

void make_points(Plan& plan) {
  const auto base = [&](const std::string& option) {
    const auto found = plan.base.find(option);
    return found == plan.base.end() ? std::string() : found->second;
  };
  std::vector<Point> older = std::move(plan.points);
  plan.points.clear();
  std::set<std::string> names;
  for (auto& settings : points_of(plan.grid, base)) {
    const auto name = point_name(named_settings(settings, plan.added));
    UNLAZY_CHECK_USAGE(names.insert(name).second, "sweep: the point ", name,
                       " stands there twice; are values of zipped axes repeated?");
    plan.points.push_back({name, std::move(settings)});
  }
  // The older points keep their places.
  std::map<std::string, size_t> places;
  for (const auto& point : older) places.emplace(point.name, places.size());
  const auto place = [&](const Point& point) {
    const auto found = places.find(point.name);
    return found == places.end() ? places.size() : found->second;
  };
  std::stable_sort(plan.points.begin(), plan.points.end(),
                   [&](const Point& a, const Point& b) { return place(a) < place(b); });
}

Plan grown(const Plan& before, Plan now, const std::string& folder) {
  UNLAZY_CHECK_USAGE(before.command == now.command, folder, ": holds a sweep of unlazy ",
                     before.command, ", not of unlazy ", now.command, "; choose another --out");
  check_same_base(before, now, folder);
  check_same_axes(before, now, folder);
  now.grid.axes = in_older_order(before.grid, now.grid);
  now.added = before.added;
  for (const auto& axis : now.grid.axes) {
    const auto found = before.base.find(axis.option);
    if (find_axis(before.grid, axis.option) == nullptr && found != before.base.end())
      now.added[axis.option] = found->second;
  }
  now.points = before.points;
  make_points(now);
  std::set<std::string> names;
  for (const auto& point : now.points) names.insert(point.name);
  for (const auto& point : before.points) {
    if (names.contains(point.name)) continue;
    for (const auto& [option, value] : now.added) {
      const auto& values = find_axis(now.grid, option)->values;
      UNLAZY_CHECK_USAGE(before.added.contains(option) || std::ranges::count(values, value) > 0,
                         folder, ": its runs have --", option, " ", value, ", so the new axis --",
                         option, " must have that value too");
    }
    throw Error(internal::concat(folder, ": its sweep has the point ", point.name,
                                 ", which this command lacks", kAdvice),
                Error::Kind::kMisuse);
  }
  return now;
}

bool holds_sweep(const SweepFolder& folder) { return std::filesystem::exists(folder.plan()); }

Plan read_plan(const SweepFolder& folder) {
  UNLAZY_CHECK_USAGE(holds_sweep(folder), folder.path(),
                     ": holds no sweep (no sweep.json); name the --out of unlazy sweep");
  return plan_in(read_json_file(folder.plan()), folder.plan());
}

std::vector<Point> new_points(const SweepFolder& folder, const Plan& plan) {
  std::set<std::string> known;
  if (holds_sweep(folder)) {
    for (const auto& point : read_plan(folder).points) known.insert(point.name);
  }
  std::vector<Point> points;
  for (const auto& point : plan.points) {
    if (!known.contains(point.name)) points.push_back(point);
  }
  return points;
}

Plan checked_plan(const SweepFolder& folder, const Plan& plan) {
  refuse_run(folder);
  return holds_sweep(folder) ? grown(read_plan(folder), plan, folder.path()) : plan;
}

Plan record_plan(const SweepFolder& folder, const Plan& plan) {
  checked_plan(folder, plan);  // nothing is touched for a sweep that is refused
  for (const auto& path : {folder.path(), folder.logs(), folder.state()}) make_folder(path);
  constexpr double kSilence = 30;
  constexpr unsigned kPause = 50000;  // microseconds
  LockFolder locks(folder.state(), kSilence);
  auto lock = locks.try_lock("sweep");
  for (const double start = seconds_since_boot(); !lock; lock = locks.try_lock("sweep")) {
    UNLAZY_CHECK(seconds_since_boot() - start < 3 * kSilence, folder.path(),
                 ": another process has been recording this sweep for long; repeat the command");
    ::usleep(kPause);
  }
  const auto recorded = checked_plan(folder, plan);
  const auto text = json_of(recorded).dump(2) + "\n";
  if (!holds_sweep(folder) || read_file(folder.plan()) != text) write_file(folder.plan(), text);
  lock->remove();
  return recorded;
}

}  // namespace unlazy::sweep
