#include "experiments/runs/run_set.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <string_view>

#include "core/error.h"
#include "core/format.h"
#include "core/options.h"
#include "experiments/runs/run_config.h"
#include "train/run_dir.h"

namespace unlazy::experiments {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 8;

bool is_there(const std::string& path) {
  std::error_code error;
  return fs::exists(path, error);
}

std::vector<std::string> folders_in(const std::string& folder) {
  std::vector<std::string> list;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_directory(error) && !entry.path().filename().string().starts_with("."))
      list.push_back(entry.path().string());
  }
  std::ranges::sort(list);
  return list;
}

// Looks for results below folders. A folder that a link leads to is looked at once.
class Search {
 public:
  struct Found {
    std::vector<std::string> runs, curves, statements;
  };

  // Returns whether there was anything.
  bool visit(const std::string& folder, int depth = 0) {
    std::error_code error;
    const auto place = fs::canonical(folder, error).string();
    if (error || !seen_.insert(place).second) return !error;
    const bool is_run = is_there(folder + "/metrics.csv");
    const bool is_curve = is_there(folder + "/curve.json");
    const bool has_statements = is_there(folder + "/statements.json");
    if (is_run) found_.runs.push_back(folder);
    if (is_curve) found_.curves.push_back(folder);
    if (has_statements) found_.statements.push_back(folder);
    bool has_any = is_run || is_curve || has_statements;
    if (depth >= kMaxDepth) return has_any;
    for (const auto& below : folders_in(folder)) {
      const auto name = fs::path(below).filename().string();
      // In a run only its pruning curves are of interest; in a curve nothing but the network that
      // was trained first.
      const bool is_wanted =
          is_curve ? name == "dense"
          : is_run ? name.starts_with("prune-")
                   : name != "checkpoints" && !name.starts_with("level-") && name != "figures";
      if (is_wanted) has_any = visit(below, depth + 1) || has_any;
    }
    return has_any;
  }
  const Found& found() const { return found_; }

 private:
  std::set<std::string> seen_;
  Found found_;
};

std::string why_no_run(const std::string& folder) {
  if (!is_there(folder)) return "does not exist";
  std::error_code error;
  if (!fs::is_directory(folder, error)) return "is no folder";
  if (!is_there(folder + "/config.json")) return "holds no run (no metrics.csv in it or below)";
  try {
    const auto command = read_json_file(folder + "/config.json").value("command", "");
    if (command != "train" && !command.empty())
      return "is a folder of unlazy " + command + ", with no run in it";
  } catch (const std::exception& problem) {
    return problem.what();
  }
  return "has no metrics.csv yet";
}

std::string without_slashes(std::string folder) {
  while (folder.size() > 1 && folder.back() == '/') folder.pop_back();
  return folder;
}

Search::Found search(const std::vector<std::string>& folders, std::vector<SkippedFolder>& skipped) {
  Search all;
  for (const auto& given : folders) {
    const auto folder = without_slashes(given);
    if (!all.visit(folder)) skipped.push_back({folder, why_no_run(folder)});
  }
  return all.found();
}

// "measure-40-rho=0.1.json": the step, and the settings that are not the default ones.
struct MeasureFile {
  int64_t step = -1;
  std::string settings;  // "rho=0.1"
};
MeasureFile measure_file(const std::string& name) {
  const std::string_view head = "measure-", tail = ".json";
  if (!name.starts_with(head) || !name.ends_with(tail)) return {};
  const auto middle = name.substr(head.size(), name.size() - head.size() - tail.size());
  MeasureFile file;
  const auto* end = middle.data() + middle.size();
  const auto [rest, error] = std::from_chars(middle.data(), end, file.step);
  if (error != std::errc{} || (rest != end && *rest != '-')) return {};
  if (rest != end) file.settings = std::string(rest + 1, end);
  return file;
}

// What `unlazy measure` wrote of the newest step. Numbers of other settings than the default ones
// have these in their names.
std::map<std::string, std::vector<double>> measured_in(const std::string& folder) {
  std::map<std::string, std::string> newest;  // settings to file
  int64_t step = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto file = measure_file(entry.path().filename().string());
    if (file.step < step) continue;
    if (file.step > step) newest.clear();
    step = file.step;
    newest[file.settings] = entry.path().string();
  }
  std::map<std::string, std::vector<double>> all;
  for (const auto& [settings, path] : newest) {
    const Json values = read_json_file(path).value("values", Json::object());
    for (const auto& [name, value] : values.items()) {
      const auto numbers = value.is_array() ? value : Json::array({value});
      if (std::ranges::all_of(numbers, [](const Json& number) { return number.is_number(); }))
        all[settings.empty() ? name : name + " (" + settings + ")"] =
            numbers.get<std::vector<double>>();
    }
  }
  return all;
}

// null where there is no number.
double number_of(const Json& json, const char* name) {
  const auto found = json.find(name);
  const bool is_there = found != json.end() && found->is_number();
  return is_there ? found->get<double>() : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Statement> read_statements(const std::string& folder) {
  std::vector<Statement> list;
  const auto json = read_json_file(folder + "/statements.json");
  for (const auto& one : json.value("statements", Json::array())) {
    Statement statement{.text = one.at("text"),
                        .numbers = one.at("numbers"),
                        .effects = {},
                        .verdict = verdict_called(one.at("verdict").get<std::string>())};
    for (const auto& effect : one.value("effects", Json::array())) {
      auto& added = statement.effects.emplace_back();
      added.name = effect.at("name");
      added.mean = number_of(effect, "mean");
      added.margin = number_of(effect, "margin");
    }
    list.push_back(std::move(statement));
  }
  return list;
}

std::vector<std::string> pictures_in(const std::string& folder) {
  std::vector<std::string> list;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder + "/figures", error)) {
    if (entry.path().extension() == ".png") list.push_back(entry.path().string());
  }
  std::ranges::sort(list);
  return list;
}

