// unlazy measure: measures a checkpoint of a run.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "progress_line.h"
#include "train/checkpoint.h"
#include "train/measure_table.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::tools {
namespace {

// What a measurement costs, if that is more than next to nothing. A product is one of the Hessian
// with a vector.
const std::map<std::string, std::string>& costs() {
  static const std::map<std::string, std::string> list = {
      {"test", "a third of a gradient of the whole test set"},
      {"test-recalibrated", "as test, and a third of a gradient of --bn-samples images"},
      {"lazy-distance", "a gradient of each split"},
      {"ntk-change", "K gradients and two matrix products a layer, twice, for K classes"},
      {"train-set", "a third of a gradient of the whole training set"},
      {"hessian-top", "one product per Lanczos step, until the --top values have converged"},
      {"hessian-trace", "--probes products"},
      {"hessian-density", "--probes x --lanczos-steps products"},
      {"ntk-trace", "--probes gradients"},
      {"gradient-covariance", "1 gradient, in smaller batches"},
      {"gradient-noise-scale", "1 gradient, in smaller batches"},
      {"sharpness", "2 gradients"},
      {"sharpness-pga", "15 gradients"},
      {"sharpness-average", "a third of --probes gradients"}};
  return list;
}

std::vector<Choice> choices_with_costs() {
  auto choices = measure::registry().choices();
  for (auto& choice : choices) {
    const auto cost = costs().find(choice.name);
    if (cost != costs().end()) choice.help += "; costs " + cost->second;
  }
  return choices;
}

class MeasureRun : public Command {
 public:
  MeasureRun() {
    measure_.names = {"test", "hessian-top", "hessian-trace", "sharpness", "gradient-covariance"};
    auto names = measure::describe(measure_).rows()[0];
    names.help = "What to measure.";
    names.choices = choices_with_costs();
    names.has_settings = false;
    names.role = Role::kPart;  // each is measured by itself, and kept beside the others
    options_ = std::make_unique<Options>(
        "measure",
        std::vector<OptionTable>{{"Checkpoint",
                                  {names,
                                   {.name = "checkpoint",
                                    .target = &step_,
                                    .range = Range::at_least(-1),
                                    .unit = "steps",
                                    .help = "The step of the checkpoint; -1: the newest.",
                                    .role = Role::kSource}}},
                                 measure::describe(measure_.probe, ""),
                                 unlazy::describe(compute_)});
  }

  Options& options() override { return *options_; }
  std::string usage() const override { return "RUN [options]"; }
  std::string description() const override {
    return "Measures a checkpoint of the run in the folder RUN, prints the numbers and merges them "
           "into RUN/measure.csv: one row per\n"
           "step, settings and value; a value that is measured again replaces its row. The numbers "
           "of "
           "a checkpoint with all options are\n"
           "also in RUN/measure-STEP.json, with other settings than the default ones in "
           "RUN/measure-STEP-rho=0.1.json.\n"
           "The network is built from RUN/config.json; the run itself is not changed and may still "
           "be going on.\n\n"
           "--help lists what each measurement costs. A gradient is that of --samples images; for "
           "ResNet-18 and 128 images it takes\n"
           "about 1.5 s on two cores. A product of the Hessian with a vector costs 3.5 gradients "
           "(ResNet-18). Measurements without a\n"
           "cost take next to no time. --bn-statistics recalibrated adds a third of a gradient of "
           "--bn-samples images to each\n"
           "that differentiates.\n\n"
           "  unlazy measure runs/sample --measure hessian-top,hessian-trace --samples 128\n"
           "  unlazy measure runs/sample --measure sharpness-pga --rho 0.1 --split test";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 1,
                       "measure: wants the folder of one run, such as: unlazy measure runs/sample");
    check_names();
    const std::string& folder = words[0];
    const int64_t step = train::chosen_checkpoint(folder, step_);
    check_writable(folder);
    auto options = train::options_of(folder, compute_, options_->is_given("precision"));
    options.measure = measure_;
    const auto path =
        folder + "/measure-" + std::to_string(step) + changed_settings(*options_) + ".json";
    const auto before = numbers_in(path);  // before anything takes time: can it be read?
    train::Experiment experiment(options);
    train::load_checkpoint_weights(train::RunDir::checkpoint(folder, step), experiment);
    auto subject = experiment.subject();
    subject.on_progress = [this](int64_t done, int64_t at_most) { show(done, at_most); };
    const auto numbers = measure_all(subject);
    const auto json = report(folder, step, experiment, numbers, before);
    using Json = nlohmann::ordered_json;
    write_file(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    train::write_measure_table(folder);
    std::cout << "written: " << folder << "/measure.csv, " << path << std::endl;
    check_finite(numbers);
    return 0;
  }

