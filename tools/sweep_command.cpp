// unlazy sweep train, compare, prune and synthetic: reads the options and the axes, checks every
// point, and runs them here or on a cluster.
#include <algorithm>
#include <filesystem>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/files.h"
#include "core/format.h"
#include "core/option_rows.h"
#include "sweep.h"
#include "sweep/options.h"
#include "sweep/slurm.h"
#include "sweep/state.h"

namespace unlazy::tools {
namespace {

// "--a 1 -- --b 2,3": what stands before and after the first "--".
struct SplitWords {
  std::vector<std::string> before, after;
};
SplitWords split_words(const std::vector<std::string>& words) {
  const auto middle = std::find(words.begin(), words.end(), "--");
  return {{words.begin(), middle}, {middle == words.end() ? middle : middle + 1, words.end()}};
}

std::string flag_name(const std::string& word) {
  return word.starts_with("--") ? word.substr(2, word.find('=') - 2) : std::string();
}

// A sweep of one command: train, compare, prune or synthetic.
class SweepOf : public Command {
 public:
  explicit SweepOf(const std::string& command)
      : command_(command), shown_(commands().find(command).make()), options_(name(), tables()) {}

  Options& options() override { return options_; }
  std::string usage() const override { return "[options] -- --AXIS VALUE,VALUE,.. [axes]"; }
  // So that main() chooses the short waits of the runs' threads once, for all of them.
  bool runs_networks() const override { return true; }
  std::string description() const override;
  std::vector<std::string> parse(const std::vector<std::string>& arguments) override;
  std::vector<std::string> read(const std::vector<std::string>& arguments);
  int run(const std::vector<std::string>&) override;

 private:
  std::string name() const { return "sweep " + command_; }
  std::vector<OptionTable> tables();
  sweep::Plan make_plan() const;
  int dry_run(const sweep::Plan& plan, const sweep::SweepFolder& folder) const;
  int run_slurm(const sweep::SweepFolder& folder, const sweep::Plan& plan);

