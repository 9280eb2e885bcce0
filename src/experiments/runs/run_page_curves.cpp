// The curves of the page: bands over seeds, and single seeds.
#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "experiments/runs/run_page.h"
#include "report/band.h"
#include "report/page.h"
#include "report/thin.h"

namespace unlazy::experiments {
namespace {

using Json = nlohmann::ordered_json;

// A point costs two numbers (step and value) of 4 bytes, and a band one more, in base64.
constexpr double kBytesOfNumber = 4 * 4.0 / 3;
constexpr size_t kMostPoints = 600;  // more than a screen has columns to show
constexpr size_t kFewestPoints = 12;

// The steps of curves. Many curves share theirs.
class Grids {
 public:
  size_t place_of(const std::vector<int64_t>& steps, double epochs_per_step) {
    const auto [found, is_new] = places_.try_emplace(steps, places_.size());
    if (is_new)
      list_.push_back({{"steps", report::packed_counts(steps)}, {"epochs", epochs_per_step}});
    return found->second;
  }
  const Json& list() const { return list_; }

 private:
  std::map<std::vector<int64_t>, size_t> places_;
  Json list_ = Json::array();
};

template <class Value>
std::vector<Value> chosen(const std::vector<Value>& all, const std::vector<size_t>& places) {
  std::vector<Value> some;
  for (const size_t i : places) some.push_back(all[i]);
  return some;
}

double epochs_per_step(const report::Curve& curve) {
  const auto last = static_cast<double>(curve.steps.back());
  return last > 0 ? curve.epochs.back() / last : 0;
}

// Sorted, without curves that are smoothed versions of others.
std::vector<std::string> names_of_curves(const RunSet& set) {
  std::set<std::string> names;
  for (const auto& run : set.runs) {
    for (const auto& curve : run.curves) names.insert(curve.first);
  }
  const std::string smoothed = "_ema";
  std::vector<std::string> list;
  for (const auto& name : names) {
    const bool is_smoothed =
        name.ends_with(smoothed) && names.contains(name.substr(0, name.size() - smoothed.size()));
    if (!is_smoothed) list.push_back(name);
  }
  return list;
}

Json seed_data(const report::Curve& curve, size_t run, size_t most, Grids& grids) {
  const auto places = report::thinned(curve.values, most);
  return {{"run", run},
          {"grid", grids.place_of(chosen(curve.steps, places), epochs_per_step(curve))},
          {"values", report::packed_floats(chosen(curve.values, places))}};
}

Json band_data(const std::vector<const report::Curve*>& curves, size_t group, size_t most,
               Grids& grids) {
  std::vector<report::SeedCurve> seeds;
  for (const auto* curve : curves)
    seeds.push_back({{curve->steps.begin(), curve->steps.end()}, curve->values});
  const auto band = report::band_over_seeds(seeds);
  const std::vector<int64_t> steps(band.steps.begin(), band.steps.end());
  const auto places = report::thinned(band.mean, most);
  Json data = {{"group", group},
               {"n", curves.size()},
               {"grid", grids.place_of(chosen(steps, places), epochs_per_step(*curves[0]))},
               {"mean", report::packed_floats(chosen(band.mean, places))}};
  if (!band.sd.empty()) data["sd"] = report::packed_floats(chosen(band.sd, places));
  return data;
}

// The members of a group that have the curve, and the curves.
struct GroupCurves {
  std::vector<size_t> runs;
  std::vector<const report::Curve*> curves;
};
GroupCurves curves_in(const RunSet& set, const RunGroup& group, const std::string& name) {
  GroupCurves found;
  for (const size_t run : group.members) {
    const auto curve = set.runs[run].curves.find(name);
    if (curve == set.runs[run].curves.end()) continue;
    found.runs.push_back(run);
    found.curves.push_back(&curve->second);
  }
  return found;
}

// How many points each curve may have.
size_t points_that_fit(const RunSet& set, const std::vector<RunGroup>& groups,
                       const std::vector<std::string>& names, size_t most_bytes) {
  const auto bytes_of = [&](size_t most) {
    double numbers = 0;
    constexpr double kOther = 12;  // names and brackets, as numbers
    for (const auto& name : names) {
      for (const auto& group : groups) {
        const auto found = curves_in(set, group, name);
        if (found.curves.empty()) continue;
        size_t longest = 0;
        for (const auto* curve : found.curves) {
          longest = std::max(longest, curve->steps.size());
          if (found.curves.size() == 1) continue;
          const auto size = curve->steps.size();
          // Steps of their own only where points are left out.
          numbers += kOther + static_cast<double>(size > most ? 2 * most : size);
        }
        numbers += kOther + static_cast<double>(longest > most ? 3 * most : 2 * longest);
      }
    }
    return numbers * kBytesOfNumber;
  };
  size_t most = kMostPoints;
  while (most > kFewestPoints && bytes_of(most) > static_cast<double>(most_bytes))
    most = most * 9 / 10;
  return std::max(most, kFewestPoints);
}

}  // namespace

Json curve_data(const RunSet& set, const std::vector<RunGroup>& groups, size_t most_bytes) {
  const auto names = names_of_curves(set);
  const size_t most = points_that_fit(set, groups, names, most_bytes);
  Grids grids;
  Json curves = Json::object();
  for (const auto& name : names) {
    Json bands = Json::array(), seeds = Json::array();
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto found = curves_in(set, groups[i], name);
      if (found.curves.empty()) continue;
      bands.push_back(band_data(found.curves, i, most, grids));
      // A single seed is its own mean.
      for (size_t k = 0; k < found.runs.size() && found.runs.size() > 1; ++k)
        seeds.push_back(seed_data(*found.curves[k], found.runs[k], most, grids));
    }
    curves[name] = {{"bands", std::move(bands)}, {"seeds", std::move(seeds)}};
  }
  return {{"points", most}, {"grids", grids.list()}, {"curves", std::move(curves)}};
}

}  // namespace unlazy::experiments
