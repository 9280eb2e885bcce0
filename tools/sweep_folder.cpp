// The commands about a sweep that is there: unlazy sweep status, and one point for a cluster.
#include <charconv>
#include <iostream>

#include "core/error.h"
#include "sweep.h"
#include "sweep/status.h"

namespace unlazy::tools {
namespace {

class SweepStatus : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string usage() const override { return "SWEEP"; }
  std::string description() const override {
    return "Prints a table of the points of a sweep: which are done, running, stopped, waiting or "
           "failed, how far they are,\nand why a point failed. Works while the sweep runs, on any "
           "machine that sees the folder.\n\n"
           "  unlazy sweep status runs/sweep";
  }
  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 1, "sweep status: name the folder of one sweep");
    const sweep::SweepFolder folder(words[0]);
    std::cout << sweep::status_text(sweep::status_of(folder, sweep::read_plan(folder)));
    return 0;
  }

 private:
  Options options_{"sweep status", {}};
};

struct PointOptions {
  double lock_timeout = 60;
  bool retry_failed = false;
};

OptionTable describe(PointOptions& o) {
  return {"Point",
          {{.name = "lock-timeout",
            .target = &o.lock_timeout,
            .range = Range::closed(2, 86400),
            .unit = "seconds",
            .help = "As for unlazy sweep.",
            .role = Role::kRequest},
           {.name = "retry-failed",
            .target = &o.retry_failed,
            .help = "Try the point again if it has failed before.",
            .role = Role::kRequest}}};
}

size_t index_in(const std::string& text, size_t count) {
  size_t index = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, index);
  UNLAZY_CHECK_USAGE(error == std::errc{} && last == end && index < count,
                     "sweep point: the points are numbered 0 to ", count - 1, ", got '", text, "'");
  return index;
}

class SweepPoint : public Command {
 public:
  Options& options() override { return options_; }
  std::string usage() const override { return "SWEEP NUMBER [options]"; }
  std::string description() const override {
    return "Runs one point of a sweep that was begun or written before, with all cores that it may "
           "use. Its number "
           "is its place in sweep.json,\nfrom 0 on. Meant for a job on a cluster: SIGUSR1 and "
           "SIGTERM make a checkpoint, and the same command goes on.\n\n"
           "  unlazy sweep point runs/sweep 3";
  }
  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 2,
                       "sweep point: name the folder of a sweep and the number of a point");
    const sweep::SweepFolder folder(words[0]);
    const auto plan = sweep::read_plan(folder);
    const auto& point = plan.points[index_in(words[1], plan.points.size())];
    const SweepBase base(plan.command, plan.arguments);
    for (const auto& [option, value] : base.deciding_values()) {
      const auto found = plan.base.find(option);
      UNLAZY_CHECK_USAGE(found == plan.base.end() || found->second == value, folder.path(),
                         ": its sweep was begun with --", option, " ", found->second, ", which is ",
                         value, " now; did a file change that --config or --preset names?");
    }
    sweep::RunnerOptions options;
    options.lock_timeout = choice_.lock_timeout;
    options.retry_failed = choice_.retry_failed;
    options.waits_for_others = false;
    return run_sweep(folder, {point}, base, options);
  }

 private:
  PointOptions choice_;
  Options options_{"sweep point", {describe(choice_)}};
};

}  // namespace

std::unique_ptr<Command> make_sweep_status() { return std::make_unique<SweepStatus>(); }
std::unique_ptr<Command> make_sweep_point() { return std::make_unique<SweepPoint>(); }

}  // namespace unlazy::tools