 private:
  using Numbers = std::vector<std::pair<std::string, std::vector<double>>>;

  void check_names() const {
    const auto& names = measure_.names;
    UNLAZY_CHECK_USAGE(std::find(names.begin(), names.end(), "gradient-norm") == names.end(),
                       "measure: gradient-norm is that of the last update, which a checkpoint does "
                       "not hold; measure it during training");
  }

  // One after another, so that what is done can be read while the next one runs.
  Numbers measure_all(const measure::Subject& subject) {
    Numbers all;
    for (const auto& request : measure::requests(measure_)) {
      name_ = request.name;
      watch_ = Stopwatch();
      show(0, 0);
      const auto numbers = measure::to_host(measure::registry().find(request.name).make(subject));
      line_.clear();
      for (const auto& [name, values] : numbers) print(name, values);
      all.insert(all.end(), numbers.begin(), numbers.end());
    }
    return all;
  }

  void show(int64_t done, int64_t at_most) const {
    line_.show(name_ + ": " + duration_text(watch_.seconds()) +
               (at_most > 0 ? ", " + std::to_string(done) + " of " + std::to_string(at_most) +
                                  (name_ == "hessian-top" ? " at most" : "")
                            : ""));
  }

  // The numbers of earlier calls in this file, which were made with the settings in its name. Files
  // of unlazy 0.1 may hold numbers of other settings; those are not kept.
  nlohmann::ordered_json numbers_in(const std::string& path) const {
    using Json = nlohmann::ordered_json;
    if (!std::filesystem::exists(path)) return Json::object();
    const auto before = read_json_file(path);
    UNLAZY_CHECK(before.is_object() && before.value("values", Json()).is_object(), path,
                 ": is not a file of unlazy measure; move it away");
    const auto options = before.value("options", Json::object()), now = options_->to_json();
    for (const auto& table : options_->tables()) {
      for (const auto& row : table.rows()) {
        const bool is_setting = row.role == Role::kSetting || row.role == Role::kCurve;
        if (is_setting && options.value(row.name, Json()) != now.at(row.name)) {
          std::cout << "note: the numbers in " << path << " were made with another "
                    << "--" << row.name << " and are replaced\n";
          return Json::object();
        }
      }
    }
    return before.at("values");
  }

  static bool is_finite(const std::vector<double>& values) {
    return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  }

  static void check_finite(const Numbers& numbers) {
    std::vector<std::string> names;
    for (const auto& [name, values] : numbers) {
      if (!is_finite(values)) names.push_back(name);
    }
    UNLAZY_CHECK(names.empty(), "measure: ", join(names), names.size() == 1 ? " is" : " are",
                 " not finite (null in the file): the loss overflows there. For the sharpness "
                 "measurements take a smaller --rho; else look at the weights of the checkpoint");
  }

  static void print(const std::string& name, const std::vector<double>& values) {
    constexpr size_t kWidth = 28;
    std::cout << name << std::string(name.size() < kWidth ? kWidth - name.size() : 1, ' ')
              << (!is_finite(values)   ? "not finite"
                  : values.size() == 1 ? rounded_text(values[0], 6)
                                       : std::to_string(values.size()) + " numbers, in the file")
              << std::endl;
  }

  nlohmann::ordered_json report(const std::string& folder, int64_t step,
                                const train::Experiment& experiment, const Numbers& numbers,
                                const nlohmann::ordered_json& before) const {
    nlohmann::ordered_json json;
    json["run"] = folder;
    json["step"] = step;
    json["epoch"] = static_cast<double>(step) / static_cast<double>(experiment.steps_per_epoch());
    json["options"] = options_->to_json();
    json["options"].erase("measure");  // that of this call; the values say what was measured
    json["values"] = before;
    for (const auto& [name, values] : numbers) {
      if (values.size() == 1) {
        json["values"][name] = values[0];
      } else {
        json["values"][name] = values;
      }
    }
    return json;
  }

  std::string name_;  // of the measurement being made
  Stopwatch watch_;
  ProgressLine line_;
  measure::MeasureOptions measure_;
  int64_t step_ = -1;
  ComputeOptions compute_;
  std::unique_ptr<Options> options_;
};

}  // namespace

std::unique_ptr<Command> make_measure() { return std::make_unique<MeasureRun>(); }

}  // namespace unlazy::tools
