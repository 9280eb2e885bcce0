// unlazy compare: a network against its linearisation, with label noise or SAM and without.
#include <iomanip>
#include <iostream>

#include "command.h"
#include "core/error.h"
#include "core/format.h"
#include "drawn.h"
#include "experiments/comparison_trial.h"
#include "experiments/golden_check.h"
#include "experiments/lazy_comparison.h"
#include "hooks.h"
#include "report/figure.h"
#include "train/run_dir.h"

namespace unlazy::tools {
namespace {

// The setting of Figure 3 without the noise: full-batch gradient descent on 64 images.
train::TrainOptions defaults() {
  train::TrainOptions o;
  o.data.source = "cifar10-sample";
  o.data.train_size = 64;
  o.data.test_size = 128;
  o.batch.batch_size = 64;
  o.batch.augment = false;
  o.model.name = "ntk-wrn";
  o.loss.kind = "squared-error";
  o.run.epochs = 500;
  o.run.checkpoint_every = Step::epochs(500);
  o.measure.names = {"test",
                     "train-set",
                     "distance",
                     "first-layer",
                     "lazy-distance",
                     "ntk-change:every=log",
                     "activation-sparsity",
                     "effective-rank"};
  o.measure.every = Step::iterations(10);
  o.measure.probe.samples = 0;
  o.compute.precision = "fp32";
  return o;
}

class Compare : public Command {
 public:
  Options& options() override { return options_; }

  std::string description() const override {
    return "Lazy or rich? Trains a network by gradient descent, the same network with label noise "
           "or SAM, and the network linearised at\n"
           "initialisation in both ways, all from one initialisation and on the same images. "
           "Writes one run directory for each, the\n"
           "figure, and statements.json: what the paper says about its Figures 3 and 5, in "
           "numbers.\n\n"
           "  unlazy compare --preset fig3-quick                  two minutes on two cores\n"
           "  unlazy compare --noise flip-any --noise-rate 0.5 --seeds 0,1,2 --epochs 2000\n"
           "  unlazy compare --optimizer sam --rho 2 --lr-fraction 0.6\n"
           "  unlazy compare --golden FILE.safetensors --precision fp64\n\n"
           "--golden computes everything in a file of reference values of neural-tangents "
           "(made by\n"
           "tests/golden/make_neural_tangents_golden.py) and prints the relative error of each "
           "tensor. It fails if an error is above\n"
           "1e-9 in fp64 or 1e-4 in fp32.";
  }

  std::vector<std::string> parse(const std::vector<std::string>& arguments) override {
    auto words = parse_with_preset(options_, preset_, arguments);
    // As `unlazy train`: what goes on keeps its options, except those given again.
    if (!train_.run.resume || !train::RunDir::holds_run(out())) return words;
    options_.read_file(out() + "/config.json");
    return parse_with_preset(options_, preset_, arguments);
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("compare", words);
    if (!golden_.empty()) return check();
    if (train_.run.dry_run) {
      const auto trial = experiments::try_comparison(compare_, train_);
      std::cout << text_of(trial);
      cost_ = {trial.seconds(), trial.disk_bytes()};
      return 0;
    }
    const Interrupt interrupt;
    const auto result =
        experiments::compare_lazy(compare_, train_, out(), name(), hooks_for(interrupt));
    if (result.outcome == train::Outcome::kInterrupted) return report_interrupt(interrupt);
    print(result);
    draw_and_finish(out(), name());
    return 0;
  }

  std::optional<Cost> cost() const override { return cost_; }

 private:
  std::string name() const { return preset_.empty() ? "compare" : preset_; }
  std::string out() const { return train_.run.out.empty() ? "runs/" + name() : train_.run.out; }

  static void print(const experiments::Comparison& result) {
    constexpr int kWidth = 15;
    const auto margin = std::string(2 + kWidth, ' ');
    std::cout << "\nWhat the paper says, and what is seen here:\n" << std::left;
    for (const auto& s : result.statements) {
      std::cout << "  " << std::setw(kWidth) << experiments::verdict_text(s.verdict) << s.text
                << "\n"
                << margin << s.numbers << "\n"
                << margin << s.effect_text() << "\n";
    }
    for (const auto& [seed, problem] : result.diverged)
      std::cout << "Seed " << seed << " is left out: " << problem << "\n";
    std::cout << (result.lr.size() > 1
                      ? "±: 95 % confidence interval of the mean over seeds (Student's t). A "
                        "statement holds when the mean is as large as\nclaimed and the interval "
                        "lies above the bound; it is not clear when the interval holds both.\n"
                      : "One seed: how far another one may be is unknown, and its numbers alone "
                        "decide. Give --seeds 0,1,2 or more.\n");
  }

  int check() const {
    const auto compute = resolve(train_.compute);
    const auto errors = experiments::check_golden(golden_, compute);
    size_t width = 0;
    for (const auto& error : errors) width = std::max(width, error.name.size());
    std::cout << "tensor" << std::string(width - 4, ' ')
              << "shape         relative error, Euclidean  largest entry\n";
    bool is_close = true;
    for (const auto& error : errors) {
      std::cout << std::left << std::setw(static_cast<int>(width) + 2) << error.name
                << std::setw(14) << error.shape << std::setw(27) << rounded_text(error.by_norm, 3)
                << rounded_text(error.by_entry, 3) << (error.is_close ? "" : "  TOO LARGE") << "\n";
      is_close = is_close && error.is_close;
    }
    UNLAZY_CHECK(is_close, golden_, ": not all tensors are within ",
                 number_text(experiments::golden_tolerance(compute.dtype)), " of the reference");
    std::cout << "all within " << number_text(experiments::golden_tolerance(compute.dtype)) << "\n";
    return 0;
  }

  std::string preset_, golden_;
  experiments::CompareOptions compare_;
  train::TrainOptions train_ = defaults();
  std::optional<Cost> cost_;
  Options options_{"compare", tables()};

  std::vector<OptionTable> tables() {
    std::vector<OptionTable> list = {
        {"Compare",
         {preset_option(preset_, "compare"),
          {.name = "golden",
           .target = &golden_,
           .help = "A file of reference values of neural-tangents to check this build against; "
                   "nothing is trained then.",
           .role = Role::kRequest,
           .is_common = true}}},
        report::describe(compare_.draw)};
    for (auto& table : experiments::comparison_tables(compare_, train_))
      list.push_back(std::move(table));
    return list;
  }
};

}  // namespace

std::unique_ptr<Command> make_compare() { return std::make_unique<Compare>(); }

}  // namespace unlazy::tools
