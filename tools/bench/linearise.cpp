// unlazy bench linearise: the cost of a step of gradient descent, of a step of the linearised network
// in weight space and in function space, and of the empirical kernel.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <memory>

#include "bench/benchmarks.h"
#include "core/cpu_memory.h"
#include "core/device.h"
#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "linearise/function_space.h"
#include "linearise/kernel.h"
#include "linearise/linearised_model.h"
#include "models/model.h"
#include "optim/flat_parameters.h"
#include "optim/optimizer.h"

namespace unlazy::tools {
namespace {

// A network, its linearisation or its Taylor polynomial, with what a training step needs.
class Trained {
 public:
  Trained(std::shared_ptr<models::Model> model, const Compute& compute)
      : model_(std::move(model)),
        parameters_(model_->module(), compute.device, compute.dtype),
        optimizer_(optim::make_optimizer({}, parameters_)) {}

  // As the training step does it: flat buffers, one update.
  void step(const at::Tensor& x, const at::Tensor& y) {
    const auto lr = at::full({}, 1e-4, x.options()), rho = at::zeros({}, x.options());
    optimizer_->step(
        [&](bool, const Span&) {
          parameters_.clear_gradients();
          const at::AutoGradMode with_grad(true);
          (0.5 * (model_->forward(x) - y).square().mean()).backward();
          parameters_.collect_gradients(true);
        },
        {lr, rho, false, x.size(0)});
  }
  models::Model& model() { return *model_; }
  int64_t num_parameters() const { return parameters_.size(); }

 private:
  std::shared_ptr<models::Model> model_;
  optim::FlatParameters parameters_;
  std::unique_ptr<optim::Optimizer> optimizer_;
};

class BenchLinearise : public Command {
 public:
  Options& options() override { return options_; }
  std::string description() const override {
    return "Times a network on random images: a step of gradient descent, a step of the linearised "
           "network in weight space and in\n"
           "function space, and the empirical kernel. Each is run once in each round, in turns. "
           "Columns: milliseconds of wall time; the\n"
           "median in steps of gradient descent; the process's peak memory after the first run, "
           "the lines above included. Floor of the\n"
           "linearised step in weight space: 5/3 steps (3 forward and 2 backward passes where a "
           "step has 1 and 2). The same in\n"
           "neural-tangents: its WideResnet example with nt.empirical_ntk_fn and nt.linearize, "
           "jax.jit around each.\n\n"
           "  unlazy bench linearise --blocks 2\n"
           "  unlazy bench linearise --model resnet18 --norm group --kernel=false";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench linearise", words);
    const auto compute = resolve(compute_);
    UNLAZY_CHECK_USAGE(compute.dtype != c10::kBFloat16,
                       "bench linearise: kernels need fp32 or fp64; give --precision");
    const auto options = at::TensorOptions().dtype(compute.dtype).device(compute.device);
    const auto x =
        at::randn({samples_, 3, 32, 32}, options).contiguous(at::MemoryFormat::ChannelsLast);
    const auto y = at::one_hot(at::randint(10, {samples_}, options.dtype(c10::kLong)), 10);
    const auto made = [&] { return models::make_model(model_, {3, 32, 32, 10}, 0); };
    Trained plain(made(), compute);
    const auto polynomial = [&](int64_t order) {
      auto start = made();
      const optim::FlatParameters in_place(start->module(), compute.device, compute.dtype);
      return std::make_shared<linearise::LinearisedModel>(start, nullptr, order, x.narrow(0, 0, 1));
    };
    Trained linear(polynomial(1), compute);
    std::unique_ptr<Trained> second;
    if (has_second_) second = std::make_unique<Trained>(polynomial(2), compute);
    std::cout << model_.name << ", " << plain.num_parameters() << " parameters; " << samples_
              << " images; " << rounds_ << " rounds\n";

    // The step first: the others are given in steps.
    time("gradient descent step", [&] { plain.step(x, y); });
    time("linearised, weight space", [&] { linear.step(x, y); });
    if (second) time("Taylor polynomial, order 2", [&] { second->step(x, y); });
    time("forward", [&] {
      const at::NoGradGuard no_grad;
      plain.model().forward(x);
    });
    std::unique_ptr<linearise::FunctionSpace> space;
    const auto network_model = made();
    optim::FlatParameters of_network(network_model->module(), compute.device, compute.dtype);
    network_model->module().eval();
    const linearise::Network network(*network_model);
    if (has_kernel_) {
      const linearise::KernelOptions kernel_options{.memory = memory_ << 20};
      space = std::make_unique<linearise::FunctionSpace>(
          linearise::kernel(network, x, {}, kernel_options));
      const auto count = static_cast<double>(y.numel());
      const auto gradient = [count, y](const at::Tensor& f) { return (f - y) / count; };
      constexpr int64_t kMany = 100;
      time(
          "linearised, function space", [&, gradient] { space->step({.lr = 1e-4}, gradient); },
          kMany);
      time(
          "  the same with SAM", [&, gradient] { space->step({.lr = 1e-4, .rho = 0.1}, gradient); },
          kMany);
      time("kernel, full",
           [&, kernel_options] { linearise::kernel(network, x, {}, kernel_options); });
      time("kernel, traced",
           [&, kernel_options] { linearise::traced_kernel(network, x, kernel_options); });
    }
    measure();
    print();
    return 0;
  }

