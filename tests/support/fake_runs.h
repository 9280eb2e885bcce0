// Folders of runs as `unlazy train` leaves them, without training: for what only reads runs.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "core/files.h"
#include "core/format.h"

namespace unlazy::testing {

struct FakeRun {
  double noise_rate = 0;
  int64_t seed = 0;
  std::string more = {};  // further options of config.json: R"("lr": 0.05)"
  int64_t num_epochs = 10;
  int64_t steps_per_epoch = 5;
  bool is_done = true;
  /// The value of each curve at an epoch.
  std::map<std::string, std::function<double(double epoch)>> curves;
};

inline void write_fake_run(const std::string& folder, const FakeRun& run) {
  make_folder(folder);
  const bool has_noise = run.noise_rate > 0;
  write_file(folder + "/config.json",
             R"({"config-version": 1, "command": "train", "noise": ")" +
                 std::string(has_noise ? "flip" : "none") + R"(", "noise-rate": )" +
                 number_text(run.noise_rate) + R"(, "seed": )" + std::to_string(run.seed) +
                 (run.more.empty() ? "" : ", " + run.more) + R"(, "about": {"steps": )" +
                 std::to_string(run.num_epochs * run.steps_per_epoch) + "}}");
  std::string rows = "step,epoch,name,value\n";
  for (int64_t epoch = 0; epoch <= run.num_epochs; ++epoch) {
    for (const auto& [name, value] : run.curves) {
      rows += std::to_string(epoch * run.steps_per_epoch) + "," + std::to_string(epoch) + "," +
              name + "," + number_text(value(static_cast<double>(epoch))) + "\n";
    }
  }
  write_file(folder + "/metrics.csv", rows);
  if (run.is_done) write_file(folder + "/DONE", "");
}

}  // namespace unlazy::testing
