#include "experiments/runs/final_table.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <limits>
#include <set>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
#include "report/text.h"

namespace unlazy::experiments {
namespace {

constexpr double kNoNumber = std::numeric_limits<double>::quiet_NaN();
constexpr double kLastPart = 0.1;

struct Quantity {
  const char* name;   // in the csv
  const char* title;  // for people
  report::MeanOfSeeds TableCell::*member;
};
constexpr std::array<Quantity, 3> kQuantities = {{{"last", "last", &TableCell::last},
                                                  {"tenth", "last tenth", &TableCell::tenth},
                                                  {"best", "best", &TableCell::best}}};

TableRuns runs_of_row(const RunSet& set, const RunGroup& group) {
  TableRuns runs;
  for (const size_t run : group.members) {
    if (set.runs[run].is_done) runs.members.push_back(run);
  }
  runs.is_finished = !runs.members.empty();
  if (!runs.is_finished) runs.members = group.members;
  runs.num_left_out = static_cast<int64_t>(group.members.size() - runs.members.size());
  return runs;
}

TableCell cell_of(const RunSet& set, const TableRuns& runs, const std::string& name) {
  std::vector<double> last, tenth, best;
  for (const size_t run : runs.members) {
    const auto found = set.runs[run].curves.find(name);
    if (found == set.runs[run].curves.end()) continue;
    const auto end = end_of_curve(name, found->second);
    last.push_back(end.last);
    tenth.push_back(end.tenth);
    best.push_back(end.best);
  }
  return {static_cast<int64_t>(last.size()), report::mean_of_seeds(last),
          report::mean_of_seeds(tenth), report::mean_of_seeds(best)};
}

std::string csv_field(const std::string& text) {
  if (text.find_first_of(",\"\n") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::vector<std::string> option_names(const FinalTable& table) {
  std::vector<std::string> names;
  if (!table.groups.empty())
    for (const auto& [name, value] : table.groups[0].options) names.push_back(name);
  if (names.empty()) names.push_back("group");
  return names;
}

std::vector<std::string> option_values(const RunGroup& group) {
  std::vector<std::string> values;
  for (const auto& [name, value] : group.options) values.push_back(value.empty() ? "-" : value);
  if (values.empty()) values.push_back(group.name);
  return values;
}

std::string words_of(std::string name) {
  std::ranges::replace(name, '_', ' ');
  return name;
}

void check_curves(const FinalTable& table, const std::vector<std::string>& curves) {
  for (const auto& name : curves) {
    UNLAZY_CHECK_USAGE(std::ranges::binary_search(table.curves, name),
                       "report: no run has the curve ", name, "; ", suggest(name, table.curves));
  }
}

// The cells of a table for people: the head, then one row per group.
std::vector<std::vector<std::string>> cells_of(const FinalTable& table,
                                               const std::vector<std::string>& curves,
                                               const std::string& plus_minus) {
  check_curves(table, curves);
  std::vector<std::vector<std::string>> cells = {option_names(table)};
  cells[0].push_back("n");
  const auto is_shown = [&](const std::string& curve, const Quantity& quantity) {
    return std::ranges::any_of(table.rows, [&](const auto& row) {
      const auto found = row.find(curve);
      return found != row.end() && std::isfinite((found->second.*quantity.member).mean);
    });
  };
  for (const auto& curve : curves) {
    for (const auto& quantity : kQuantities) {
      if (is_shown(curve, quantity)) cells[0].push_back(words_of(curve) + ", " + quantity.title);
    }
  }
  for (size_t i = 0; i < table.groups.size(); ++i) {
    auto row = option_values(table.groups[i]);
    row.push_back(runs_text(table, i));
    for (const auto& curve : curves) {
      const auto found = table.rows[i].find(curve);
      for (const auto& quantity : kQuantities) {
        if (!is_shown(curve, quantity)) continue;
        if (found == table.rows[i].end()) {
          row.push_back("-");
          continue;
        }
        const auto& value = found->second.*quantity.member;
        const auto n = found->second.num_seeds;
        const bool has_all = n == static_cast<int64_t>(table.runs[i].members.size());
        row.push_back(with_error(value.mean, value.std_error, plus_minus) +
                      (has_all ? "" : " (n = " + std::to_string(n) + ")"));
      }
    }
    cells.push_back(std::move(row));
  }
  return cells;
}

std::string for_markdown(const std::string& text) {
  std::string out;
  for (const char c : report::one_line(text)) {
    if (std::string_view("|\\`*_[]<>").find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

std::string for_latex(const std::string& text) {
  std::string out;
  for (const char c : report::one_line(text)) {
    if (c == '\\') {
      out += "\\textbackslash{}";
    } else if (c == '~' || c == '^') {
      out += std::string("\\") + c + "{}";
    } else {
      if (std::string_view("#$%&_{}").find(c) != std::string_view::npos) out += '\\';
      out += c;
    }
  }
  return out;
}

}  // namespace

EndOfCurve end_of_curve(const std::string& name, const report::Curve& curve) {
  const bool is_accuracy = name.find("accuracy") != std::string::npos;
  const bool is_loss = name.find("loss") != std::string::npos;
  EndOfCurve end{curve.values.back(), 0, kNoNumber};
  const auto first = static_cast<double>(curve.steps.front());
  const auto last = static_cast<double>(curve.steps.back());
  const double from = last - kLastPart * (last - first);
  double count = 0;
  for (size_t i = 0; i < curve.values.size(); ++i) {
    const double value = curve.values[i];
    if (static_cast<double>(curve.steps[i]) >= from) {
      end.tenth += value;
      ++count;
    }
    const bool is_better =
        std::isnan(end.best) || (is_accuracy ? value > end.best : value < end.best);
    if ((is_accuracy || is_loss) && is_better) end.best = value;
  }
  end.tenth /= count;
  return end;
}

FinalTable final_table(const RunSet& set, const std::vector<RunGroup>& groups) {
  FinalTable table{groups, {}, {}, {}};
  std::set<std::string> names;
  for (const auto& run : set.runs) {
    for (const auto& curve : run.curves) names.insert(curve.first);
  }
  table.curves.assign(names.begin(), names.end());
  for (const auto& group : groups) {
    const auto& runs = table.runs.emplace_back(runs_of_row(set, group));
    auto& row = table.rows.emplace_back();
    for (const auto& name : table.curves) {
      auto cell = cell_of(set, runs, name);
      if (cell.num_seeds > 0) row[name] = cell;
    }
  }
  return table;
}

std::vector<std::string> usual_curves(const FinalTable& table) {
  std::vector<std::string> list;
  for (const char* name : {"test_accuracy", "test_accuracy_recalibrated", "test_loss"}) {
    if (std::ranges::binary_search(table.curves, name)) list.push_back(name);
  }
  if (list.empty() && !table.curves.empty()) list.push_back(table.curves[0]);
  return list;
}

std::string runs_text(const FinalTable& table, size_t i) {
  const auto& runs = table.runs[i];
  const auto n = std::to_string(runs.members.size());
  if (!runs.is_finished) return n + " (unfinished)";
  return runs.num_left_out == 0
             ? n
             : n + " (" + std::to_string(runs.num_left_out) + " unfinished left out)";
}

std::string table_as_csv(const FinalTable& table) {
  std::string text;
  for (const auto& name : option_names(table)) text += csv_field(name) + ",";
  text += "curve,n";
  for (const auto& quantity : kQuantities) {
    for (const char* part : {"_mean", "_se", "_sd"})
      text += std::string(",") + quantity.name + part;
  }
  text += ",state\n";
  const auto number = [](double value) { return std::isnan(value) ? "" : number_text(value); };
  for (size_t i = 0; i < table.groups.size(); ++i) {
    for (const auto& [curve, cell] : table.rows[i]) {
      for (const auto& value : option_values(table.groups[i])) text += csv_field(value) + ",";
      text += csv_field(curve) + "," + std::to_string(cell.num_seeds);
      for (const auto& quantity : kQuantities) {
        const auto& value = cell.*quantity.member;
        for (const double part : {value.mean, value.std_error, value.sd})
          text += "," + number(part);
      }
      text += table.runs[i].is_finished ? ",finished\n" : ",unfinished\n";
    }
  }
  return text;
}

std::string table_as_markdown(const FinalTable& table, const std::vector<std::string>& curves) {
  const auto cells = cells_of(table, curves, " ± ");
  std::string text;
  for (size_t i = 0; i < cells.size(); ++i) {
    text += "|";
    for (const auto& cell : cells[i]) text += " " + for_markdown(cell) + " |";
    text += "\n";
    if (i > 0) continue;
    text += "|";
    for (size_t column = 0; column < cells[0].size(); ++column) text += " --- |";
    text += "\n";
  }
  return text;
}

std::string table_as_latex(const FinalTable& table, const std::vector<std::string>& curves) {
  const auto cells = cells_of(table, curves, "$ \\pm $");
  const auto num_options = option_names(table).size();
  std::string text =
      "% mean and standard error over n seeds; needs \\usepackage{booktabs}\n"
      "\\begin{tabular}{" +
      std::string(num_options, 'l') + std::string(cells[0].size() - num_options, 'r') +
      "}\n\\toprule\n";
  for (size_t i = 0; i < cells.size(); ++i) {
    for (size_t column = 0; column < cells[i].size(); ++column) {
      // Names of options and their values come from outside.
      const bool is_ours = i > 0 && column > num_options;
      const auto& cell = cells[i][column];
      text += (column == 0 ? "" : " & ") + (is_ours ? cell : for_latex(cell));
    }
    text += " \\\\\n";
    if (i == 0) text += "\\midrule\n";
  }
  return text + "\\bottomrule\n\\end{tabular}\n";
}

std::string with_error(double mean, double std_error, const std::string& plus_minus) {
  if (!std::isfinite(mean)) return "-";
  if (!std::isfinite(std_error) || std_error <= 0) return rounded_text(mean);
  constexpr int kMostDecimals = 8;
  const int decimals =
      std::clamp(1 - static_cast<int>(std::floor(std::log10(std_error))), 0, kMostDecimals);
  std::array<char, 64> left{}, right{};
  std::snprintf(left.data(), left.size(), "%.*f", decimals, mean);
  std::snprintf(right.data(), right.size(), "%.*f", decimals, std_error);
  return left.data() + plus_minus + right.data();
}

}  // namespace unlazy::experiments
