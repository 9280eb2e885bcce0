// unlazy train: one run of the training loop.
#include <csignal>
#include <iostream>

#include "command.h"
#include "core/format.h"
#include "interrupt.h"
#include "progress_line.h"
#include "train/run_dir.h"
#include "train/saved_run.h"
#include "train/trial.h"

namespace unlazy::tools {
namespace {

std::string text_of(const train::Progress& p) {
  return "epoch " + rounded_text(p.epoch, 3) + "  step " + std::to_string(p.step) + "/" +
         std::to_string(p.end) + "  " + rounded_text(p.images_per_second, 3) + " images/s  loss " +
         rounded_text(p.totals.loss, 4) + "  accuracy " + rounded_text(p.totals.accuracy, 3) +
         "  " + duration_text(p.seconds_left) + " left";
}

class Train : public Command {
 public:
  Options& options() override { return options_; }

  std::string description() const override {
    return "Trains a network with label noise and writes a run directory: config.json, "
           "metrics.csv, log.txt, TensorBoard\n"
           "events and checkpoints.\n\n"
           "  unlazy train --data cifar10-sample --noise flip --noise-rate 0.1 --epochs 3 --out "
           "runs/tau0.1\n"
           "  unlazy train --preset fig1 --noise-rate 0.1 --out runs/tau0.1   Figure 1 at one "
           "noise "
           "rate\n"
           "  unlazy train --out runs/tau0.1 --resume                continue after an interrupt\n"
           "  unlazy train --linearised --model ntk-wrn --data cifar10-sample --out runs/linear   "
           "its "
           "linearisation\n"
           "  unlazy train --config runs/tau0.1/config.json --out runs/again   repeat it";
  }

  std::vector<std::string> parse(const std::vector<std::string>& arguments) override {
    auto words = parse_with_preset(options_, preset_, arguments);
    if (!choice_.run.resume) return words;
    // A run that continues keeps the options it was started with, except those given again.
    const auto folder = choice_.run.out.empty() ? train::default_out(choice_) : choice_.run.out;
    if (!train::RunDir::holds_run(folder)) return words;
    options_.read_file(folder + "/config.json");
    return parse_with_preset(options_, preset_, arguments);
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("train", words);
    if (choice_.run.dry_run) {
      const auto trial = train::try_run(choice_);
      std::cout << text_of(trial);
      cost_ = {trial.seconds(), trial.disk_bytes()};
      return 0;
    }
    const Interrupt interrupt;
    ProgressLine line;
    train::Hooks hooks;
    hooks.on_progress = [&](const train::Progress& progress) { line.show(text_of(progress)); };
    hooks.on_line = [&](const std::string& text) {
      line.clear();
      std::cout << text << std::endl;
    };
    hooks.should_stop = [&] { return interrupt.signal() != 0; };
    const auto out = choice_.run.out.empty() ? train::default_out(choice_) : choice_.run.out;
    const auto outcome = train::run_training(choice_, hooks);
    line.clear();
    if (outcome == train::Outcome::kInterrupted) {
      std::cerr << "unlazy: interrupted; continue with: unlazy train --out " << out
                << " --resume\n";
      return 128 + interrupt.signal();
    }
    std::cout << "done: " << out << "\n";
    return 0;
  }

  std::optional<Cost> cost() const override { return cost_; }

 private:
  std::vector<OptionTable> tables() {
    std::vector<OptionTable> list = {{"Preset", {preset_option(preset_, "train")}}};
    for (auto& table : train::describe(choice_)) list.push_back(std::move(table));
    return list;
  }

  std::string preset_;
  train::TrainOptions choice_;
  std::optional<Cost> cost_;
  Options options_{"train", tables()};
};

}  // namespace

std::unique_ptr<Command> make_train() { return std::make_unique<Train>(); }

}  // namespace unlazy::tools
