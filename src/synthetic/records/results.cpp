#include "synthetic/records/results.h"

#include <cmath>
#include <iomanip>
#include <nlohmann/json.hpp>
#include <sstream>

#include "core/files.h"
#include "core/format.h"
#include "core/names.h"

namespace unlazy::synthetic {
namespace {

using Json = nlohmann::ordered_json;

// Builds the text of a CSV file, a cell at a time.
class Csv {
 public:
  void cell(double value) { word(number_text(value)); }
  void cell(int64_t value) { word(std::to_string(value)); }
  void word(const std::string& text) {
    if (!is_row_empty_) text_ += ',';
    text_ += text;
    is_row_empty_ = false;
  }
  void end_row() {
    text_ += '\n';
    is_row_empty_ = true;
  }
  void setting_header() {
    for (const char* name : {"lr", "sigma", "rho", "seed"}) word(name);
  }
  void setting(const Setting& s) {
    cell(s.lr);
    cell(s.sigma);
    cell(s.rho);
    cell(static_cast<int64_t>(s.seed));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
  bool is_row_empty_ = true;
};

std::string curves_csv(const std::vector<RunResult>& results) {
  Csv csv;
  csv.setting_header();
  csv.word("step");
  for (const auto& q : quantities()) csv.word(q.name);
  csv.end_row();
  for (const auto& run : results) {
    for (const auto& record : run.records) {
      csv.setting(run.setting);
      csv.cell(record.step);
      for (const auto& q : quantities()) csv.cell(record.*q.value);
      csv.end_row();
    }
  }
  return csv.text();
}

std::string neurons_csv(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  Csv csv;
  csv.setting_header();
  for (const char* name : {"step", "neuron", "norm", "align", "cos", "a", "moved"}) csv.word(name);
  const bool is_linear = options.model.family == "linear";
  const int64_t d = results.empty() ? 0 : results.front().d;
  if (is_linear) {
    for (int64_t j = 0; j < d; ++j) csv.word("w" + std::to_string(j));
    csv.word("a_weight");
  } else {
    csv.word("u");
    csv.word("v");
  }
  csv.end_row();
  for (const auto& run : results) {
    for (const auto& n : run.neurons) {
      csv.setting(run.setting);
      csv.cell(n.step);
      csv.cell(n.neuron);
      for (const double x : {n.norm, n.align, n.cos, n.a, n.moved}) csv.cell(x);
      for (const double x : n.weights) csv.cell(x);
      csv.end_row();
    }
  }
  return csv.text();
}

std::string snapshots_csv(const std::vector<RunResult>& results) {
  Csv csv;
  csv.setting_header();
  for (const char* name : {"step", "neuron", "norm", "align", "cos", "a", "moved"}) csv.word(name);
  csv.end_row();
  for (const auto* run : first_of_groups(results)) {
    for (const auto& shot : run->snapshots) {
      for (size_t i = 0; i < shot.neuron.size(); ++i) {
        csv.setting(run->setting);
        csv.cell(shot.step);
        csv.cell(shot.neuron[i]);
        for (const double x : {shot.norm[i], shot.align[i], shot.cos[i], shot.a[i], shot.moved[i]})
          csv.cell(x);
        csv.end_row();
      }
    }
  }
  return csv.text();
}

std::string histogram_csv(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  Csv csv;
  csv.setting_header();
  csv.word("step");
  csv.word("bin_width");
  for (int64_t b = 0; b < options.record.histogram_bins; ++b) csv.word("bin" + std::to_string(b));
  csv.end_row();
  for (const auto& run : results) {
    for (size_t t = 0; t < run.records.size(); ++t) {
      csv.setting(run.setting);
      csv.cell(run.records[t].step);
      csv.cell(run.bin_width);
      for (const int64_t count : run.histograms[t]) csv.cell(count);
      csv.end_row();
    }
  }
  return csv.text();
}

std::string escape_csv(const std::vector<RunResult>& results) {
  Csv csv;
  csv.setting_header();
  csv.word("neuron");
  csv.word("escape_step");
  csv.end_row();
  for (const auto* run : first_of_groups(results)) {
    for (size_t i = 0; i < run->escape.size(); ++i) {
      csv.setting(run->setting);
      csv.cell(static_cast<int64_t>(i));
      csv.cell(run->escape[i]);
      csv.end_row();
    }
  }
  return csv.text();
}

std::vector<const RunResult*> runs_of(const std::vector<RunResult>& results, int64_t group) {
  std::vector<const RunResult*> runs;
  for (const auto& run : results) {
    if (run.setting.group == group) runs.push_back(&run);
  }
  return runs;
}

Json group_summary(const std::vector<RunResult>& results, int64_t group) {
  const auto runs = runs_of(results, group);
  const auto& first = *runs.front();
  Json json = {{"lr", first.setting.lr},   {"sigma", first.setting.sigma},
               {"rho", first.setting.rho}, {"neurons", first.num_neurons},
               {"dim", first.d},           {"teacher_norm", first.teacher_norm}};
  double seconds = 0, steps = 0;
  Json seeds = Json::array(), diverged = Json::array();
  for (const auto* run : runs) {
    seeds.push_back(run->setting.seed);
    seconds += run->step_seconds;
    if (!run->records.empty()) steps += static_cast<double>(run->records.back().step);
    if (run->diverged_at >= 0)
      diverged.push_back({{"seed", run->setting.seed}, {"step", run->diverged_at}});
  }
  json["seeds"] = seeds;
  json["diverged"] = diverged;
  json["nanoseconds_per_step"] = steps > 0 ? seconds / steps * 1e9 : 0.0;
  const auto last = band_over_seeds(results, group, &Record::norm_mean);
  json["last_step"] = last.steps.empty() ? 0.0 : last.steps.back();
  Json final_values;
  for (const auto& q : quantities()) {
    const auto band = band_over_seeds(results, group, q.value);
    if (band.mean.empty()) continue;
    final_values[q.name] = {{"mean", band.mean.back()},
                            {"sd", band.sd.empty() ? 0.0 : band.high.back() - band.mean.back()}};
  }
  json["last"] = final_values;
  return json;
}

// Times for a table: the recorded ones nearest to 0, 1 %, 10 %, ... of a log run; thinned to about
// a dozen.
std::vector<size_t> table_rows(const report::Band& band) {
  std::vector<size_t> rows;
  if (band.steps.empty()) return rows;
  double wanted = 0;
  for (size_t t = 0; t < band.steps.size(); ++t) {
    const bool is_last = t + 1 == band.steps.size();
    if (band.steps[t] < wanted && !is_last) continue;
    rows.push_back(t);
    wanted = std::max({1.0, band.steps.back() / 1e4,
                       band.steps[t] * (band.steps[t] < band.steps.back() / 15 ? 10 : 1.9)});
  }
  return rows;
}

}  // namespace

std::vector<const RunResult*> first_of_groups(const std::vector<RunResult>& results) {
  std::vector<const RunResult*> firsts;
  for (const auto& run : results) {
    if (firsts.empty() || firsts.back()->setting.group != run.setting.group) firsts.push_back(&run);
  }
  return firsts;
}

std::string setting_text(const SyntheticOptions& options, const Setting& setting,
                         const std::array<const char*, 3>& names, std::string (*number)(double)) {
  const auto& o = options.method;
  const bool is_single = o.lr.size() * o.sigma.size() * o.rho.size() == 1;
  std::vector<std::string> parts;
  const auto add = [&](const char* name, double value, bool is_shown) {
    if (is_shown) parts.push_back(name + number(value));
  };
  add(names[0], setting.lr, o.lr.size() > 1 || is_single);
  add(names[1], setting.sigma, o.sigma.size() > 1 || (is_single && setting.sigma > 0));
  add(names[2], setting.rho, o.rho.size() > 1 || (is_single && setting.rho > 0));
  return join(parts);
}

std::string table_text(const std::vector<RunResult>& results, int64_t group) {
  struct Column {
    const char* title;
    double Record::*value;
  };
  constexpr Column kColumns[] = {
      {"|w|", &Record::norm_mean},         {"|<w,theta*>|", &Record::align_abs_mean},
      {"|cos|", &Record::cos_abs_mean},    {"|a|", &Record::a_abs_mean},
      {"train loss", &Record::train_loss}, {"test loss", &Record::test_loss},
      {"outside", &Record::outside_share}};
  const bool has_spread = runs_of(results, group).size() > 1;
  std::ostringstream out;
  out << std::left << std::setw(10) << "step";
  for (const auto& column : kColumns) out << std::setw(has_spread ? 20 : 13) << column.title;
  out << "\n";
  const auto times = band_over_seeds(results, group, &Record::norm_mean);
  std::vector<report::Band> bands;
  for (const auto& column : kColumns)
    bands.push_back(band_over_seeds(results, group, column.value));
  for (const size_t t : table_rows(times)) {
    out << std::setw(10) << static_cast<int64_t>(times.steps[t]);
    for (const auto& band : bands) {
      std::string text = rounded_text(band.mean[t], 3);
      if (has_spread) text += " +- " + rounded_text(band.sd[t], 2);
      out << std::setw(has_spread ? 20 : 13) << text;
    }
    out << "\n";
  }
  return out.str();
}

Json summary(const SyntheticOptions& options, const std::vector<RunResult>& results) {
  Json json = {{"method", options.method.method},
               {"family", options.model.family},
               {"engine", options.model.engine},
               {"runs", results.size()}};
  Json list = Json::array();
  for (const auto* run : first_of_groups(results))
    list.push_back(group_summary(results, run->setting.group));
  json["settings"] = list;
  return json;
}

void write_results(const std::string& folder, const SyntheticOptions& options,
                   const std::vector<RunResult>& results) {
  write_file(folder + "/curves.csv", curves_csv(results));
  write_file(folder + "/neurons.csv", neurons_csv(options, results));
  write_file(folder + "/snapshots.csv", snapshots_csv(results));
  write_file(folder + "/histogram.csv", histogram_csv(options, results));
  write_file(folder + "/escape.csv", escape_csv(results));
  write_file(folder + "/summary.json", summary(options, results).dump(2) + "\n");
}

}  // namespace unlazy::synthetic
