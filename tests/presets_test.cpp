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

void expect_same_but(const std::string& name, const std::string& other,
                     const std::set<std::string>& keys) {
  const auto first = preset(name), second = preset(other);
  auto all = first;
  all.update(second);
  for (const auto& item : all.items()) {
    const auto value = [&](const nlohmann::ordered_json& json) {
      return json.value(item.key(), nlohmann::ordered_json());
    };
    EXPECT_TRUE(keys.contains(item.key()) || value(first) == value(second))
        << other << ": " << item.key();
  }
}

TEST(Presets, SmallOnesDifferOnlyInWhatMakesThemSmall) {
  const std::set<std::string> size = {"about",  "data",          "model",
                                      "epochs", "curve-ema",     "seeds",
                                      "levels", "measure-every", "checkpoint-every"};
  for (const std::string name : {"fig1", "fig1c", "fig3", "fig5"})
    expect_same_but(name, name + "-quick", size);
  auto cpu = size;
  // What the page of results explains.
  cpu.insert({"train-size", "test-size", "augment", "crop-padding", "flip", "batch", "blocks",
              "width-factor", "measure", "measure-samples", "measure-bn-statistics", "measure-top",
              "measure-lanczos-steps", "protocols"});
  for (const std::string name : {"fig1", "fig1c"}) expect_same_but(name, name + "-cpu", cpu);
}

TEST(Presets, NoiseStrengthsDifferFromFigure2OnlyInSigma) {
  expect_same_but("fig2", "fig2-noise", {"about", "sigma"});
}

// A folder that cannot be made stops it right after the first call is printed.
TEST(Presets, ReproduceFig1TakesItsPresetAndSaysWhatQuickChanges) {
  const auto result =
      run_program({"reproduce", "fig1", "--scale", "quick", "--out", "/dev/null/none"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.out.find("note: --scale quick is a small version of fig1. It differs in\n"
                            "  noise-rate 0,0.1, the figure's: 0,0.05,0.1,0.2\n"
                            "  seed 0,1, the figure's: 0..2\n"
                            "  data \"cifar10-sample\", the figure's: \"cifar10\"\n"
                            "  model \"wrn\", the figure's: \"resnet18\"\n"
                            "  epochs 10, the figure's: 160\n"
                            "  curve-ema 0, the figure's: 0.9\n"
                            "unlazy sweep train --preset fig1-quick --out /dev/null/none/runs -- "
                            "--noise-rate 0,0.1 --seed 0,1\n"),
            std::string::npos)
      << result.out;
}

TEST(Presets, ReproducePassesOnHowToDraw) {
  const auto result = run_program(
      {"reproduce", "fig2", "--width", "page", "--no-title", "--out", "/dev/null/none"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_NE(result.out.find("unlazy synthetic --preset fig2 --out /dev/null/none --overwrite "
                            "--figure-width page --no-title\n"),
            std::string::npos)
      << result.out;
}

TEST(Presets, ReproduceRefusesAnUnknownFigureAndScale) {
  const auto figure = run_program({"reproduce", "fig6"});
  EXPECT_EQ(figure.exit_code, 2);
  EXPECT_NE(figure.err.find("there is no 'fig6'"), std::string::npos) << figure.err;
  const auto scale = run_program({"reproduce", "fig2", "--scale", "tiny"});
  EXPECT_EQ(scale.exit_code, 2);
  EXPECT_NE(scale.err.find("quick"), std::string::npos) << scale.err;
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
