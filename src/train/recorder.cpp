#include "train/recorder.h"

#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/format.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
constexpr const char* kHeader = "step,epoch,name,value\n";

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

}  // namespace

Recorder::Recorder(const RunDir& run, int64_t steps_per_epoch, double ema)
    : metrics_path_(run.file("metrics.csv")),
      events_path_(run.file("events.out.tfevents.0.unlazy")),
      steps_per_epoch_(steps_per_epoch),
      ema_(ema) {
  open();
}

void Recorder::open() {
  events_ = std::make_unique<report::EventWriter>(events_path_);
  metrics_ = std::ofstream(metrics_path_, std::ios::app);
  if (metrics_.tellp() == 0) metrics_ << kHeader;
  flush();
}

void Recorder::add(int64_t step, const std::string& name, double value) {
  row(step, name, value);
  if (ema_ == 0 || (name.rfind("train_", 0) != 0 && name.rfind("test_", 0) != 0)) return;
  auto& smoothed = smoothed_[name];
  smoothed.sum = ema_ * smoothed.sum + (1 - ema_) * value;
  smoothed.weight = ema_ * smoothed.weight + (1 - ema_);
  row(step, name + "_ema", smoothed.sum / smoothed.weight);
}

void Recorder::row(int64_t step, const std::string& name, double value) {
  const double epoch = static_cast<double>(step) / static_cast<double>(steps_per_epoch_);
  metrics_ << step << ',' << number_text(epoch) << ',' << name << ',' << number_text(value) << '\n';
  events_->scalar(name, step, value, seconds_since_1970());
  latest_[name] = value;
}

void Recorder::flush() {
  metrics_.flush();
  UNLAZY_CHECK(metrics_.good(), metrics_path_,
               ": cannot be written; is the disk full? Free some space and use --resume");
  events_->flush();
}

nlohmann::ordered_json Recorder::state() {
  flush();
  nlohmann::ordered_json state;
  state["metrics-bytes"] = fs::file_size(metrics_path_);
  state["events-bytes"] = fs::file_size(events_path_);
  for (const auto& [name, smoothed] : smoothed_)
    state["smoothed"][name] = {smoothed.sum, smoothed.weight};
  return state;
}

void Recorder::restore(const nlohmann::ordered_json& state) {
  metrics_.close();
  events_.reset();
  for (const auto& [path, key] :
       {std::pair{metrics_path_, "metrics-bytes"}, {events_path_, "events-bytes"}}) {
    const auto size = state.at(key).get<uintmax_t>();
    UNLAZY_CHECK(fs::exists(path) && fs::file_size(path) >= size, path,
                 ": is shorter than at the checkpoint (", size,
                 " bytes); it was changed since, so the run cannot be resumed");
    fs::resize_file(path, size);
  }
  if (state.contains("smoothed")) {
    for (const auto& [name, pair] : state.at("smoothed").items()) {
      smoothed_[name] = {pair.at(0).get<double>(), pair.at(1).get<double>()};
    }
  }
  open();
}

}  // namespace unlazy::train
