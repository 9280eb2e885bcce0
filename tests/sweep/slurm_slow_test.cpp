// A sweep on Slurm, on a cluster of one node that the script starts. Left out where it cannot.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "core/error.h"
#include "support/program.h"
#include "support/scratch_folder.h"
#include "sweep/slurm.h"

namespace unlazy::sweep {
namespace {

using testing::ScratchFolder;

TEST(SweepSlurm, APointGoesOnAfterARequeue) {
  constexpr int kSkipped = 77;
  const ScratchFolder scratch;
  const auto result = testing::run_command(
      {"bash", UNLAZY_SOURCE_DIR "/tests/sweep/slurm.sh", UNLAZY_PROGRAM, scratch.path()});
  if (result.exit_code == kSkipped) GTEST_SKIP() << result.out;
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

Plan plan_of(size_t count) {
  Plan plan;
  plan.command = "train";
  plan.grid.axes = {{"seed", {}}};
  for (size_t i = 0; i < count; ++i) plan.grid.axes[0].values.push_back(std::to_string(i));
  make_points(plan);
  return plan;
}

TEST(SweepSlurm, TheArrayHoldsWhatIsLeft) {
  namespace fs = std::filesystem;
  const ScratchFolder scratch;
  const SweepFolder folder(scratch.path());
  for (const char* name : {"seed=1", "seed=4"}) {
    fs::create_directories(folder.run(name));
    fs::create_directories(folder.run(name) + "/DONE");
  }
  EXPECT_EQ(array_of(folder, plan_of(6), {}), "0,2-3,5");
  SlurmOptions two;
  two.limit = 2;
  EXPECT_EQ(array_of(folder, plan_of(6), two), "0,2-3,5%2");
  EXPECT_EQ(array_of(folder, plan_of(0), {}), "");
}

// Names that bash would read otherwise.
TEST(SweepSlurm, TheScriptQuotesPaths) {
  const SweepFolder folder("/runs/it's $HOME 5%");
  const auto script = slurm_script(folder, plan_of(2), {.options = "--time=02:00:00"},
                                   "/bin/unlazy", "/work place");
  EXPECT_NE(script.find("\n#SBATCH --array=0-1\n"), std::string::npos) << script;
  EXPECT_NE(script.find("\n#SBATCH --signal=B:USR1@120\n#SBATCH --time=02:00:00\n"),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("cd '/work place' || exit 1\n'/bin/unlazy' sweep point '/runs/it'\\''s "
                        "$HOME 5%' \"$SLURM_ARRAY_TASK_ID\" &\n"),
            std::string::npos)
      << script;
  EXPECT_NE(script.find("\n#SBATCH --output=\"/runs/it's $HOME 5%%/logs/slurm-%A_%a.txt\"\n"),
            std::string::npos)
      << script;
  const auto patient = slurm_script(folder, plan_of(2), {.lock_timeout = 90}, "/bin/unlazy", "/");
  EXPECT_NE(patient.find("\"$SLURM_ARRAY_TASK_ID\" --lock-timeout 90 &\n"), std::string::npos)
      << patient;
  EXPECT_THROW(slurm_script(SweepFolder("/a\nb"), plan_of(2), {}, "/bin/unlazy", "/"), Error);
}

}  // namespace
}  // namespace unlazy::sweep
