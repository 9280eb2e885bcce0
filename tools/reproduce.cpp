// unlazy reproduce: a figure of the paper by one command. A figure is a list of calls of the other
// commands with the right settings. Each call is printed, so that a user can change and repeat it.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>

#include "command.h"
#include "core/error.h"
#include "core/names.h"
#include "core/paths.h"
#include "report/figure.h"

namespace unlazy::tools {
namespace {

using Call = std::vector<std::string>;  // a command and its arguments

// The sizes in which a figure is redrawn, smallest first.
const std::vector<unlazy::Choice>& scales() {
  static const std::vector<unlazy::Choice> list = {
      {"quick", "a small version that takes minutes on a laptop"},
      {"cpu", "large enough to say something, in hours on 2 cores"},
      {"full", "the paper's setting; hours on a GPU for fig1 and fig1c"}};
  return list;
}

bool has_preset(const std::string& name, const std::string& command) {
  return std::ranges::count(presets(command), name, &unlazy::Choice::name) > 0;
}

// The preset of a figure at a scale. A figure that is fast enough has only the full one.
std::string preset_of(const std::string& figure, const std::string& command,
                      const std::string& scale) {
  const auto name = figure + "-" + scale;
  return has_preset(name, command) ? name : figure;
}

// The axes of Figure 1's runs: noise rates and seeds. The same seed has the same initial weights
// and batches at every rate.
std::string noise_rates(const std::string& scale) {
  return scale == "quick" ? "0,0.1" : "0,0.05,0.1,0.2";
}
std::string seeds(const std::string& scale) { return scale == "quick" ? "0,1" : "0..2"; }

// One set of runs serves Figures 1a, b and c. Runs that are there are continued, finished ones are
// left alone.
Call figure1_runs(const std::string& scale, const std::string& out) {
  return {"sweep",
          "train",
          "--preset",
          preset_of("fig1", "train", scale),
          "--out",
          out + "/runs",
          "--",
          "--noise-rate",
          noise_rates(scale),
          "--seed",
          seeds(scale)};
}

Call page(const std::string& out) {
  return {"report", out + "/runs", "--out", out + "/report.html"};
}

std::vector<Call> make_fig1(const std::string& scale, const std::string& out) {
  auto report = page(out);
  report.insert(report.end(), {"--figures", out + "/figures"});
  return {figure1_runs(scale, out), report};
}

std::vector<Call> make_fig1c(const std::string& scale, const std::string& out) {
  return {figure1_runs(scale, out),
          {"prune", "--preset", preset_of("fig1c", "prune", scale), "--runs", out + "/runs",
           "--out", out + "/pruning"},
          page(out)};
}

// Figures 2 and 4 take seconds: they are drawn anew.
std::vector<Call> synthetic(const std::string& preset, const std::string& out) {
  return {{"synthetic", "--preset", preset, "--out", out, "--overwrite"}};
}
std::vector<Call> make_fig2(const std::string&, const std::string& out) {
  return synthetic("fig2", out);
}
std::vector<Call> make_fig2_noise(const std::string&, const std::string& out) {
  return synthetic("fig2-noise", out);
}
std::vector<Call> make_fig4(const std::string&, const std::string& out) {
  return synthetic("fig4", out);
}

// Figures 3 and 5: four runs a seed. What is there is continued.
std::vector<Call> compare(const std::string& figure, const std::string& scale,
                          const std::string& out) {
  return {{"compare", "--preset", preset_of(figure, "compare", scale), "--out", out, "--resume"}};
}
std::vector<Call> make_fig3(const std::string& scale, const std::string& out) {
  return compare("fig3", scale, out);
}
std::vector<Call> make_fig5(const std::string& scale, const std::string& out) {
  return compare("fig5", scale, out);
}

using MakeCalls = std::vector<Call>(const std::string& scale, const std::string& out);

struct Preset {
  std::string name;  // of the full figure; its other sizes are NAME-SCALE
  std::string command;
};

struct Figure {
  std::string folder;           // below runs/, with -SCALE; figures that share runs share it
  std::vector<Preset> presets;  // of its calls
  MakeCalls* calls;
};
using MakeFigure = Figure();

Figure fig1() { return {"fig1", {{"fig1", "train"}}, make_fig1}; }
Figure fig1c() { return {"fig1", {{"fig1", "train"}, {"fig1c", "prune"}}, make_fig1c}; }
Figure fig2() { return {"fig2", {{"fig2", "synthetic"}}, make_fig2}; }
Figure fig2_noise() { return {"fig2-noise", {{"fig2-noise", "synthetic"}}, make_fig2_noise}; }
Figure fig3() { return {"fig3", {{"fig3", "compare"}}, make_fig3}; }
Figure fig4() { return {"fig4", {{"fig4", "synthetic"}}, make_fig4}; }
Figure fig5() { return {"fig5", {{"fig5", "compare"}}, make_fig5}; }

const Registry<MakeFigure>& figures() {
  static const Registry<MakeFigure> registry(
      "figure",
      {
          {"fig1", "ResNet-18 on CIFAR-10 with label noise: loss and accuracy (a, b)", fig1},
          {"fig1c", "accuracy against remaining weights, of the runs of fig1", fig1c},
          {"fig2", "two-layer linear network under label-noise SGD; seconds", fig2},
          {"fig2-noise", "the same at several strengths of the noise; seconds", fig2_noise},
          {"fig3", "a WideResNet with label noise against its linearisation", fig3},
          {"fig4", "two-layer linear network under SAM; seconds", fig4},
          {"fig5", "a WideResNet under SAM against its linearisation", fig5},
      });
  return registry;
}

constexpr const char* kAll = "all";

// The folder of a figure without --out.
std::string folder_of(const Figure& figure, const std::string& scale) {
  const auto& preset = figure.presets[0];
  const bool is_full = preset_of(preset.name, preset.command, scale) == preset.name;
  return "runs/" + figure.folder + (is_full ? "" : "-" + scale);
}

std::string change(const std::string& option, const std::string& now, const std::string& before) {
  return now == before ? "" : "  " + option + " " + now + ", the figure's: " + before + "\n";
}

std::string changes_of_preset(const Preset& preset, const std::string& scale) {
  const auto name = preset_of(preset.name, preset.command, scale);
  const auto full = read_json_file(find_preset(preset.name, preset.command));
  const auto small = read_json_file(find_preset(name, preset.command));
  auto all = full;
  all.update(small);
  std::string changes;
  for (const auto& item : all.items()) {
    const auto text = [&](const nlohmann::ordered_json& values) {
      return values.contains(item.key()) ? values.at(item.key()).dump() : "the default";
    };
    if (item.key() != "about") changes += change(item.key(), text(small), text(full));
  }
  return changes;
}

// What a smaller scale changes in the figure's settings, so that nobody mistakes the result for the
// figure; empty if nothing.
std::string changes_of_scale(const Figure& figure, const std::string& scale) {
  std::string changes;
  if (figure.folder == "fig1") {
    changes += change("noise-rate", noise_rates(scale), noise_rates("full")) +
               change("seed", seeds(scale), seeds("full"));
  }
  for (const auto& preset : figure.presets) changes += changes_of_preset(preset, scale);
  return changes;
}

class Reproduce : public Command {
 public:
  Options& options() override { return options_; }
  std::string usage() const override { return "FIGURE|all [options]"; }
  std::vector<std::string> first_words() const override {
    std::vector<std::string> names;
    for (const auto& entry : figures().entries()) names.push_back(entry.name);
    names.emplace_back(kAll);
    return names;
  }
  std::string description() const override {
    std::string text =
        "Redraws a figure of the paper with the settings that reproduce it. Each command that it "
        "runs is printed. Stop it and repeat it:\n"
        "training runs and comparisons go on where they were; fig2, fig2-noise and fig4, which "
        "take seconds, are drawn anew. Figures:\n";
    for (const auto& entry : figures().entries()) {
      auto name = entry.name;
      name.resize(std::max<size_t>(12, name.size() + 1), ' ');
      text += "\n  " + name + entry.help;
    }
    return text +
           "\n  all         every one of them\n\n"
           "  unlazy reproduce fig2\n"
           "  unlazy reproduce fig1 --scale cpu\n"
           "  unlazy reproduce all --scale quick      every figure in a quarter of an hour";
  }