  std::string command_, out_;
  sweep::SweepOptions choice_;
  sweep::SlurmOptions slurm_;
  std::unique_ptr<Command> shown_;  // whose tables are bound to options_
  Options options_;
  std::unique_ptr<SweepBase> base_;
  std::vector<std::string> base_words_, axis_words_;
};

// The sweep's own options, then those of the command but for what the sweep does by itself.
std::vector<OptionTable> SweepOf::tables() {
  const std::set<std::string> left_out = {"resume", "overwrite", "dry-run"};
  std::vector<OptionTable> list = {sweep::describe(choice_), sweep::describe(slurm_)};
  for (const auto& table : shown_->options().tables()) {
    std::vector<Option> rows;
    for (const auto& row : table.rows()) {
      if (!left_out.contains(row.name)) rows.push_back(row);
    }
    list.emplace_back(table.title(), std::move(rows));
  }
  return list;
}

std::string SweepOf::description() const {
  static const std::map<std::string, std::string> examples = {
      {"train",
       "  unlazy sweep train --preset fig1-quick --out runs/sweep -- --noise-rate 0,0.1,0.2 --seed "
       "0..4\n"
       "  unlazy sweep train --data cifar10-sample --noise flip --epochs 2 --zip lr+batch -- "
       "--noise-rate 0,0.1 --lr 0.05,0.1 --batch 64,128\n"},
      {"compare", "  unlazy sweep compare --preset fig5-quick --out runs/rho -- --rho 0.5,1,2\n"},
      {"prune",
       "  unlazy sweep prune --out runs/prune -- --run runs/a,runs/b --criterion "
       "magnitude,random\n"},
      {"synthetic",
       "  unlazy sweep synthetic --steps 20000 --out runs/width -- --width 100,1000 --dim "
       "10,20\n"}};
  return "Runs unlazy " + command_ +
         " once for each combination of the axes, several at a time. A point's folder is named by "
         "what it sets.\nThe same command continues a sweep; it may have more values and axes. "
         "Points that are done never run again,\nand one that fails does not end the others. "
         "Several "
         "machines that share the folder may run the same command.\n\n" +
         examples.at(command_) + "  unlazy sweep status runs/sweep";
}

// Flags with their values: {"--lr", "0.1"}, {"--nesterov"}, {"--seed=1"}. `tables` tell which flags
// need no value; an unknown one has the word after it, if that is no flag.
std::vector<std::vector<std::string>> flags_in(const std::vector<std::string>& words,
                                               const std::vector<OptionTable>& tables) {
  std::vector<std::vector<std::string>> flags;
  for (size_t i = 0; i < words.size(); ++i) {
    flags.push_back({words[i]});
    const auto name = flag_name(words[i]);
    const auto* row = find_row(tables, name);
    const bool needs_value = !name.empty() && words[i].find('=') == std::string::npos &&
                             (row == nullptr || !is_switch(*row));
    if (needs_value && i + 1 < words.size() && flag_name(words[i + 1]).empty())
      flags.back().push_back(words[++i]);
  }
  return flags;
}

// Axes that stand before -- are read as values of their options, and refused with an error that does
// not say why.
std::vector<std::string> SweepOf::parse(const std::vector<std::string>& arguments) {
  try {
    return read(arguments);
  } catch (const Error& error) {
    const std::string text = error.what();
    const bool is_axis = std::ranges::any_of(arguments, [&](const std::string& word) {
      return (word.find(',') != std::string::npos || word.find("..") != std::string::npos) &&
             text.find("'" + word + "'") != std::string::npos;
    });
    const bool has_axes = std::ranges::count(arguments, "--") > 0;
    throw Error(text + (is_axis && !has_axes
                            ? "; axes stand after --, such as -- --seed 0..4, or in --grid FILE"
                            : ""),
                error.kind());
  }
}

std::vector<std::string> SweepOf::read(const std::vector<std::string>& arguments) {
  const auto [before, after] = split_words(arguments);
  const std::vector<OptionTable> own = {options_.tables()[0], options_.tables()[1]};
  std::vector<std::string> known, own_words;
  const auto append = [](std::vector<std::string>& list, const std::vector<std::string>& words) {
    list.insert(list.end(), words.begin(), words.end());
  };
  for (const auto& words : flags_in(before, options_.tables())) {
    const auto name = flag_name(words[0]);
    UNLAZY_CHECK_USAGE(name != "resume" && name != "overwrite", this->name(), ": leave out --",
                       name,
                       "; the same command continues a sweep, and another one needs another --out");
    if (name != "config") append(known, words);
    if (find_row(own, name) != nullptr)
      append(own_words, words);
    else if (name != "out")
      append(base_words_, words);
  }
  // Another object, to find flags that neither the sweep nor the command knows. Which of the others
  // have no effect is for the points to say.
  SweepOf checked(command_);
  checked.options_.parse(known);
  options_.parse(own_words);
  shown_->parse(base_words_);
  base_ = std::make_unique<SweepBase>(command_, base_words_);
  out_ = value_text(*find_row(checked.options_.tables(), "out"));
  if (out_.empty()) out_ = base_->value("out");
  if (out_.empty()) out_ = "runs/sweep-" + command_;
  axis_words_ = after;
  return {};
}

sweep::Plan SweepOf::make_plan() const {
  sweep::Grid grid;
  if (!choice_.grid.empty())
    grid = sweep::grid_from_json(read_json_file(choice_.grid), choice_.grid);
  for (const auto& axis : sweep::axes_from_words(axis_words_)) grid.axes.push_back(axis);
  for (const auto& text : choice_.zip) sweep::add_zip(grid, text);
  for (const auto& text : choice_.when) sweep::add_condition(grid, text);
  UNLAZY_CHECK_USAGE(!grid.axes.empty(), name(),
                     ": names no axis; give them after --, such as -- --seed 0..4, or as --grid "
                     "FILE");
  for (auto& axis : grid.axes) base_->check_axis(axis);
  for (auto& [axis, conditions] : grid.when) {
    for (auto& condition : conditions) base_->check_condition(condition);
  }
  sweep::check(grid);
  sweep::Plan plan;
  plan.command = command_;
  plan.arguments = base_words_;
  plan.base = base_->deciding_values();
  plan.defaults = SweepBase(command_, {}).deciding_values();
  plan.grid = std::move(grid);
  sweep::make_points(plan);
  for (const auto& point : plan.points) base_->check_point(point);
  return plan;
}

int SweepOf::dry_run(const sweep::Plan& plan, const sweep::SweepFolder& folder) const {
  for (const auto& point : plan.points) {
    const bool is_done = sweep::is_done(folder.run(point.name));
    const bool has_failed = sweep::failure_of(folder, point.name).has_value();
    std::cout << point.name << (is_done ? "  done" : has_failed ? "  failed" : "") << "\n";
  }
  const auto gpus = gpus_for(*base_);
  const auto jobs = sweep::num_jobs(choice_, gpus.size(), plan.points.size());
  std::cout << plan.points.size() << " points, " << jobs << " at a time, in " << folder.path()
            << std::endl;
  if (!base_->has("dry-run")) return 0;
  std::cout << "the first of them:" << std::endl;
  const auto& first = plan.points.front();
  auto words =
      base_->call(first, folder.run(first.name), gpus.empty() ? sweep::threads_a_job(jobs) : 0);
  std::erase(words, "--resume");
  std::erase(words, "--overwrite");
  words.push_back("--dry-run");
  const auto command = take_command(words);
  const auto rest = command->parse(words);
  const int code = command->run(rest);
  const auto left = std::ranges::count_if(plan.points, [&](const sweep::Point& point) {
    return !sweep::is_done(folder.run(point.name)) &&
           (choice_.retry_failed || !sweep::failure_of(folder, point.name));
  });
  if (const auto cost = command->cost(); cost && left > 0) {
    const auto at_a_time = slurm_.is_asked ? std::max<int64_t>(1, slurm_.limit) : jobs;
    const auto rounds = (left + at_a_time - 1) / at_a_time;
    std::cout << left << (left == 1 ? " point is" : " points are")
              << " left; if each is like the first: "
              << bytes_text(static_cast<double>(left * cost->disk_bytes)) << " of disk, "
              << duration_text(static_cast<double>(rounds) * cost->seconds)
              << (at_a_time > 1 ? " at " + std::to_string(at_a_time) +
                                      " at a time, longer where they slow each other down"
                                : " one after another")
              << "\n";
  }
  return code;
}

// Nothing is written where the script is only printed.
int SweepOf::run_slurm(const sweep::SweepFolder& folder, const sweep::Plan& plan) {
  slurm_.retry_failed = choice_.retry_failed;
  slurm_.lock_timeout = choice_.lock_timeout;
  if (sweep::array_of(folder, plan, slurm_).empty()) {
    std::cout << "no point is left to run in " << folder.path() << "\n";
    return 0;
  }
  const auto program = std::filesystem::read_symlink("/proc/self/exe").string();
  const auto text =
      sweep::slurm_script(folder, plan, slurm_, program, std::filesystem::current_path().string());
  if (slurm_.prints) {
    std::cout << text;
    return 0;
  }
  const auto script = folder.path() + "/slurm.sh";
  write_file(script, text);
  std::cout << sweep::submit(script) << "\n";
  return 0;
}

int SweepOf::run(const std::vector<std::string>&) {
  UNLAZY_CHECK_USAGE(!slurm_.is_asked || choice_.jobs == 0, name(),
                     ": --jobs has no effect with --slurm, where a task runs one point; leave it "
                     "out, or give --slurm-limit, the tasks at a time");
  const sweep::SweepFolder folder(out_);
  auto plan = sweep::checked_plan(folder, make_plan());
  base_->try_points(sweep::new_points(folder, plan));
  if (choice_.dry_run) return dry_run(plan, folder);
  if (slurm_.prints) return run_slurm(folder, plan);
  check_writable(folder.path());
  plan = sweep::record_plan(folder, plan);
  if (slurm_.is_asked) return run_slurm(folder, plan);
  sweep::RunnerOptions options;
  options.gpus = gpus_for(*base_);
  options.jobs = sweep::num_jobs(choice_, options.gpus.size(), plan.points.size());
  options.lock_timeout = choice_.lock_timeout;
  options.retry_failed = choice_.retry_failed;
  return run_sweep(folder, plan.points, *base_, options);
}

}  // namespace

std::unique_ptr<Command> make_sweep_train() { return std::make_unique<SweepOf>("train"); }
std::unique_ptr<Command> make_sweep_compare() { return std::make_unique<SweepOf>("compare"); }
std::unique_ptr<Command> make_sweep_prune() { return std::make_unique<SweepOf>("prune"); }
std::unique_ptr<Command> make_sweep_synthetic() { return std::make_unique<SweepOf>("synthetic"); }

}  // namespace unlazy::tools
