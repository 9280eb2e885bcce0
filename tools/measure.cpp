// unlazy measure: measures a checkpoint of a run.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "train/checkpoint.h"

namespace unlazy::tools {
namespace {

class MeasureRun : public Command {
 public:
  MeasureRun() {
    measure_.names = {"test", "hessian-top", "hessian-trace", "sharpness", "gradient-covariance"};
    auto names = measure::describe(measure_).rows()[0];
    names.help = "What to measure.";
    names.has_settings = false;
    options_ = std::make_unique<Options>(
        "measure",
        std::vector<OptionTable>{{"Checkpoint",
                                  {names,
                                   {.name = "checkpoint",
                                    .target = &step_,
                                    .range = Range::at_least(-1),
                                    .unit = "steps",
                                    .help = "The step of the checkpoint; -1: the newest."}}},
                                 measure::describe(measure_.probe, ""),
                                 unlazy::describe(compute_)});
  }

  Options& options() override { return *options_; }
  std::string usage() const override { return "RUN [options]"; }
  std::string description() const override {
    return "Measures a checkpoint of the run in the folder RUN, prints the numbers and writes them "
           "to RUN/measure-STEP.json.\n"
           "The network is built from RUN/config.json; the run itself is not changed and may still "
           "be going on.\n\n"
           "  unlazy measure runs/sample --measure hessian-top,hessian-trace --samples 128\n"
           "  unlazy measure runs/sample --measure sharpness-pga --rho 0.1 --split test";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 1,
                       "measure: wants the folder of one run, such as: unlazy measure runs/sample");
    check_names();
    const std::string& folder = words[0];
    const int64_t step = chosen_step(folder);
    train::Experiment experiment(options_of(folder));
    train::load_checkpoint_weights(train::RunDir::checkpoint(folder, step), experiment);
    std::vector<measure::Value> values;
    for (const auto& request : measure::requests(measure_)) {
      for (auto& value : measure::registry().find(request.name).make(experiment.subject()))
        values.push_back(std::move(value));
    }
    const auto numbers = measure::to_host(values);
    const auto path = folder + "/measure-" + std::to_string(step) + ".json";
    print(numbers);
    write_file(path, report(folder, step, experiment, numbers).dump(2) + "\n");
    std::cout << "written: " << path << "\n";
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

  int64_t chosen_step(const std::string& folder) const {
    const auto steps = train::RunDir::checkpoint_steps(folder);
    UNLAZY_CHECK_USAGE(!steps.empty(), folder,
                       ": holds no checkpoint; name the folder of a run of unlazy train");
    if (step_ < 0) return steps.back();
    std::vector<std::string> known;
    for (const int64_t step : steps) known.push_back(std::to_string(step));
    UNLAZY_CHECK_USAGE(std::find(steps.begin(), steps.end(), step_) != steps.end(), folder,
                       ": has no checkpoint of step ", step_, "; there are: ", join(known));
    return step_;
  }

  // The options that the run was made with, on the device asked for now.
  train::TrainOptions options_of(const std::string& folder) const {
    train::TrainOptions options;
    Options("train", train::describe(options)).read_file(folder + "/config.json");
    const auto precision = options.compute.precision;
    options.compute = compute_;
    if (!options_->is_given("precision")) options.compute.precision = precision;
    options.measure = measure_;
    return options;
  }

  void print(const Numbers& numbers) const {
    size_t width = 0;
    for (const auto& [name, values] : numbers) width = std::max(width, name.size());
    for (const auto& [name, values] : numbers) {
      std::cout << name << std::string(width - name.size() + 2, ' ')
                << (values.size() == 1 ? rounded_text(values[0], 6)
                                       : std::to_string(values.size()) + " numbers, in the file")
                << "\n";
    }
  }

  nlohmann::ordered_json report(const std::string& folder, int64_t step,
                                const train::Experiment& experiment, const Numbers& numbers) const {
    nlohmann::ordered_json json;
    json["run"] = folder;
    json["step"] = step;
    json["epoch"] = static_cast<double>(step) / static_cast<double>(experiment.steps_per_epoch());
    json["options"] = options_->to_json();
    for (const auto& [name, values] : numbers) {
      if (values.size() == 1) {
        json["values"][name] = values[0];
      } else {
        json["values"][name] = values;
      }
    }
    return json;
  }

  measure::MeasureOptions measure_;
  int64_t step_ = -1;
  ComputeOptions compute_;
  std::unique_ptr<Options> options_;
};

}  // namespace

std::unique_ptr<Command> make_measure() { return std::make_unique<MeasureRun>(); }

}  // namespace unlazy::tools
