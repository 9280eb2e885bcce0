// unlazy landscape: the loss along a line between two checkpoints, or over a plane around one.
#include <ATen/TensorOperators.h>
#include <ATen/ops/dot.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "drawn.h"
#include "measure/landscape.h"
#include "measure/landscape_figure.h"
#include "progress_line.h"
#include "report/figure.h"
#include "report/text.h"
#include "train/checkpoint.h"
#include "train/run_dir.h"
#include "train/saved_run.h"

namespace unlazy::tools {
namespace {

class LandscapeCommand : public Command {
 public:
  LandscapeCommand()
      : options_("landscape",
                 {{"Checkpoints",
                   {{.name = "checkpoint",
                     .target = &step_,
                     .range = Range::at_least(-1),
                     .unit = "steps",
                     .help = "The step of the checkpoint of RUN; -1: the newest.",
                     .role = Role::kSource},
                    {.name = "to",
                     .target = &to_,
                     .help = "Folder of the run at the other end of a line; empty: with "
                             "--to-checkpoint a line within RUN, else a plane.",
                     .role = Role::kSource},
                    {.name = "to-checkpoint",
                     .target = &to_step_,
                     .range = Range::at_least(-1),
                     .unit = "steps",
                     .help = "The step of the checkpoint at the other end; -1: the newest.",
                     .role = Role::kSource},
                    {.name = "out",
                     .target = &out_,
                     .help = "Folder of the files; empty: RUN/figures.",
                     .role = Role::kPlace}}},
                  measure::describe(slice_),
                  unlazy::describe(compute_),
                  report::describe(draw_)}) {}

  Options& options() override { return options_; }
  std::string usage() const override { return "RUN [options]"; }
  std::string description() const override {
    return "Draws the loss and accuracy of a trained network over a plane of two random, "
           "filter-normalised directions\n"
           "(Li et al. 2018), or along the line to another checkpoint: a picture, its numbers "
           "(.csv, .json) and its script,\n"
           "named by the checkpoints and by the settings that are not the default ones. "
           "The run is not changed and may still be going on.\n\n"
           "  unlazy landscape runs/sample\n"
           "  unlazy landscape runs/tau0 --to runs/tau0.1            a line between two runs\n"
           "  unlazy landscape runs/sample --checkpoint 0 --to-checkpoint 40   from start to "
           "end\n\n"
           "Each point evaluates --samples images of a split (a line: of both), and with "
           "--bn-statistics recalibrate\n"
           "--bn-samples more: 21 x 21 points of 256 images take ResNet-18 about three minutes in "
           "bf16 on two cores.";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(
        words.size() == 1,
        "landscape: wants the folder of one run, such as: unlazy landscape runs/sample");
    run_ = words[0];
    is_line_ = !to_.empty() || options_.is_given("to-checkpoint");
    steps_ = measure::steps_of(slice_, is_line_);
    measure::resolved_statistics(slice_, is_line_);
    step_ = train::chosen_checkpoint(run_, step_);
    if (to_.empty()) to_ = run_;
    if (is_line_) to_step_ = train::chosen_checkpoint(to_, to_step_);
    UNLAZY_CHECK_USAGE(!is_line_ || to_ != run_ || to_step_ != step_,
                       "landscape: both ends of the line are checkpoint ", step_, " of ", run_,
                       "; name another one with --to or --to-checkpoint");
    if (is_line_) train::check_same_start(run_, to_);
    check_writable(out_folder());
    train::Experiment experiment(train::options_of(run_, compute_, options_.is_given("precision")));
    train::load_checkpoint_weights(train::RunDir::checkpoint(run_, step_), experiment);
    const auto subject = experiment.subject();
    watch_ = Stopwatch();
    is_line_ ? make_line(experiment, subject) : make_plane(experiment, subject);
    return 0;
  }

 private:
  void make_line(train::Experiment& experiment, const measure::Subject& subject) {
    const auto from = measure::place_of(subject);
    train::load_checkpoint_weights(train::RunDir::checkpoint(to_, to_step_), experiment);
    const auto to = measure::place_of(subject);
    measure::Landscape landscape(subject, experiment.parameters(), slice_, progress());
    const auto line = landscape.line(from, to);
    line_.clear();
    check_loss({line.train.loss, line.test.loss});
    auto json = head();
    json["to"] = {{"run", to_}, {"step", to_step_}};
    json["distance"] = (to.values - from.values).norm().item<double>();
    json["barrier"] = {{"train", measure::barrier(steps_, line.train.loss)},
                       {"test", measure::barrier(steps_, line.test.loss)}};
    json["steps"] = steps_;
    json["values"] = {{"train_loss", line.train.loss},
                      {"train_accuracy", line.train.accuracy},
                      {"test_loss", line.test.loss},
                      {"test_accuracy", line.test.accuracy}};
    for (const char* split : {"train", "test"}) {
      std::cout << "barrier of the " << (split == std::string("test") ? "test" : "training")
                << " loss: " << rounded_text(json["barrier"][split].get<double>(), 4) << "\n";
    }
    write(json, measure::line_figure("line-" + name_of(run_, step_) + "-" + name_of(to_, to_step_) +
                                         changed_settings(options_),
                                     end_text(run_, step_), end_text(to_, to_step_), steps_, line));
  }

