#include "report/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/error.h"
#include "core/format.h"
#include "core/names.h"
#include "core/options.h"

namespace unlazy::report {
namespace {

namespace fs = std::filesystem;

constexpr const char* kHeader = "step,epoch,name,value";

template <class Number>
bool read_number(std::string_view text, Number& value) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size();
}

struct Column {
  const char* title;
  const char* curve;
};
constexpr std::array<Column, 6> kColumns = {{{"test accuracy", "test_accuracy"},
                                             {"smoothed", "test_accuracy_ema"},
                                             {"test loss", "test_loss"},
                                             {"train accuracy", "train_accuracy"},
                                             {"train loss", "train_loss"},
                                             {"distance", "distance_from_init"}}};

std::vector<std::string> table_row(const std::string& run) {
  const auto curves = read_metrics(run);
  double epoch = 0;
  for (const auto& [name, curve] : curves) epoch = std::max(epoch, curve.epochs.back());
  std::vector<std::string> row = {run, rounded_text(epoch)};
  for (const auto& column : kColumns) {
    const auto found = curves.find(column.curve);
    row.push_back(found == curves.end() ? "-" : rounded_text(found->second.values.back()));
  }
  return row;
}

struct Row {
  int64_t step = 0;
  double epoch = 0, value = 0;
  std::string_view name;
};

// Takes the text before the next comma, or all that is left, from the front of `rest`.
std::string_view next_field(std::string_view& rest) {
  const auto comma = rest.find(',');
  const auto field = rest.substr(0, comma);
  rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  return field;
}

bool read_row(std::string_view line, Row& row) {
  if (std::ranges::count(line, ',') != 3) return false;
  return read_number(next_field(line), row.step) && read_number(next_field(line), row.epoch) &&
         !(row.name = next_field(line)).empty() && read_number(line, row.value);
}

// Reads row by row; `use` gets each whole row and the place behind it, and says whether to go on.
// A line that is no row ends the reading from `trusted` bytes on, and is an Error before.
void read_rows(const std::string& path, std::ifstream& in, uint64_t trusted,
               const std::function<bool(const Row& row, uint64_t end)>& use) {
  std::string line;
  UNLAZY_CHECK(std::getline(in, line) && line == kHeader, path, ": does not begin with ", kHeader,
               "; it is not a run's metrics");
  uint64_t end = line.size() + 1;
  for (int64_t number = 2; std::getline(in, line); ++number) {
    if (in.eof()) return;  // no newline: the row is being written
    Row row;
    const bool is_row = read_row(line, row);
    if (!is_row && end >= trusted) return;
    UNLAZY_CHECK(is_row, path, ": line ", number, " is not a row of ", kHeader, ": ", line);
    end += line.size() + 1;
    if (!use(row, end)) return;
  }
  UNLAZY_CHECK(!in.bad(), path, ": cannot be read to its end");
}

// Runs one or two folders below, sorted, at most `most`.
std::vector<std::string> runs_below(const std::string& folder, size_t most) {
  std::vector<std::string> found;
  const auto visit = [&](const fs::path& path, int depth, const auto& self) -> void {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(path, error)) {
      if (!entry.is_directory(error)) continue;
      if (fs::exists(entry.path() / "metrics.csv", error)) found.push_back(entry.path().string());
      if (depth > 1) self(entry.path(), depth - 1, self);
    }
  };
  visit(folder, 2, visit);
  std::sort(found.begin(), found.end());
  if (found.size() > most) found.resize(most);
  return found;
}

// A folder of another command, or of several runs: what it is and where the curves are.
void refuse_other_results(const std::string& folder) {
  std::error_code error;
  if (fs::exists(folder + "/metrics.csv", error)) return;
  const auto runs = runs_below(folder, 2);
  std::string command;
  if (fs::exists(folder + "/config.json", error))
    command = read_json_file(folder + "/config.json").value("command", "");
  const bool is_other = !command.empty() && command != "train";
  if (!is_other && runs.empty()) return;
  const bool has_figures = fs::is_directory(folder + "/figures", error);
  const std::string pictures = has_figures ? folder + "/figures" : folder;
  throw Error(folder + ": is " +
                  (is_other ? "a folder of unlazy " + command : "a folder of several runs") +
                  ", not a run; " +
                  (runs.empty() ? "see what is in " + pictures
                                : "give its run folders, such as " + join(runs, " ") +
                                      (has_figures ? ", or see " + pictures : "")),
              Error::Kind::kMisuse);
}

// The curves in a table whose lines are trusted up to `trusted` bytes.
Curves read_curves(const std::string& path, std::ifstream& in, uint64_t trusted) {
  Curves curves;
  // The names come in the same order at each step: the next one is guessed before it is looked up.
  std::vector<Curves::value_type*> order;
  size_t next = 0;
  read_rows(path, in, trusted, [&](const Row& row, uint64_t) {
    if (next == order.size()) next = 0;
    if (order.empty() || order[next]->first != row.name) {
      const auto [found, is_new] = curves.try_emplace(std::string(row.name));
      if (is_new) order.push_back(&*found);
      next = static_cast<size_t>(std::ranges::find(order, &*found) - order.begin());
    }
    auto& curve = order[next++]->second;
    curve.steps.push_back(row.step);
    curve.epochs.push_back(row.epoch);
    curve.values.push_back(row.value);
    return true;
  });
  return curves;
}

// Is the header complete? False where the file is empty or the header is still being written.
bool has_header(std::ifstream& in) {
  const std::string header = std::string(kHeader) + "\n";
  std::string start(header.size(), '\0');
  in.read(start.data(), static_cast<std::streamsize>(start.size()));
  start.resize(static_cast<size_t>(in.gcount()));
  in.clear();
  in.seekg(0);
  return start == header || !header.starts_with(start);  // what is no header is an Error later
}

}  // namespace

Curves read_metrics(const std::string& run) {
  const std::string path = run + "/metrics.csv";
  refuse_other_results(run);
  std::ifstream in(path);
  UNLAZY_CHECK(in.good(), path, ": cannot be read; is ", run, " the folder of a run?");
  return read_curves(path, in, std::numeric_limits<uint64_t>::max());
}

Curves read_metrics_so_far(const std::string& run) {
  const std::string path = run + "/metrics.csv";
  std::ifstream in(path);
  if (!in.good() || !has_header(in)) return {};
  return read_curves(path, in, 0);
}

uint64_t metrics_until(const std::string& path, int64_t step, uint64_t trusted) {
  std::ifstream in(path);
  UNLAZY_CHECK(in.good(), path, ": cannot be read");
  if (!has_header(in)) return 0;
  uint64_t until = std::string_view(kHeader).size() + 1;
  read_rows(path, in, trusted, [&](const Row& row, uint64_t end) {
    if (row.step > step) return false;
    until = end;
    return true;
  });
  return until;
}

std::string run_table(const std::vector<std::string>& runs) {
  std::vector<std::vector<std::string>> rows = {{"run", "epochs"}};
  for (const auto& column : kColumns) rows[0].push_back(column.title);
  for (const auto& run : runs) rows.push_back(table_row(run));
  std::vector<size_t> widths(rows[0].size());
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - row[i].size(), ' ');
      text += i == 0 ? row[i] + space : "  " + space + row[i];
    }
    text += "\n";
  }
  return text;
}

}  // namespace unlazy::report
