#include "sweep/slurm.h"

#include <array>
#include <cstdio>

#include "core/error.h"
#include "core/format.h"
#include "sweep/state.h"

namespace unlazy::sweep {
namespace {

// For bash: nothing in it means anything but itself.
std::string in_single_quotes(const std::string& text) {
  std::string quoted = "'";
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

// A path for #SBATCH --output. Slurm reads %, quotes and backslashes in it.
std::string output_path(const std::string& path) {
  std::string text;
  for (const char c : path) {
    UNLAZY_CHECK_USAGE(static_cast<unsigned char>(c) >= ' ' && c != '"' && c != '\\',
                       "sweep: ", path,
                       ": Slurm takes no folder with a quotation mark, backslash or control "
                       "character in its name; choose another --out");
    text += c == '%' ? std::string("%%") : std::string(1, c);
  }
  return text;
}

bool is_to_run(const SweepFolder& folder, const Point& point, bool retry_failed) {
  return !is_done(folder.run(point.name)) &&
         (retry_failed || !failure_of(folder, point.name).has_value());
}

}  // namespace

OptionTable describe(SlurmOptions& o) {
  return {
      "Slurm",
      {{.name = "slurm",
        .target = &o.is_asked,
        .help = "Submit the sweep as a job array of Slurm, one point a task, in place of running "
                "it here.",
        .role = Role::kRequest,
        .is_common = true},
       {.name = "print",
        .target = &o.prints,
        .help = "With --slurm: only print the script of the job array, and write nothing.",
        .role = Role::kRequest,
        .only_for = {{"slurm", {"true"}}},
        .is_common = true},
       {.name = "slurm-options",
        .target = &o.options,
        .help = "Options of sbatch: --slurm-options='--partition=gpu --time=02:00:00'.",
        .role = Role::kRequest,
        .only_for = {{"slurm", {"true"}}}},
       {.name = "slurm-limit",
        .target = &o.limit,
        .range = Range::at_least(0),
        .help = "Tasks at a time; 0: no limit.",
        .role = Role::kRequest,
        .only_for = {{"slurm", {"true"}}}}}};
}

std::string array_of(const SweepFolder& folder, const Plan& plan, const SlurmOptions& options) {
  std::string text;
  const size_t count = plan.points.size();
  for (size_t i = 0; i < count; ++i) {
    if (!is_to_run(folder, plan.points[i], options.retry_failed)) continue;
    size_t last = i;
    while (last + 1 < count && is_to_run(folder, plan.points[last + 1], options.retry_failed))
      ++last;
    text += (text.empty() ? "" : ",") + std::to_string(i);
    if (last > i) text += "-" + std::to_string(last);
    i = last;
  }
  if (!text.empty() && options.limit > 0) text += "%" + std::to_string(options.limit);
  return text;
}

std::string slurm_script(const SweepFolder& folder, const Plan& plan, const SlurmOptions& options,
                         const std::string& program, const std::string& working_folder) {
  return "#!/bin/bash\n"
         "#SBATCH --job-name=unlazy\n"
         "#SBATCH --array=" +
         array_of(folder, plan, options) + "\n#SBATCH --output=\"" + output_path(folder.logs()) +
         "/slurm-%A_%a.txt\"\n"
         "#SBATCH --open-mode=append\n"
         "#SBATCH --requeue\n"
         "#SBATCH --signal=B:USR1@120\n" +
         (options.options.empty() ? "" : "#SBATCH " + options.options + "\n") +
         "# Written by unlazy sweep: one point of the sweep a task.\n"
         "cd " +
         in_single_quotes(working_folder) + " || exit 1\n" + in_single_quotes(program) +
         " sweep point " + in_single_quotes(folder.path()) + " \"$SLURM_ARRAY_TASK_ID\"" +
         (options.retry_failed ? " --retry-failed" : "") +
         (options.lock_timeout == SlurmOptions().lock_timeout
              ? ""
              : " --lock-timeout " + number_text(options.lock_timeout)) +
         " &\n"
         R"(run=$!
# Slurm sends SIGUSR1 ahead of the time limit. The run writes its checkpoint and ends.
signalled=
trap 'signalled=1; kill -USR1 "$run"' USR1
trap 'signalled=1; kill -TERM "$run"' TERM
wait "$run"
code=$?
# A signal ends the wait, not the run.
while [ -n "$signalled" ]; do
  signalled=
  wait "$run"
  last=$?
  [ "$last" -eq 127 ] || code=$last
done
# 128 + SIGUSR1: there is more to do. The next time it goes on from the checkpoint.
if [ "$code" -eq 138 ]; then
  scontrol requeue "${SLURM_ARRAY_JOB_ID}_${SLURM_ARRAY_TASK_ID}"
fi
exit "$code"
)";
}

std::string submit(const std::string& script) {
  std::FILE* pipe = ::popen(("sbatch " + in_single_quotes(script) + " 2>&1").c_str(), "r");
  UNLAZY_CHECK(pipe != nullptr, "sweep: sbatch cannot be started");
  std::string text;
  std::array<char, 256> buffer{};
  for (size_t count; (count = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    text.append(buffer.data(), count);
  const int status = ::pclose(pipe);
  while (text.ends_with('\n')) text.pop_back();
  UNLAZY_CHECK(status == 0, "sweep: the job array was not submitted: ", text, "; the script is ",
               script);
  return text;
}

}  // namespace unlazy::sweep
