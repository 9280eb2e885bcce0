// Where the numbers of a run go: metrics.csv and TensorBoard's events, row by row, readable while
// the run goes on. metrics.csv holds no times, so that a resumed run writes it bit for bit as the
// uninterrupted one.
#pragma once

#include <cstdint>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "report/events.h"
#include "train/run_dir.h"

namespace unlazy::train {

class Recorder {
 public:
  /// Appends to the files of the run. `ema`: beta in [0, 1) of the smoothed curves; 0 writes none.
  Recorder(const RunDir& run, int64_t steps_per_epoch, double ema);

  /// Writes one row. Curves whose name begins with "train_" or "test_" get a smoothed twin
  /// NAME_ema:
  ///   s <- beta s + (1 - beta) x, divided by 1 - beta^n (Kingma and Ba 2015), so that it starts at
  ///   the first value.
  void add(int64_t step, const std::string& name, double value);
  /// Flushes what was added. Throws Error when the disk is full.
  void flush();

  /// What a checkpoint holds of the recorder. Both files are on the disk before it returns, so that
  /// a checkpoint never names rows that a loss of power could take.
  nlohmann::ordered_json state();
  /// The way back to a checkpoint of `step`: rows written after it are cut off. Files that lost
  /// rows since go on from those that are there; `note` is told. Throws Error when metrics.csv is
  /// not the table of a run.
  void restore(const nlohmann::ordered_json& state, int64_t step,
               const std::function<void(const std::string&)>& note);
  /// Begins both files anew.
  void restart();

  /// The last value of each name.
  const std::map<std::string, double>& latest() const { return latest_; }

 private:
  void row(int64_t step, const std::string& name, double value);
  void open();

  struct Smoothed {
    double sum = 0;
    double weight = 0;
  };
  std::string metrics_path_, events_path_;
  int64_t steps_per_epoch_;
  double ema_;
  std::ofstream metrics_;
  std::unique_ptr<report::EventWriter> events_;
  std::map<std::string, Smoothed> smoothed_;
  std::map<std::string, double> latest_;
};

}  // namespace unlazy::train
