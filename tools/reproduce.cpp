// unlazy reproduce: a figure of the paper by one command. A figure is a list of calls of the other
// commands with the right settings. Each call is printed, so that a user can change and repeat it.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/names.h"
#include "core/paths.h"

namespace unlazy::tools {
namespace {

using Call = std::vector<std::string>;  // a command and its arguments

Call noise_rates(bool is_quick) {
  return is_quick ? Call{"0", "0.1"} : Call{"0", "0.05", "0.1", "0.2"};
}

// Figure 1a, b: one training run a noise rate, then their curves. Runs that are there are
// continued, finished ones are left alone.
std::vector<Call> figure1(bool is_quick, const std::string& out) {
  std::vector<Call> calls;
  Call report = {"report"};
  for (const std::string& rate : noise_rates(is_quick)) {
    const std::string run = out + "/tau" + rate;
    report.push_back(run);
    calls.push_back({"train", "--preset", is_quick ? "fig1-quick" : "fig1", "--noise-rate", rate,
                     "--out", run, "--resume"});
  }
  report.insert(report.end(), {"--figures", out + "/figures"});
  calls.push_back(report);
  return calls;
}

// Figures 2 and 4 take seconds: quick or not is the same.
std::vector<Call> synthetic(const std::string& preset, const std::string& out) {
  return {{"synthetic", "--preset", preset, "--out", out, "--overwrite"}};
}

std::vector<Call> make_fig1(bool is_quick, const std::string& out) {
  return figure1(is_quick, out);
}
std::vector<Call> make_fig1c(bool is_quick, const std::string& out) {
  return {{"prune", "--preset", is_quick ? "fig1c-quick" : "fig1c", "--out", out, "--resume"}};
}
std::vector<Call> make_fig2(bool, const std::string& out) { return synthetic("fig2", out); }
std::vector<Call> make_fig4(bool, const std::string& out) { return synthetic("fig4", out); }

// Figures 3 and 5: four runs a seed. What is there is continued.
std::vector<Call> compare(const std::string& preset, bool is_quick, const std::string& out) {
  return {{"compare", "--preset", preset + (is_quick ? "-quick" : ""), "--out", out, "--resume"}};
}
std::vector<Call> make_fig3(bool is_quick, const std::string& out) {
  return compare("fig3", is_quick, out);
}
std::vector<Call> make_fig5(bool is_quick, const std::string& out) {
  return compare("fig5", is_quick, out);
}

// What --quick changes in the figure's settings, so that nobody mistakes the result for the figure;
// empty if nothing. `command` is the command that the presets belong to.
std::string changes_of_quick(const std::string& figure, const std::string& command) {
  const auto known = presets(command);
  if (std::ranges::count(known, figure + "-quick", &unlazy::Choice::name) == 0) return "";
  const auto full = read_json_file(find_preset(figure, command));
  const auto quick = read_json_file(find_preset(figure + "-quick", command));
  std::vector<std::string> changes;
  const auto add = [&](const std::string& name, const std::string& now, const std::string& before) {
    changes.push_back("  " + name + " " + now + ", the figure's: " + before);
  };
  if (figure == "fig1")
    add("noise-rate", join(noise_rates(true), ","), join(noise_rates(false), ","));
  auto all = full;
  all.update(quick);
  for (const auto& item : all.items()) {
    const auto text = [&](const nlohmann::ordered_json& preset) {
      return preset.contains(item.key()) ? preset.at(item.key()).dump() : "the default";
    };
    if (item.key() != "about" && text(full) != text(quick))
      add(item.key(), text(quick), text(full));
  }
  return join(changes, "\n") + "\n";
}

using MakeCalls = std::vector<Call>(bool is_quick, const std::string& out);

const Registry<MakeCalls>& figures() {
  static const Registry<MakeCalls> registry(
      "figure",
      {
          {"fig1",
           "ResNet-18 on CIFAR-10 with label noise: loss and accuracy (a, b); hours on a GPU",
           make_fig1},
          {"fig1c", "accuracy against remaining weights; trains the networks first", make_fig1c},
          {"fig2", "two-layer linear network under label-noise SGD; seconds", make_fig2},
          {"fig3", "a WideResNet with label noise against its linearisation; minutes", make_fig3},
          {"fig4", "two-layer linear network under SAM; seconds", make_fig4},
          {"fig5", "a WideResNet under SAM against its linearisation; minutes", make_fig5},
      });
  return registry;
}

class Reproduce : public Command {
 public:
  Options& options() override { return options_; }
  std::string usage() const override { return "FIGURE [options]"; }
  std::vector<std::string> first_words() const override {
    std::vector<std::string> names;
    for (const auto& entry : figures().entries()) names.push_back(entry.name);
    return names;
  }
  std::string description() const override {
    std::string text =
        "Redraws a figure of the paper with the settings that reproduce it. Figures:\n";
    for (const auto& entry : figures().entries()) text += "\n  " + entry.name + "  " + entry.help;
    return text + "\n\n  unlazy reproduce fig2\n  unlazy reproduce fig1 --quick";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 1,
                       "reproduce: name one figure, such as fig2; see unlazy reproduce --help");
    const auto& figure = figures().find(words[0]);
    const auto out = out_.empty() ? "runs/" + figure.name + (is_quick_ ? "-quick" : "") : out_;
    const auto calls = figure.make(is_quick_, out);
    if (const auto changes = is_quick_ ? changes_of_quick(figure.name, calls[0][0]) : "";
        !changes.empty())
      std::cout << "note: --quick is a small version of the figure. It differs in\n" << changes;
    for (auto call : calls) {
      std::cout << "unlazy " << join(call, " ") << std::endl;
      const auto command = take_command(call);
      const auto rest = command->parse(call);
      command->options().refuse_without_effect();
      const int code = command->run(rest);
      if (code != 0) return code;
    }
    return 0;
  }

 private:
  bool is_quick_ = false;
  std::string out_;
  Options options_{
      "reproduce",
      {OptionTable("Reproduce",
                   {{.name = "quick",
                     .target = &is_quick_,
                     .help = "A small version that takes minutes on a laptop; what differs is "
                             "printed."},
                    {.name = "out",
                     .target = &out_,
                     .help = "Folder of the results; empty: runs/FIGURE."}})}};
};

}  // namespace

std::unique_ptr<Command> make_reproduce() { return std::make_unique<Reproduce>(); }

}  // namespace unlazy::tools
