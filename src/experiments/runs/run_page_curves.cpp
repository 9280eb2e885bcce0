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

// In base64.
constexpr double kBytesOfNumber = 4 * 4.0 / 3;
constexpr size_t kMostPoints = 600;  // more than a screen has columns to show
constexpr size_t kFewestPoints = 16;

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

Json seed_data(size_t run, size_t grid, const std::vector<double>& values) {
  return {{"run", run}, {"grid", grid}, {"values", report::packed_floats(values)}};
}

// The members of a group that have the curve, and the curves.
struct GroupCurves {
  std::vector<size_t> runs;
  std::vector<const report::Curve*> curves;
};

// How many points curves may have.
struct PointLimits {
  size_t band, seed;
};

// One curve of a group: its band, and its single seeds unless there is only one, which is its own
// mean. Seeds that were recorded at the steps of the band have common steps in the page, too.
void add_group(Json& bands, Json& seeds, const GroupCurves& members, size_t group, PointLimits most,
               Grids& grids) {
  const auto& curves = members.curves;
  std::vector<report::SeedCurve> all;
  for (const auto* curve : curves)
    all.push_back({{curve->steps.begin(), curve->steps.end()}, curve->values});
  const auto band = report::band_over_seeds(all);
  const std::vector<int64_t> steps(band.steps.begin(), band.steps.end());
  const auto places = report::thinned(band.mean, most.band);
  const double epochs = epochs_per_step(*curves[0]);
  Json data = {{"group", group},
               {"n", curves.size()},
               {"grid", grids.place_of(chosen(steps, places), epochs)},
               {"mean", report::packed_floats(chosen(band.mean, places))}};
  if (!band.sd.empty()) data["sd"] = report::packed_floats(chosen(band.sd, places));
  bands.push_back(std::move(data));
  if (curves.size() < 2) return;
  const auto common = most.seed < most.band ? report::thinned(band.mean, most.seed) : places;
  for (size_t i = 0; i < curves.size(); ++i) {
    const auto& own = curves[i]->values;
    const auto kept = curves[i]->steps == steps ? common : report::thinned(own, most.seed);
    const auto grid = grids.place_of(chosen(curves[i]->steps, kept), epochs_per_step(*curves[i]));
    seeds.push_back(seed_data(members.runs[i], grid, chosen(own, kept)));
  }
}

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

// Where room is short, a seed has half of the points of a band.
PointLimits limits_of(size_t most) { return {most, most < kMostPoints ? most / 2 : most}; }

// The greatest limits with which all curves take about `most_bytes`.
PointLimits points_that_fit(const RunSet& set, const std::vector<RunGroup>& groups,
                            const std::vector<std::string>& names, size_t most_bytes) {
  const auto bytes_of = [&](PointLimits most) {
    double numbers = 0;
    constexpr double kOther = 12;  // names and brackets, as numbers
    for (const auto& name : names) {
      for (const auto& group : groups) {
        const auto found = curves_in(set, group, name);
        size_t longest = 0;
        for (const auto* curve : found.curves) longest = std::max(longest, curve->steps.size());
        const auto band = static_cast<double>(std::min(longest, most.band));
        const auto seed = static_cast<double>(std::min(longest, most.seed));
        const auto n = static_cast<double>(found.curves.size());
        // Steps, mean and deviation; steps of the seeds once, and their values.
        numbers += n == 0 ? 0 : 3 * band + kOther;
        numbers += n < 2 ? 0 : seed + n * (seed + kOther);
      }
    }
    return numbers * kBytesOfNumber;
  };
  size_t most = kMostPoints;
  while (most > kFewestPoints && bytes_of(limits_of(most)) > static_cast<double>(most_bytes))
    most = most * 19 / 20;
  return limits_of(std::max(most, kFewestPoints));
}

}  // namespace

Json curve_data(const RunSet& set, const std::vector<RunGroup>& groups, size_t most_bytes) {
  const auto names = names_of_curves(set);
  const auto most = points_that_fit(set, groups, names, most_bytes);
  Grids grids;
  Json curves = Json::object();
  for (const auto& name : names) {
    Json bands = Json::array(), seeds = Json::array();
    for (size_t i = 0; i < groups.size(); ++i) {
      const auto found = curves_in(set, groups[i], name);
      if (!found.curves.empty()) add_group(bands, seeds, found, i, most, grids);
    }
    curves[name] = {{"bands", std::move(bands)}, {"seeds", std::move(seeds)}};
  }
  return {{"points", most.band}, {"grids", grids.list()}, {"curves", std::move(curves)}};
}

}  // namespace unlazy::experiments
