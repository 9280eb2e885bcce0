#include "report/metrics.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <fstream>
#include <sstream>

#include "core/error.h"
#include "core/format.h"

namespace unlazy::report {
namespace {

template <class Number>
bool read_number(const std::string& text, Number& value) {
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

}  // namespace

std::map<std::string, Curve> read_metrics(const std::string& run) {
  const std::string path = run + "/metrics.csv";
  std::ifstream in(path);
  std::string line;
  UNLAZY_CHECK(in.good(), path, ": cannot be read; is ", run, " the folder of a run?");
  UNLAZY_CHECK(std::getline(in, line) && line == "step,epoch,name,value", path,
               ": does not begin with step,epoch,name,value; it is not a run's metrics");
  std::map<std::string, Curve> curves;
  for (int64_t number = 2; std::getline(in, line); ++number) {
    std::istringstream words(line);
    std::string step, epoch, name, value;
    int64_t step_value = 0;
    double epoch_value = 0, number_value = 0;
    const bool is_row = std::getline(words, step, ',') && std::getline(words, epoch, ',') &&
                        std::getline(words, name, ',') && std::getline(words, value) &&
                        read_number(step, step_value) && read_number(epoch, epoch_value) &&
                        read_number(value, number_value);
    if (in.eof()) break;  // no newline: the row is being written
    UNLAZY_CHECK(is_row, path, ": line ", number, " is not a row of step,epoch,name,value: ", line);
    auto& curve = curves[name];
    curve.steps.push_back(step_value);
    curve.epochs.push_back(epoch_value);
    curve.values.push_back(number_value);
  }
  return curves;
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
