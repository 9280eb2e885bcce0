// The presets: what a small version changes, and that Figure 1 has one set of settings.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/options.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy {
namespace {

using testing::run_program;
using testing::ScratchFolder;

nlohmann::ordered_json preset(const std::string& name) {
  return read_json_file(std::string(UNLAZY_SOURCE_DIR) + "/tools/presets/" + name + ".json");
}

TEST(Presets, QuickOnesDifferOnlyInWhatMakesThemQuick) {
  const std::set<std::string> size = {
      "about",       "data",  "model",  "epochs",        "curve-ema",
      "noise-rates", "seeds", "levels", "measure-every", "checkpoint-every"};
  for (const std::string name : {"fig1", "fig1c", "fig3", "fig5"}) {
    const auto full = preset(name), quick = preset(name + "-quick");
    auto all = full;
    all.update(quick);
    for (const auto& item : all.items()) {
      const auto value = [&](const nlohmann::ordered_json& json) {
        return json.value(item.key(), nlohmann::ordered_json());
      };
      EXPECT_TRUE(size.contains(item.key()) || value(full) == value(quick))
          << name << "-quick: " << item.key();
    }
  }
}

TEST(Presets, Figure1cTrainsAsFigure1) {
  const auto training = preset("fig1"), pruning = preset("fig1c");
  for (const auto& item : training.items()) {
    if (item.key() == "about" || item.key() == "command" || item.key() == "curve-ema") continue;
    EXPECT_EQ(pruning.value(item.key(), nlohmann::ordered_json()), item.value()) << item.key();
  }
}

// A folder that cannot be made stops it right after the first call is printed.
TEST(Presets, ReproduceFig1TakesItsPresetAndSaysWhatQuickChanges) {
  const auto result = run_program({"reproduce", "fig1", "--quick", "--out", "/dev/null/none"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.out.find("note: --quick is a small version of the figure. It differs in\n"
                            "  noise-rate 0,0.1, the figure's: 0,0.05,0.1,0.2\n"
                            "  data \"cifar10-sample\", the figure's: \"cifar10\"\n"
                            "  epochs 4, the figure's: 160\n"
                            "  curve-ema 0, the figure's: 0.9\n"
                            "unlazy train --preset fig1-quick --noise-rate 0 --out "
                            "/dev/null/none/tau0 --resume\n"),
            std::string::npos)
      << result.out;
}

TEST(Presets, SnapshotsOfAPresetEndWithTheRun) {
  const auto shorter =
      run_program({"synthetic", "--preset", "fig2", "--steps", "200000", "--print-config"});
  EXPECT_EQ(shorter.exit_code, 0) << shorter.err;
  EXPECT_EQ(nlohmann::json::parse(shorter.out).at("snapshots"),
            (std::vector<int>{0, 100000, 200000}));
  const ScratchFolder scratch;
  const auto given = run_program({"synthetic", "--preset", "fig2", "--steps", "200000",
                                  "--snapshots", "0,300000", "--out", scratch / "run"});
  EXPECT_EQ(given.exit_code, 2);
  EXPECT_EQ(given.err, "unlazy: synthetic: --snapshots must be <= --steps (200000), got 300000\n");
}

}  // namespace
}  // namespace unlazy