  int run(const std::vector<std::string>& words) override {
    UNLAZY_CHECK_USAGE(words.size() == 1,
                       "reproduce: name one figure, such as fig2, or all; see unlazy reproduce "
                       "--help");
    if (words[0] != kAll) return reproduce(figures().find(words[0]), false);
    for (const auto& entry : figures().entries()) {
      const int code = reproduce(entry, true);
      if (code != 0) return code;
    }
    return 0;
  }

 private:
  int reproduce(const Registry<MakeFigure>::Entry& entry, bool is_all) const {
    const auto figure = entry.make();
    auto out = folder_of(figure, scale_);
    if (!out_.empty()) out = is_all ? out_ + "/" + figure.folder : out_;
    if (const auto changes = changes_of_scale(figure, scale_); !changes.empty()) {
      std::cout << "note: --scale " << scale_ << " is a small version of " << entry.name
                << ". It differs in\n"
                << changes;
    }
    for (auto call : figure.calls(scale_, out)) {
      auto words = call;
      const auto command = take_command(words);
      for (const auto& word : report::flags_of(draw_, command->options())) {
        call.push_back(word);
        words.push_back(word);
      }
      std::cout << "unlazy " << join(call, " ") << std::endl;
      const auto rest = command->parse(words);
      command->options().refuse_without_effect();
      const int code = command->run(rest);
      constexpr int kSignal = 128;
      if (code > kSignal) std::cerr << "unlazy: or with the same unlazy reproduce\n";
      if (code != 0) return code;
    }
    return 0;
  }

  std::string scale_ = "full";
  std::string out_;
  report::DrawOptions draw_;
  Options options_{
      "reproduce",
      {OptionTable(
           "Reproduce",
           {{.name = "scale",
             .target = &scale_,
             .help = "The size; what a smaller one changes is printed.",
             .choices = scales(),
             .is_common = true},
            {.name = "out",
             .target = &out_,
             .help =
                 "Folder of the results; empty: runs/FIGURE, or runs/FIGURE-SCALE where the scale "
                 "changes something; fig1c shares the folder and the runs of fig1. With all, "
                 "each figure has a folder in it.",
             .is_common = true}}),
       report::describe(draw_)}};
};

}  // namespace

std::unique_ptr<Command> make_reproduce() { return std::make_unique<Reproduce>(); }

}  // namespace unlazy::tools