FoundCurve read_found_curve(const std::string& folder) {
  FoundCurve found{folder, read_curve(folder), {}};
  auto& settings = found.member.settings;
  settings = found.curve.settings;
  settings["protocol"] = found.curve.protocol;
  settings.erase("recalibrate-bn");  // the protocol's name says it
  std::string levels;
  for (const auto& level : found.curve.levels)
    levels += (levels.empty() ? "" : ",") + number_text(level.target);
  settings["levels"] = levels;
  found.member.seed = found.curve.seed;
  return found;
}

// The last `count` parts of a path.
std::string end_of_path(const std::string& folder, int count) {
  auto path = fs::absolute(folder).lexically_normal();
  fs::path last = path.filename();
  for (int i = 1; i < count && path.parent_path().has_filename(); ++i) {
    path = path.parent_path();
    last = path.filename() / last;
  }
  return last.string();
}

// A comparison gives each seed a learning rate of its own, a fraction of the largest stable one. The
// fraction is what its seeds have in common.
void set_rate_of_comparison(FoundRun& run) {
  const auto config = run.folder + "/../../config.json";
  if (!is_there(config)) return;
  const auto comparison = read_json_file(config);
  const auto fraction = comparison.find("lr-fraction");
  if (comparison.value("command", "") != "compare" || fraction == comparison.end()) return;
  if (*fraction != 0) run.member.settings["lr"] = "fraction " + text_of_value(*fraction);
}

void name_runs(std::vector<FoundRun>& runs) {
  for (int count = 1; count <= 2 * kMaxDepth; ++count) {
    std::set<std::string> names;
    for (auto& run : runs) {
      run.name = end_of_path(run.folder, count);
      names.insert(run.name);
    }
    if (names.size() == runs.size()) return;
  }
}

}  // namespace

std::vector<std::string> run_folders(const std::vector<std::string>& folders,
                                     std::vector<SkippedFolder>& skipped) {
  return search(folders, skipped).runs;
}

FoundRun read_run(const std::string& folder) {
  FoundRun run;
  run.folder = folder;
  run.name = end_of_path(folder, 1);
  run.is_done = train::RunDir::is_done(folder);
  if (is_there(folder + "/config.json")) {
    const auto config = read_json_file(folder + "/config.json");
    run.options = options_in(config);
    run.command = command_of(config);
    run.member = {settings_in(config), seed_in(config)};
    // A linearised run has the options of the run that it is compared with.
    const auto command = config.value("command", "train");
    run.member.settings["linearised"] = command == "train" ? "false" : "true";
    set_rate_of_comparison(run);
    run.num_steps = config.value("about", Json::object()).value("steps", int64_t{0});
  } else {
    run.member.settings["run"] = folder;
  }
  run.curves = report::read_metrics_so_far(folder);
  return run;
}

RunSet find_runs(const std::vector<std::string>& folders) {
  RunSet set;
  const auto found = search(folders, set.skipped);
  const auto attempt = [&](const std::string& folder, const auto& read) {
    try {
      read();
    } catch (const std::exception& problem) {  // also of JSON that is not what it should be
      set.skipped.push_back({folder, problem.what()});
    }
  };
  for (const auto& folder : found.runs) {
    attempt(folder, [&] {
      auto run = read_run(folder);
      run.measured = measured_in(folder);
      run.pictures = pictures_in(folder);
      if (run.curves.empty())
        set.skipped.push_back({folder, "has no rows in its metrics.csv yet"});
      else
        set.runs.push_back(std::move(run));
    });
  }
  for (const auto& folder : found.curves)
    attempt(folder, [&] { set.curves.push_back(read_found_curve(folder)); });
  for (const auto& folder : found.statements) {
    attempt(folder, [&] {
      set.statements.push_back({folder, read_statements(folder), pictures_in(folder)});
    });
  }
  name_runs(set.runs);
  return set;
}

std::vector<RunGroup> groups_of(RunSet& set) {
  std::vector<GroupMember> members;
  for (const auto& run : set.runs) members.push_back(run.member);
  auto grouping = grouped(members);
  for (const auto& [repeat, first] : grouping.repeats) {
    set.skipped.push_back(
        {set.runs[repeat].folder,
         "has the same settings and seed as " + set.runs[first].folder + ", which is shown"});
  }
  return std::move(grouping.groups);
}

std::map<std::string, std::vector<RunGroup>> curve_groups(const RunSet& set) {
  std::map<std::string, std::vector<size_t>> places;
  for (size_t i = 0; i < set.curves.size(); ++i) places[set.curves[i].curve.protocol].push_back(i);
  std::map<std::string, std::vector<RunGroup>> all;
  for (const auto& [protocol, list] : places) {
    std::vector<GroupMember> members;
    for (const size_t i : list) members.push_back(set.curves[i].member);
    auto groups = grouped(members).groups;
    for (auto& group : groups) {
      for (auto& member : group.members) member = list[member];
    }
    all[protocol] = std::move(groups);
  }
  return all;
}

}  // namespace unlazy::experiments
