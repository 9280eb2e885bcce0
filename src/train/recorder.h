// Where the numbers of a run go: metrics.csv and TensorBoard's events. Rows are appended and become
// readable at flush(), while the run goes on. metrics.csv holds no times, so a resumed run writes
// it bit for bit as the uninterrupted one.
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
  /// Appends to the files of the run. `ema`: beta in [0, 1) of the smoothed curves; 0: none.
  Recorder(const RunDir& run, int64_t steps_per_epoch, double ema);

  /// Adds one row. A curve whose name begins with "train_" or "test_" also gets a smoothed curve,
  /// NAME_ema:
  ///   s <- beta s + (1 - beta) x, divided by 1 - beta^n after n values (Kingma and Ba 2015), so
  ///   that it begins with the first value.
  void add(int64_t step, const std::string& name, double value);
  /// Makes the added rows readable. Throws Error when the disk is full.
  void flush();

  /// The recorder's part of a checkpoint. Makes the added rows readable, as flush() does.
  nlohmann::ordered_json state();
  /// Flushes both files to the disk. To be called after state() and before the checkpoint gets its
  /// name, so that it never refers to rows that a power failure could remove. Another thread may
  /// add rows meanwhile.
  void sync() const;
  /// Goes back to a checkpoint of `step`: cuts off rows written after it. If files have lost rows
  /// since, continues from the rows that are there and tells `note`. Throws Error when metrics.csv
  /// is not the table of a run.
  void restore(const nlohmann::ordered_json& state, int64_t step,
               const std::function<void(const std::string&)>& note);
  /// Empties both files.
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
