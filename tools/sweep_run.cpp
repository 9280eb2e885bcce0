#include <csignal>
#include <iostream>

#include "core/error.h"
#include "progress_line.h"
#include "sweep.h"
#include "sweep/options.h"

namespace unlazy::tools {

int run_sweep(const sweep::SweepFolder& folder, const std::vector<sweep::Point>& points,
              const SweepBase& base, const sweep::RunnerOptions& options) {
  std::signal(SIGCHLD, SIG_DFL);  // where the caller ignores it, no exit code of a run is kept
  const Interrupt interrupt({SIGINT, SIGTERM, SIGHUP, SIGUSR1});
  ProgressLine line;
  sweep::RunnerHooks hooks;
  const auto threads = sweep::threads_a_job(options.jobs);
  hooks.arguments = [&](const sweep::Point& point) {
    return base.call(point, folder.run(point.name), options.gpus.empty() ? threads : 0);
  };
  hooks.on_line = [&](const std::string& text) {
    line.clear();
    std::cout << text << std::endl;
  };
  hooks.on_status = [&](const std::string& text) { line.show(text); };
  hooks.signal = [&] { return interrupt.signal(); };
  const auto summary = sweep::run_points(folder, points, options, hooks);
  line.clear();
  const auto total = points.size();
  if (interrupt.signal() != 0) {
    std::cerr << "unlazy: interrupted; " << summary.done << " of " << total
              << " points are done. The same command continues\n";
    return 128 + interrupt.signal();
  }
  UNLAZY_CHECK(summary.failed.empty(), "sweep: ", summary.failed.size(), " of ", total,
               " points failed: ", join(summary.failed, " "), "\nWhat they printed is in ",
               folder.logs(), ". --retry-failed tries them again");
  UNLAZY_CHECK(summary.held.empty(), "sweep: ", summary.held.size(), " of ", total,
               " points are run by other processes: ", join(summary.held, " "),
               "; repeat the command when they have ended");
  UNLAZY_CHECK(summary.open.empty(), "sweep: ", summary.open.size(), " of ", total,
               " points are not done: ", join(summary.open, " "),
               "; their runs were killed, or are still about to end. The same command continues "
               "with them");
  std::cout << "done: " << folder.path() << " (" << summary.done << " of " << total << " points)\n";
  return 0;
}

std::vector<std::string> gpus_for(const SweepBase& base) {
  const auto device = base.value("device");
  if (device.empty() || device == "cpu") return {};
  const auto gpus = sweep::visible_gpus();
  // cuda:1 is the second of all: each run must see them all.
  if (device.starts_with("cuda:") && !gpus.empty()) return {join(gpus, ",")};
  return gpus;
}

}  // namespace unlazy::tools