  void make_plane(train::Experiment& experiment, const measure::Subject& subject) {
    const auto direction = [&](uint64_t place) {
      Rng rng(static_cast<uint64_t>(slice_.seed), Stream::kProbe, place);
      return measure::filter_normalized_direction(experiment.parameters(),
                                                  slice_.directions == "all", rng);
    };
    const auto first = direction(0), second = direction(1);
    measure::Landscape landscape(subject, experiment.parameters(), slice_, progress());
    const auto slice = landscape.plane(first, second);
    line_.clear();
    check_loss({slice.loss});
    auto json = head();
    json["cosine"] =
        at::dot(first, second).item<double>() / (first.norm() * second.norm()).item<double>();
    json["steps"] = steps_;
    nlohmann::ordered_json loss = nlohmann::ordered_json::array(), accuracy = loss;
    const auto n = static_cast<std::ptrdiff_t>(steps_.size());
    for (std::ptrdiff_t row = 0; row < n; ++row) {
      const auto part = [&](const std::vector<double>& v) {
        return std::vector<double>(v.begin() + row * n, v.begin() + (row + 1) * n);
      };
      loss.push_back(part(slice.loss));
      accuracy.push_back(part(slice.accuracy));
    }
    // values[row][column]: the row is the step along the second direction
    json["values"] = {{slice_.split + "_loss", loss}, {slice_.split + "_accuracy", accuracy}};
    write(json, measure::plane_figure("plane-" + name_of(run_, step_) + changed_settings(options_),
                                      slice_.split, steps_, slice));
  }

  // "tau0.1-39100": the way from the folder that holds RUN, so that two runs of the same name have
  // files of their own ("other_run-40" for ../other/run).
  std::string name_of(const std::string& run, int64_t step) const {
    namespace fs = std::filesystem;
    const auto place_of = [](const std::string& folder) {
      auto path = fs::absolute(folder).lexically_normal();
      return path.has_filename() ? path : path.parent_path();
    };
    std::string name;
    for (const auto& part : place_of(run).lexically_relative(place_of(run_).parent_path())) {
      if (part != "..") name += (name.empty() ? "" : "_") + part.string();
    }
    return report::file_text(name) + "-" + std::to_string(step);
  }

  // "runs/tau0, step 391": an end of the line, in the legend.
  static std::string end_text(const std::string& run, int64_t step) {
    auto path = std::filesystem::path(run).lexically_normal();
    if (!path.has_filename()) path = path.parent_path();
    return path.string() + ", step " + std::to_string(step);
  }

  nlohmann::ordered_json head() const {
    nlohmann::ordered_json json;
    json["run"] = run_;
    json["step"] = step_;
    json["bn-statistics"] = measure::resolved_statistics(slice_, is_line_);
    json["options"] = options_.to_json();
    return json;
  }

  std::string out_folder() const { return out_.empty() ? run_ + "/figures" : out_; }

  static void check_loss(const std::vector<std::vector<double>>& losses) {
    for (const auto& loss : losses) {
      const bool is_finite =
          std::any_of(loss.begin(), loss.end(), [](double v) { return std::isfinite(v); });
      UNLAZY_CHECK(is_finite,
                   "landscape: the loss is finite at no point; take a smaller --range, or look at "
                   "the weights of the checkpoint");
    }
  }

  void write(const nlohmann::ordered_json& json, const report::Figure& figure) const {
    const std::string folder = out_folder();
    report::write_figure(folder, figure, draw_);
    using Json = nlohmann::ordered_json;
    write_file(folder + "/" + figure.name + ".json",
               json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    std::cout << "written: " << folder << "/" << figure.name << ".json, .csv, .gp" << std::endl;
    if (draw(folder, {figure.name}))
      std::cout << "drawn: " << folder << "/" << figure.name << ".png, .svg, .pdf\n";
  }

  measure::Landscape::Progress progress() const {
    return [this](int64_t done, int64_t total) {
      std::string text = "point " + std::to_string(done + 1) + " of " + std::to_string(total);
      if (done > 0) {
        text += ", " +
                duration_text(watch_.seconds() / static_cast<double>(done) *
                              static_cast<double>(total - done)) +
                " left";
      }
      line_.show(text);
    };
  }

  int64_t step_ = -1, to_step_ = -1;
  std::string to_, out_, run_;
  measure::LandscapeOptions slice_;
  ComputeOptions compute_;
  report::DrawOptions draw_;
  Options options_;
  bool is_line_ = false;
  std::vector<double> steps_;
  Stopwatch watch_;
  ProgressLine line_;
};

}  // namespace

std::unique_ptr<Command> make_landscape() { return std::make_unique<LandscapeCommand>(); }

}  // namespace unlazy::tools
