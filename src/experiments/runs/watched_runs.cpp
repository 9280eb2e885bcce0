#include "experiments/runs/watched_runs.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
#include "report/colors.h"
#include "report/terminal_chart.h"
#include "report/text.h"

namespace unlazy::experiments {
namespace {

constexpr std::array<const char*, 6> kFirstToWatch = {
    "test_accuracy", "train_loss", "test_loss", "train_accuracy", "train_set_loss", "weight_norm"};
constexpr size_t kUsualCharts = 2;
constexpr size_t kWide = 120;      // columns from which on two charts stand side by side
constexpr size_t kGap = 2;         // between them
constexpr size_t kFewestRows = 7;  // of a chart
constexpr size_t kMostMarks = 26;

// The mean over the seeds that have a step.
report::TerminalLine mean_line(const RunSet& set, const RunGroup& group, const std::string& curve) {
  struct Sum {
    double epoch = 0, value = 0, n = 0;
  };
  std::map<int64_t, Sum> sums;
  for (const size_t member : group.members) {
    const auto found = set.runs[member].curves.find(curve);
    if (found == set.runs[member].curves.end()) continue;
    for (size_t i = 0; i < found->second.steps.size(); ++i) {
      auto& sum = sums[found->second.steps[i]];
      sum.epoch = found->second.epochs[i];
      sum.value += found->second.values[i];
      ++sum.n;
    }
  }
  report::TerminalLine line;
  for (const auto& [step, sum] : sums) {
    line.x.push_back(sum.epoch);
    line.y.push_back(sum.value / sum.n);
  }
  return line;
}

double epoch_of(const FoundRun& run) {
  double epoch = 0;
  for (const auto& [name, curve] : run.curves) epoch = std::max(epoch, curve.epochs.back());
  return epoch;
}

int64_t step_of(const FoundRun& run) {
  int64_t step = 0;
  for (const auto& [name, curve] : run.curves) step = std::max(step, curve.steps.back());
  return step;
}

// The share of the steps of all runs that were taken, where their number is known.
std::string progress_text(const RunSet& set) {
  double done = 0, all = 0;
  for (const auto& run : set.runs) {
    all += static_cast<double>(run.num_steps);
    done += static_cast<double>(std::min(step_of(run), run.num_steps));
  }
  return all > 0 ? ", " + rounded_text(std::floor(100 * done / all)) + " % of the steps" : "";
}

std::string one_row(const std::string& text, const FrameSize& size) {
  return report::fitted(report::one_line(text), size.width);
}

// One line for each curve and group.
using WatchedLines = std::vector<std::vector<report::TerminalLine>>;
WatchedLines watched_lines(const RunSet& set, const std::vector<RunGroup>& groups,
                           const std::vector<std::string>& names) {
  std::vector<std::optional<double>> rates;
  for (const auto& group : groups) rates.push_back(group.noise_rate);
  const auto looks = report::looks_of(rates);
  WatchedLines all;
  for (const auto& name : names) {
    auto& lines = all.emplace_back();
    for (size_t i = 0; i < groups.size(); ++i) {
      lines.push_back(mean_line(set, groups[i], name));
      lines.back().color = looks[i].dark_color;
      lines.back().mark = i < kMostMarks ? static_cast<char>('a' + i) : '*';
    }
  }
  return all;
}

// All charts in `room` rows, or in as many as they need to be read.
std::vector<std::string> chart_rows(const std::vector<std::string>& names,
                                    const WatchedLines& watched, bool is_log, const FrameSize& size,
                                    size_t room) {
  const size_t across = size.width >= kWide && names.size() > 1 ? 2 : 1;
  const size_t down = (names.size() + across - 1) / across;
  const size_t height = std::max(kFewestRows, room / std::max<size_t>(down, 1));
  const size_t width = (size.width - kGap * (across - 1)) / across;
  std::vector<std::string> rows(down * height);
  for (size_t i = 0; i < names.size(); ++i) {
    const auto chart =
        report::terminal_text({names[i], is_log, watched[i]}, width, height, size.has_colors);
    for (size_t row = 0; row < chart.size(); ++row) {
      auto& text = rows[i / across * height + row];
      text += (i % across == 0 ? "" : std::string(kGap, ' ')) + chart[row];
    }
  }
  return rows;
}

std::vector<std::string> legend_of(const std::vector<RunGroup>& groups,
                                   const std::vector<std::string>& names,
                                   const WatchedLines& watched, const FrameSize& size,
                                   size_t most_rows) {
  std::vector<std::string> rows;
  for (size_t i = 0; i < groups.size() && !names.empty(); ++i) {
    if (i + 1 == most_rows && most_rows < groups.size()) {
      rows.push_back(one_row("and " + std::to_string(groups.size() - i) + " more groups", size));
      break;
    }
    std::string text = std::string(1, watched[0][i].mark) + "  " + groups[i].name +
                       " (n = " + std::to_string(groups[i].members.size()) + ")";
    for (size_t k = 0; k < names.size(); ++k) {
      const auto& values = watched[k][i].y;
      text += "  " + names[k] + " " + (values.empty() ? "-" : rounded_text(values.back()));
    }
    text = one_row(text, size);
    rows.push_back(size.has_colors ? report::colored(text, watched[0][i].color) : text);
  }
  return rows;
}

}  // namespace

WatchedRuns::Stamp WatchedRuns::stamp_of(const std::string& folder) {
  std::error_code error;
  namespace fs = std::filesystem;
  Stamp stamp{fs::last_write_time(folder + "/metrics.csv", error),
              fs::last_write_time(folder + "/config.json", error),
              fs::file_size(folder + "/metrics.csv", error), fs::exists(folder + "/DONE", error)};
  return stamp;
}

void WatchedRuns::refresh() {
  set_ = {};
  for (const auto& folder : run_folders(folders_, set_.skipped)) {
    const auto stamp = stamp_of(folder);
    auto& known = known_[folder];
    if (known.run.folder.empty() || !(known.stamp == stamp)) {
      try {
        known = {stamp, read_run(folder)};
      } catch (const std::exception& problem) {  // a file that is being written: next time
        set_.skipped.push_back({folder, problem.what()});
        continue;
      }
    }
    set_.runs.push_back(known.run);
  }
  groups_ = groups_of(set_);
}

std::string WatchedRuns::head() const {
  const auto start = join(folders_, " ") + ": ";
  if (set_.runs.empty()) return start + "no run yet";
  if (set_.runs.size() == 1) {
    const auto& run = set_.runs[0];
    return start + "epoch " + rounded_text(epoch_of(run)) + progress_text(set_) +
           (run.is_done ? ", finished" : "");
  }
  const auto num_done = std::ranges::count(set_.runs, true, &FoundRun::is_done);
  return start + std::to_string(set_.runs.size()) + " runs in " + std::to_string(groups_.size()) +
         (groups_.size() == 1 ? " group, " : " groups, ") + std::to_string(num_done) + " finished" +
         progress_text(set_);
}

std::vector<std::string> WatchedRuns::curve_names() const {
  if (!options_.curves.empty()) return options_.curves;
  std::set<std::string> known;
  for (const auto& run : set_.runs) {
    for (const auto& curve : run.curves) known.insert(curve.first);
  }
  std::vector<std::string> names;
  for (const char* name : kFirstToWatch) {
    if (known.contains(name) && names.size() < kUsualCharts) names.emplace_back(name);
  }
  if (names.empty() && !known.empty()) names.push_back(*known.begin());
  return names;
}

std::string WatchedRuns::frame(const FrameSize& size) const {
  std::vector<std::string> lines = {one_row(head(), size)};
  if (set_.runs.empty()) {
    for (const auto& [folder, reason] : set_.skipped)
      lines.push_back(one_row("  " + folder + ": " + reason, size));
  } else {
    const auto names = curve_names();
    const auto watched = watched_lines(set_, groups_, names);
    // The legend takes what it needs, but leaves half of the screen.
    const size_t legend_rows = std::min(groups_.size(), std::max<size_t>(size.height / 2, 2));
    const size_t taken = legend_rows + lines.size();
    for (auto& line : chart_rows(names, watched, options_.log_y, size,
                                 size.height > taken ? size.height - taken : 0))
      lines.push_back(std::move(line));
    for (auto& line : legend_of(groups_, names, watched, size, legend_rows))
      lines.push_back(std::move(line));
  }
  lines.resize(std::min(lines.size(), size.height));
  return join(lines, "\n") + "\n";
}

}  // namespace unlazy::experiments
