#include "train/recorder.h"

#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "report/metrics.h"

namespace unlazy::train {
namespace {

namespace fs = std::filesystem;
constexpr const char* kHeader = "step,epoch,name,value\n";

double seconds_since_1970() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

// Version 0.1.0 wrote numbers, and null for one that is not a number.
double smoothed_number(const nlohmann::ordered_json& json) {
  if (json.is_number()) return json.get<double>();
  return json.is_string() ? std::strtod(json.get<std::string>().c_str(), nullptr) : std::nan("");
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
  UNLAZY_CHECK(metrics_.good(), metrics_path_,
               ": cannot be opened for writing: ", std::strerror(errno),
               "; is it a folder, or may it not be written to?");
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
  // As text: JSON has no word for a sum that is not a number.
  for (const auto& [name, smoothed] : smoothed_)
    state["smoothed"][name] = {number_text(smoothed.sum), number_text(smoothed.weight)};
  return state;
}

void Recorder::sync() const {
  sync_file(metrics_path_);
  sync_file(events_path_);
}

void Recorder::restore(const nlohmann::ordered_json& state, int64_t step,
                       const std::function<void(const std::string&)>& note) {
  metrics_.close();
  events_.reset();
  const auto cut = [&](const std::string& path, uint64_t keep, const char* key) {
    const auto wanted = state.at(key).get<uint64_t>();
    if (keep != wanted) {
      note(internal::concat(path, ": ", keep, " bytes of the ", wanted,
                            " that belong to the checkpoint of step ", step,
                            " are there; going on after them"));
    }
    if (keep != fs::file_size(path)) fs::resize_file(path, keep);
  };
  cut(metrics_path_,
      report::metrics_until(metrics_path_, step, state.at("metrics-bytes").get<uint64_t>()),
      "metrics-bytes");
  cut(events_path_, report::whole_events(events_path_, state.at("events-bytes").get<uint64_t>()),
      "events-bytes");
  smoothed_.clear();
  if (state.contains("smoothed")) {
    for (const auto& [name, pair] : state.at("smoothed").items())
      smoothed_[name] = {smoothed_number(pair.at(0)), smoothed_number(pair.at(1))};
  }
  open();
}

void Recorder::restart() {
  metrics_.close();
  events_.reset();
  for (const auto& path : {metrics_path_, events_path_}) fs::resize_file(path, 0);
  smoothed_.clear();
  latest_.clear();
  open();
}

}  // namespace unlazy::train
