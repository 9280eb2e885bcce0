#include "experiments/runs/run_page.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/format.h"
#include "core/names.h"
#include "core/version.h"
#include "report/band.h"
#include "report/colors.h"
#include "report/page.h"
#include "report/thin.h"

namespace unlazy::experiments {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kPictureBytes = 1'200'000;
constexpr int kPictureWidth = 900;
constexpr size_t kMostSpectra = 12;
constexpr size_t kSpectrumPoints = 400;

// To nine digits, which is more than is shown. JSON has no number for "not a number".
Json number_or_null(double value) {
  constexpr int kDigits = 9;
  return std::isfinite(value) ? Json(std::stod(rounded_text(value, kDigits))) : Json();
}
Json numbers_or_null(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(number_or_null(value));
  return list;
}

Json mean_data(const report::MeanOfSeeds& value) {
  return {number_or_null(value.mean), number_or_null(value.std_error), number_or_null(value.sd)};
}

Json looks_data(const std::vector<RunGroup>& groups) {
  std::vector<std::optional<double>> rates;
  for (const auto& group : groups) rates.push_back(group.noise_rate);
  Json list = Json::array();
  for (const auto& look : report::looks_of(rates))
    list.push_back({{"color", look.color}, {"dark", look.dark_color}, {"dash", look.dash}});
  return list;
}

Json groups_data(const std::vector<RunGroup>& groups) {
  const auto looks = looks_data(groups);
  Json list = Json::array();
  for (size_t i = 0; i < groups.size(); ++i) {
    Json options = Json::array();
    for (const auto& [name, value] : groups[i].options) options.push_back({name, value});
    list.push_back({{"name", groups[i].name},
                    {"options", options},
                    {"n", groups[i].members.size()},
                    {"look", looks[i]}});
  }
  return list;
}

// Options that are the same in all runs, without those that name the run itself.
Settings shared_options(const std::vector<Settings>& all) {
  Settings shared = all.empty() ? Settings() : all[0];
  for (const auto& options : all) {
    std::erase_if(shared, [&](const auto& item) {
      const auto found = options.find(item.first);
      return found == options.end() || found->second != item.second;
    });
  }
  return shared;
}

void add_runs(Json& data, const RunSet& set, const std::vector<RunGroup>& groups) {
  std::vector<Settings> all;
  for (const auto& run : set.runs) all.push_back(run.options);
  const auto shared = shared_options(all);
  data["options"] = shared;
  data["runs"] = Json::array();
  for (size_t i = 0; i < set.runs.size(); ++i) {
    const auto& run = set.runs[i];
    Json own = Json::object();
    for (const auto& [name, value] : all[i]) {
      if (!shared.contains(name) && name != "out") own[name] = value;  // the folder says it
    }
    double epochs = 0;
    int64_t steps = 0;
    for (const auto& [name, curve] : run.curves) {
      epochs = std::max(epochs, curve.epochs.back());
      steps = std::max(steps, curve.steps.back());
    }
    const auto group = std::ranges::find_if(groups, [&](const RunGroup& g) {
      return std::ranges::find(g.members, i) != g.members.end();
    });
    data["runs"].push_back(
        {{"name", run.name},
         {"folder", run.folder},
         {"seed", run.member.seed},
         {"group", group == groups.end() ? Json() : Json(group - groups.begin())},
         {"is_done", run.is_done},
         {"steps", steps},
         {"epochs", epochs},
         {"command", run.command},
         {"options", own}});
  }
}

Json table_data(const FinalTable& table) {
  Json rows = Json::array(), runs = Json::array();
  for (size_t i = 0; i < table.groups.size(); ++i)
    runs.push_back({{"n", table.runs[i].members.size()}, {"text", runs_text(table, i)}});
  for (const auto& row : table.rows) {
    Json cells = Json::object();
    for (const auto& [curve, cell] : row) {
      cells[curve] = {{"n", cell.num_seeds},
                      {"last", mean_data(cell.last)},
                      {"tenth", mean_data(cell.tenth)},
                      {"best", mean_data(cell.best)}};
    }
    rows.push_back(std::move(cells));
  }
  return {{"curves", table.curves}, {"usual", usual_curves(table)}, {"runs", runs}, {"rows", rows}};
}

Json pruning_data(const RunSet& set) {
  Json list = Json::array();
  for (const auto& [protocol, groups] : curve_groups(set)) {
    const auto looks = looks_data(groups);
    Json lines = Json::array();
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto& first = set.curves[groups[i].members[0]].curve;
      std::vector<double> density;
      Json accuracy = Json::array();
      for (size_t level = 0; level < first.levels.size(); ++level) {
        std::vector<double> values;
        for (const size_t member : groups[i].members)
          values.push_back(set.curves[member].curve.levels[level].accuracy);
        density.push_back(first.levels[level].density);
        accuracy.push_back(mean_data(report::mean_of_seeds(values)));
      }
      lines.push_back({{"name", groups[i].name},
                       {"n", groups[i].members.size()},
                       {"look", looks[i]},
                       {"density", density},
                       {"accuracy", accuracy}});
    }
    list.push_back({{"protocol", protocol}, {"groups", lines}});
  }
  return list;
}

