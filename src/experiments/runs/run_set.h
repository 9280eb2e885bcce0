// The runs in some folders, with all that was measured of them: what `unlazy report` and `unlazy
// watch` show. A folder may be a run, or hold runs at any depth: a sweep, a comparison, the runs of
// a figure. Nothing is written.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "experiments/pruning/curve.h"
#include "experiments/runs/run_groups.h"
#include "experiments/statement.h"
#include "report/metrics.h"

namespace unlazy::experiments {

struct FoundRun {
  std::string folder;     // as it was given, or below what was given
  std::string name;       // the last parts of the folder, as many as tell the runs apart
  Settings options;       // all of config.json; empty for a folder that lacks one
  std::string command;    // that would make it again; empty without config.json
  int64_t num_steps = 0;  // to be taken; 0: the configuration does not say
  bool is_done = false;
  GroupMember member;     // what it is grouped by; a run without config.json is a group of its own
  report::Curves curves;  // metrics.csv
  // Numbers of `unlazy measure` at the last step measured: "sharpness", "sharpness (rho=0.1)".
  std::map<std::string, std::vector<double>> measured;
  std::vector<std::string> pictures;  // files RUN/figures/*.png
};

/// A curve of `unlazy prune`.
struct FoundCurve {
  std::string folder;
  PruningCurve curve;
  GroupMember member;  // settings: of the curve, its protocol and its levels
};

/// statements.json of `unlazy compare`.
struct FoundStatements {
  std::string folder;
  std::vector<Statement> statements;
  std::vector<std::string> pictures;  // files FOLDER/figures/*.png
};

struct SkippedFolder {
  std::string folder, reason;
};

struct RunSet {
  std::vector<FoundRun> runs;
  std::vector<FoundCurve> curves;
  std::vector<FoundStatements> statements;
  std::vector<SkippedFolder> skipped;
};

/// The folders of runs (those with a metrics.csv) in `folders`, in the order of the folders, below
/// one of them sorted by name; each once. What holds no run is added to `skipped`. Networks that
/// `unlazy prune` trains at its levels are no runs of their own.
std::vector<std::string> run_folders(const std::vector<std::string>& folders,
                                     std::vector<SkippedFolder>& skipped);

/// Reads all that is there. What cannot be read is skipped, with the reason. A run that goes on is
/// read as far as it is.
RunSet find_runs(const std::vector<std::string>& folders);

/// One run, with its configuration and curves only. No curves while it has none.
FoundRun read_run(const std::string& folder);

/// Groups the runs. Runs that repeat the seed of another one with the same settings are added to
/// `skipped`.
std::vector<RunGroup> groups_of(RunSet& set);

/// Groups the pruning curves, those of each protocol by themselves.
std::map<std::string, std::vector<RunGroup>> curve_groups(const RunSet& set);

}  // namespace unlazy::experiments
