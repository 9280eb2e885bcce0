#include "experiments/pruning_comparison.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <limits>
#include <sstream>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "experiments/pruning_figure.h"
#include "experiments/pruning_settings.h"
#include "report/band.h"

namespace unlazy::experiments {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

using Members = std::vector<const PruningCurve*>;

bool are_seeds(const PruningCurve& a, const PruningCurve& b) {
  return a.label == b.label && a.protocol == b.protocol && a.settings == b.settings;
}

std::vector<Members> members_of_groups(const std::vector<PruningCurve>& curves) {
  std::vector<Members> groups;
  for (const auto& curve : curves) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Members& g) { return are_seeds(*g[0], curve); });
    if (group == groups.end()) group = groups.insert(groups.end(), Members());
    for (const auto* other : *group) {
      UNLAZY_CHECK(other->seed != curve.seed, "prune: ", other->run, " and ", curve.run,
                   " have the same settings and seed ", curve.seed, "; compare one of them");
    }
    group->push_back(&curve);
  }
  return groups;
}

// "flip 0.1 momentum 0.9": what tells this group from others of its label and protocol.
std::string label_among(const Members& group, const std::vector<Members>& groups) {
  std::vector<Settings> rivals;
  for (const auto& other : groups) {
    if (other[0]->label == group[0]->label && other[0]->protocol == group[0]->protocol)
      rivals.push_back(other[0]->settings);
  }
  std::string label = group[0]->label;
  for (const auto& name : differing(rivals)) {
    const auto found = group[0]->settings.find(name);
    label += " " + name + " " + (found == group[0]->settings.end() ? "" : found->second);
  }
  return label;
}

CurveGroup group_of(const Members& members, const std::string& label) {
  CurveGroup group;
  group.label = label;
  group.protocol = members[0]->protocol;
  group.num_classes = members[0]->num_classes;
  group.num_seeds = static_cast<int64_t>(members.size());
  std::vector<report::SeedCurve> seeds(members.size());
  for (size_t i = 0; i < members[0]->levels.size(); ++i) {
    for (size_t seed = 0; seed < members.size(); ++seed) {
      const auto& curve = *members[seed];
      UNLAZY_CHECK(curve.levels.size() == members[0]->levels.size() &&
                       curve.levels[i].target == members[0]->levels[i].target,
                   "prune: the curves of '", group.label, "' (", members[0]->run, " and ",
                   curve.run, ") have different levels; make them with the same --levels");
      seeds[seed].steps.push_back(static_cast<double>(i));
      seeds[seed].values.push_back(curve.levels[i].accuracy);
    }
    group.density.push_back(members[0]->levels[i].density);
  }
  group.accuracy = report::band_over_seeds(seeds);
  group.area = area_under_curve(group.density, group.accuracy.mean);
  group.drop_density = density_of_drop(group.density, group.accuracy.mean);
  return group;
}

// A field of a table: in quotes where a comma would part it.
std::string field(const std::string& text) {
  return text.find(',') == std::string::npos ? text : '"' + text + '"';
}

}  // namespace

std::vector<CurveGroup> group_curves(const std::vector<PruningCurve>& curves) {
  const auto members = members_of_groups(curves);
  std::vector<CurveGroup> groups;
  for (const auto& group : members) groups.push_back(group_of(group, label_among(group, members)));
  return groups;
}

double area_under_curve(const std::vector<double>& density, const std::vector<double>& accuracy) {
  double area = 0, width = 0;
  for (size_t i = 1; i < density.size() && density[i] > 0; ++i) {
    const double step = std::log(density[i - 1] / density[i]);
    area += step * (accuracy[i - 1] + accuracy[i]) / 2;
    width += step;
  }
  return width > 0 ? area / width : kNan;
}

double density_of_drop(const std::vector<double>& density, const std::vector<double>& accuracy,
                       double points) {
  // A small slack: 0.71 is not above 0.72 - 0.01 in binary.
  constexpr double kSlack = 1e-12;
  for (size_t i = 1; i < density.size() && density[i] > 0; ++i) {
    const double limit = accuracy[0] - points;
    if (accuracy[i] > limit + kSlack) continue;
    const double share =
        std::clamp((accuracy[i - 1] - limit) / (accuracy[i - 1] - accuracy[i]), 0.0, 1.0);
    return density[i - 1] * std::pow(density[i] / density[i - 1], share);
  }
  return kNan;
}

void write_comparison(const std::string& folder, const std::string& name,
                      const std::vector<PruningCurve>& curves, const report::DrawOptions& draw) {
  const auto groups = group_curves(curves);
  std::ostringstream rows, summary;
  rows << "protocol,label,density,accuracy_mean,accuracy_sd,seeds\n";
  summary << "protocol,label,seeds,area_under_curve,density_of_1_point_drop\n";
  for (const auto& group : groups) {
    const auto &mean = group.accuracy.mean, &sd = group.accuracy.sd;
    for (size_t i = 0; i < mean.size(); ++i) {
      rows << group.protocol << ',' << field(group.label) << ',' << number_text(group.density[i])
           << ',' << number_text(mean[i]) << ',' << number_text(sd.empty() ? kNan : sd[i]) << ','
           << group.num_seeds << '\n';
    }
    summary << group.protocol << ',' << field(group.label) << ',' << group.num_seeds << ','
            << number_text(group.area) << ',' << number_text(group.drop_density) << '\n';
  }
  std::filesystem::create_directories(folder);
  write_file(folder + "/comparison.csv", rows.str());
  write_file(folder + "/summary.csv", summary.str());
  report::write_figure(folder + "/figures", pruning_figure(name, groups), draw);
}

std::string comparison_text(const std::vector<PruningCurve>& curves) {
  std::ostringstream text;
  text << "protocol                label           seeds  accuracy  area   density of a 1 point "
          "drop\n";
  for (const auto& group : group_curves(curves)) {
    const auto padded = [](std::string word, size_t width) {
      word.resize(std::max(width, word.size() + 1), ' ');
      return word;
    };
    text << padded(group.protocol, 24) << padded(group.label, 16)
         << padded(std::to_string(group.num_seeds), 7)
         << padded(rounded_text(group.accuracy.mean.empty() ? kNan : group.accuracy.mean[0]), 10)
         << padded(rounded_text(group.area, 3), 7)
         << (std::isfinite(group.drop_density) ? rounded_text(group.drop_density, 3)
                                               : "not reached")
         << '\n';
  }
  return text.str();
}

}  // namespace unlazy::experiments
