// The page of `unlazy report --out` in a real browser: page_in_browser.py moves the pointer, ticks
// boxes and compares what is shown with the files of the runs. Skipped where there is no Chromium.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <filesystem>

#include "core/files.h"
#include "experiments/pruning/curve.h"
#include "support/fake_runs.h"
#include "support/program.h"
#include "support/scratch_folder.h"

namespace unlazy::experiments {
namespace {

using testing::FakeRun;
using testing::run_command;
using testing::run_program;
using testing::ScratchFolder;

std::string browser_in_path() {
  for (const char* name : {"chromium", "chromium-browser", "google-chrome"}) {
    if (run_command({"which", name}).exit_code == 0) return name;
  }
  return {};
}

// A number in [0, 1) that looks random.
double scatter(double a, double b, double c) {
  const double x = std::sin(12.9898 * a + 78.233 * b + 37.719 * c) * 43758.5453;
  return x - std::floor(x);
}

void write_runs(const std::string& folder, int64_t num_seeds, int64_t num_epochs) {
  for (const double rate : {0.0, 0.05, 0.1, 0.2}) {
    for (int64_t seed = 0; seed < num_seeds; ++seed) {
      const auto s = static_cast<double>(seed);
      const auto name = folder + "/tau" + number_text(rate) + "-seed" + std::to_string(seed);
      const auto end = static_cast<double>(num_epochs);
      testing::write_fake_run(
          name,
          {.noise_rate = rate,
           .seed = seed,
           .more = R"("lr": 0.05, "out": ")" + name + "\"",
           .num_epochs = num_epochs,
           .steps_per_epoch = 40,
           .curves = {
               {"test_accuracy",
                [=](double e) {
                  return (0.1 + (0.6 + rate / 4) * e / end) * (0.98 + 0.02 * scatter(rate, s, e));
                }},
               {"test_loss", [=](double e) { return 2.3 - e / end + scatter(e, s, rate); }},
               {"train_loss",
                [=](double e) {
                  return e == 7 ? NAN : 1e-5 + std::exp(-8 * e / end) + 1e-3 * scatter(s, e, rate);
                }},
               {"ntk_distance", [=](double e) { return (0.3 + rate) * e / end + 0.01 * s; }}}});
      PruningCurve curve{.run = name, .label = "flip", .protocol = "one-shot", .seed = seed};
      curve.settings = {{"noise", rate > 0 ? "flip" : "none"},
                        {"noise-rate", number_text(rate)},
                        {"noise-sigma", "0"}};
      for (int level = 0; level < 6; ++level) {
        // One group has other levels than the rest.
        const double density = std::pow(rate == 0.2 ? 0.3 : 0.5, level);
        curve.levels.push_back(
            {.target = density,
             .density = density,
             .accuracy = 0.7 - 0.02 * level * level + 0.01 * scatter(rate, s, level)});
      }
      make_folder(name + "/prune-one-shot");
      write_curve(name + "/prune-one-shot", curve);
    }
  }
}

void expect_right(const std::string& browser, const std::string& folder) {
  const auto page = folder + "/page.html";
  const auto made = run_program({"report", folder, "--out", page});
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const auto checked = run_command(
      {"python3", UNLAZY_SOURCE_DIR "/tests/experiments/page_in_browser.py", browser, page});
  EXPECT_EQ(checked.exit_code, 0) << checked.out << checked.err;
  ::testing::Test::RecordProperty("checks", checked.out);
}

TEST(PageInBrowser, ShowsTheNumbersOfTheFiles) {
  const auto browser = browser_in_path();
  if (browser.empty())
    GTEST_SKIP() << "no Chromium is installed (Debian's package: chromium), so no browser has "
                    "opened the page";
  const ScratchFolder scratch;
  write_runs(scratch / "seeds", 3, 30);
  expect_right(browser, scratch / "seeds");
  // One seed: no bands, no single seeds, claims that cannot be decided.
  write_runs(scratch / "single", 1, 12);
  expect_right(browser, scratch / "single");
}

}  // namespace
}  // namespace unlazy::experiments