 private:
  struct Timed {
    std::string name;
    std::function<void()> work;
    int64_t repeats;
    std::vector<double> milliseconds = {};
    double peak_bytes = 0;  // of the process, up to its first run

    double median() const {
      auto sorted = milliseconds;
      std::sort(sorted.begin(), sorted.end());
      const size_t half = sorted.size() / 2;
      return sorted.size() % 2 == 1 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
    }
    double best() const { return *std::min_element(milliseconds.begin(), milliseconds.end()); }
  };

  void time(const std::string& name, std::function<void()> work, int64_t repeats = 1) {
    timed_.push_back({name, std::move(work), repeats});
  }

  void measure() {
    for (auto& timed : timed_) {
      timed.work();
      timed.peak_bytes = static_cast<double>(peak_resident_bytes());
    }
    for (int64_t round = 0; round < rounds_; ++round) {
      for (auto& timed : timed_) {
        const Stopwatch watch;
        for (int64_t i = 0; i < timed.repeats; ++i) timed.work();
        timed.milliseconds.push_back(1e3 * watch.seconds() / static_cast<double>(timed.repeats));
      }
    }
  }

  void print() const {
    const size_t kName = 28, kNumber = 12;
    const auto row = [kName, kNumber](const std::string& name,
                                      const std::vector<std::string>& cells) {
      std::cout << name << std::string(kName - name.size(), ' ');
      for (const auto& cell : cells)
        std::cout << cell << std::string(kNumber - std::min(kNumber, cell.size()), ' ');
      std::cout << "\n";
    };
    row("", {"median ms", "best ms", "steps", "peak memory"});
    for (const auto& timed : timed_) {
      row(timed.name, {rounded_text(timed.median(), 4), rounded_text(timed.best(), 4),
                       rounded_text(timed.median() / timed_.front().median(), 3),
                       bytes_text(timed.peak_bytes)});
    }
  }

  static ComputeOptions single_precision() {
    ComputeOptions options;
    options.precision = "fp32";
    return options;
  }
  static models::ModelOptions ntk_network() {
    models::ModelOptions options;
    options.name = "ntk-wrn";
    return options;
  }

  models::ModelOptions model_ = ntk_network();
  int64_t samples_ = 64, rounds_ = 5, memory_ = 1024;
  bool has_kernel_ = true, has_second_ = false;
  std::vector<Timed> timed_;
  ComputeOptions compute_ = single_precision();
  Options options_{
      "bench linearise",
      {models::describe(model_),
       OptionTable("Benchmark", {{.name = "samples",
                                  .target = &samples_,
                                  .range = Range::at_least(1),
                                  .unit = "images",
                                  .help = "Number of images."},
                                 {.name = "rounds",
                                  .target = &rounds_,
                                  .range = Range::at_least(1),
                                  .help = "How many times to measure each."},
                                 {.name = "second-order",
                                  .target = &has_second_,
                                  .help = "Also time a step of the Taylor polynomial of order 2."},
                                 {.name = "kernel",
                                  .target = &has_kernel_,
                                  .help = "Also time the kernel and steps in function space."},
                                 {.name = "ntk-memory",
                                  .target = &memory_,
                                  .range = Range::at_least(1),
                                  .unit = "MiB",
                                  .help = "Memory limit for computing the kernel.",
                                  .only_for = {{"kernel", {"true"}}}}}),
       describe(compute_)}};
};

}  // namespace

std::unique_ptr<Command> make_bench_linearise() { return std::make_unique<BenchLinearise>(); }

}  // namespace unlazy::tools