Json claims_data(const std::vector<Claim>& claims) {
  Json list = Json::array();
  for (const auto& claim : claims) {
    Json checks = Json::array();
    for (const auto& check : claim.checks) {
      const auto& e = check.effect;
      checks.push_back({{"with", check.with},
                        {"without", check.without},
                        {"missing", missing_text(check)},
                        {"seeds", check.seeds},
                        {"values_with", check.values_with},
                        {"values_without", check.values_without},
                        {"mean_with", report::mean_of_seeds(check.values_with).mean},
                        {"mean_without", report::mean_of_seeds(check.values_without).mean},
                        {"effect", e.name},
                        {"unit", e.unit},
                        {"differences", numbers_or_null(e.values)},
                        {"mean", number_or_null(e.mean)},
                        {"std_error", number_or_null(e.std_error)},
                        {"margin", number_or_null(e.margin)},
                        {"least", e.least},
                        {"verdict", verdict_text(e.verdict)}});
    }
    list.push_back({{"text", claim.text},
                    {"number", claim.number},
                    {"needs", claim.needs},
                    {"checks", checks}});
  }
  return list;
}

// Numbers of `unlazy measure` over the seeds of each group, by name.
Json measured_data(const RunSet& set, const std::vector<RunGroup>& groups) {
  Json rows = Json::array();
  for (const auto& group : groups) {
    std::map<std::string, std::vector<double>> values;
    for (const size_t run : group.members) {
      for (const auto& [name, numbers] : set.runs[run].measured)
        if (numbers.size() == 1) values[name].push_back(numbers[0]);
    }
    Json row = Json::object();
    for (const auto& [name, list] : values) {
      row[name] = {{"n", list.size()}, {"last", mean_data(report::mean_of_seeds(list))}};
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

// Densities of the Hessian's eigenvalues, of the first runs that have one.
Json spectra_data(const RunSet& set) {
  const std::string x_name = "hessian_density_x", y_name = "hessian_density_y";
  Json list = Json::array();
  for (const auto& run : set.runs) {
    for (const auto& [name, x] : run.measured) {
      if (!name.starts_with(x_name) || list.size() >= kMostSpectra) continue;
      const auto settings = name.substr(x_name.size());  // " (samples=64)"
      const auto y = run.measured.find(y_name + settings);
      if (y == run.measured.end() || y->second.size() != x.size()) continue;
      const auto& heights = y->second;
      Json some_x = Json::array(), some_y = Json::array();
      for (const size_t i : report::thinned(heights, kSpectrumPoints)) {
        some_x.push_back(x[i]);
        some_y.push_back(heights[i]);
      }
      list.push_back({{"run", run.name + settings}, {"x", some_x}, {"y", some_y}});
    }
  }
  return list;
}

// Pictures of the runs, as many as there is room for; the others are named.
Json pictures_data(const RunSet& set) {
  Json shown = Json::array(), others = Json::array();
  size_t bytes = 0;
  const auto add = [&](const std::string& of, const std::string& file) {
    const auto url = bytes < kPictureBytes ? report::picture_url(file, kPictureWidth) : "";
    if (url.empty() || bytes + url.size() > kPictureBytes) {
      others.push_back(file);
      return;
    }
    bytes += url.size();
    shown.push_back(
        {{"of", of}, {"name", std::filesystem::path(file).stem().string()}, {"url", url}});
  };
  for (const auto& found : set.statements) {
    for (const auto& file : found.pictures) add(found.folder, file);
  }
  for (const auto& run : set.runs) {
    for (const auto& file : run.pictures) add(run.name, file);
  }
  return {{"shown", shown}, {"others", others}};
}

// What `unlazy compare` says about its runs.
Json statements_data(const RunSet& set) {
  Json list = Json::array();
  for (const auto& found : set.statements) {
    Json statements = Json::array();
    for (const auto& s : found.statements) {
      Json effects = Json::array();
      for (const auto& e : s.effects) {
        effects.push_back({{"name", e.name},
                           {"mean", number_or_null(e.mean)},
                           {"margin", number_or_null(e.margin)}});
      }
      statements.push_back({{"text", s.text},
                            {"verdict", verdict_text(s.verdict)},
                            {"numbers", s.numbers},
                            {"effects", effects}});
    }
    list.push_back({{"folder", found.folder}, {"statements", statements}});
  }
  return list;
}

}  // namespace

std::string page_title(const std::vector<std::string>& folders) {
  constexpr size_t kMost = 3;
  if (folders.size() <= kMost) return "unlazy: " + join(folders);
  return "unlazy: " + folders[0] + " and " + std::to_string(folders.size() - 1) + " others";
}

Json page_data(const RunSet& set, const std::vector<RunGroup>& groups, size_t most_bytes) {
  Json data;
  data["version"] = version();
  add_runs(data, set, groups);
  data["groups"] = groups_data(groups);
  data["table"] = table_data(final_table(set, groups));
  data["pruning"] = pruning_data(set);
  data["claims"] = claims_data(claims_of(set, groups));
  data["statements"] = statements_data(set);
  data["measured"] = measured_data(set, groups);
  data["spectra"] = spectra_data(set);
  data["pictures"] = pictures_data(set);
  data["skipped"] = Json::array();
  for (const auto& skipped : set.skipped)
    data["skipped"].push_back({skipped.folder, skipped.reason});
  const size_t used = data.dump(-1, ' ', false, Json::error_handler_t::replace).size();
  data.update(curve_data(set, groups, most_bytes - std::min(most_bytes, used)));
  return data;
}

}  // namespace unlazy::experiments
