// unlazy bench linearise: the cost of a step of gradient descent, of the empirical kernel and of a
// step of the linearised network, for the network of the NTK literature on a few images.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/full.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <sys/resource.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <functional>
#include <iostream>
#include <optional>

#include "bench/benchmarks.h"
#include "core/device.h"
#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"
#include "linearise/function_space.h"
#include "linearise/kernel.h"
#include "linearise/linearised.h"
#include "models/model.h"
#include "optim/flat_parameters.h"
#include "optim/optimizer.h"

namespace unlazy::tools {
namespace {

class BenchLinearise : public Command {
 public:
  Options& options() override { return options_; }
  std::string description() const override {
    return "Times ntk-wrn on random images: a step of gradient descent, the empirical kernel, a "
           "step of the linearised network in\n"
           "function space and in weight space. Best of --rounds, milliseconds of wall time. The "
           "same in neural-tangents:\n"
           "its WideResnet example with nt.empirical_ntk_fn and nt.linearise, jax.jit around "
           "each.\n\n"
           "  unlazy bench linearise --blocks 2";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench linearise", words);
    const auto compute = resolve(compute_);
    UNLAZY_CHECK_USAGE(compute.dtype != c10::kBFloat16,
                       "bench linearise: kernels need fp32 or fp64; give --precision");
    models::ModelOptions model_options;
    model_options.name = "ntk-wrn";
    model_options.blocks = blocks_;
    model_options.width_factor = width_factor_;
    const auto model = models::make_model(model_options, {3, 32, 32, 10}, 0);
    model->module().eval();
    optim::FlatParameters parameters(model->module(), compute.device, compute.dtype);
    const linearise::Network network(*model);
    std::cout << "ntk-wrn, " << blocks_ << " blocks a group, width factor " << width_factor_ << ": "
              << network.num_parameters() << " parameters; " << samples_
              << " images; milliseconds, best of " << rounds_ << "\n";

    const auto options = at::TensorOptions().dtype(compute.dtype).device(compute.device);
    const auto x =
        at::randn({samples_, 3, 32, 32}, options).contiguous(at::MemoryFormat::ChannelsLast);
    const auto y = at::one_hot(at::randint(10, {samples_}, options.dtype(c10::kLong)), 10);
    time("forward", [&] {
      const at::NoGradGuard no_grad;
      network(x);
    });
    const auto optimizer = optim::make_optimizer({}, parameters);
    time("gradient descent step", [&] { step(*model, parameters, *optimizer, x, y); });
    linearise::Kernel kernel;
    const linearise::KernelOptions kernel_options{.memory = memory_ << 20};
    time("kernel, full", [&] { kernel = linearise::kernel(network, x, {}, kernel_options); });
    time("kernel, traced", [&] { linearise::traced_kernel(network, x, kernel_options); });
    linearised(network, kernel, x, y);
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::cout << "peak memory of the process  "
              << bytes_text(1024.0 * static_cast<double>(usage.ru_maxrss)) << "\n";
    return 0;
  }

 private:
  void time(const std::string& name, const std::function<void()>& work, int64_t repeats = 1) {
    double best = 1e300;
    work();
    for (int64_t i = 0; i < rounds_; ++i) {
      const Stopwatch watch;
      for (int64_t j = 0; j < repeats; ++j) work();
      best = std::min(best, watch.seconds() / static_cast<double>(repeats));
    }
    std::cout << name << std::string(28 - name.size(), ' ') << rounded_text(1e3 * best, 4)
              << std::endl;
  }

  // As the training step does it: flat buffers, one update.
  static void step(models::Model& model, optim::FlatParameters& parameters,
                   optim::Optimizer& optimizer, const at::Tensor& x, const at::Tensor& y) {
    const auto lr = at::full({}, 1e-3, x.options()), rho = at::zeros({}, x.options());
    optimizer.step(
        [&](bool, const Span&) {
          parameters.clear_gradients();
          const at::AutoGradMode with_grad(true);
          (0.5 * (model.forward(x) - y).square().mean()).backward();
          parameters.collect_gradients(true);
        },
        {lr, rho, false, x.size(0)});
  }

  void linearised(const linearise::Network& network, const linearise::Kernel& kernel,
                  const at::Tensor& x, const at::Tensor& y) {
    linearise::FunctionSpace space(kernel);
    const auto count = static_cast<double>(y.numel());
    const auto gradient = [&](const at::Tensor& f) { return (f - y) / count; };
    time(
        "linearised, function space", [&] { space.step({.lr = 1e-3}, gradient); }, 100);
    time(
        "  the same with SAM", [&] { space.step({.lr = 1e-3, .rho = 0.1}, gradient); }, 100);
    linearise::LinearisedModule module(network);
    const linearise::Network as_network(module);
    time("linearised, weight space", [&] {
      const at::NoGradGuard no_grad;
      const auto result =
          linearise::vjp(as_network, x, [&](const at::Tensor& f) { return (f - y) / count; });
      as_network.set_values(as_network.values() - result.gradient * 1e-3);
    });
  }

  static ComputeOptions single_precision() {
    ComputeOptions options;
    options.precision = "fp32";
    return options;
  }

  int64_t blocks_ = 1, width_factor_ = 1, samples_ = 64, rounds_ = 3, memory_ = 1024;
  ComputeOptions compute_ = single_precision();
  Options options_{"bench linearise",
                   {OptionTable("Benchmark", {{.name = "blocks",
                                               .target = &blocks_,
                                               .range = Range::at_least(1),
                                               .help = "Residual blocks per group."},
                                              {.name = "width-factor",
                                               .target = &width_factor_,
                                               .range = Range::at_least(1),
                                               .help = "Widths 16, 32, 64 times this."},
                                              {.name = "samples",
                                               .target = &samples_,
                                               .range = Range::at_least(1),
                                               .unit = "images",
                                               .help = "Number of images."},
                                              {.name = "rounds",
                                               .target = &rounds_,
                                               .range = Range::at_least(1),
                                               .help = "How many times to measure each."},
                                              {.name = "ntk-memory",
                                               .target = &memory_,
                                               .range = Range::at_least(1),
                                               .unit = "MiB",
                                               .help = "Memory limit for computing the kernel."}}),
                    describe(compute_)}};
};

}  // namespace

std::unique_ptr<Command> make_bench_linearise() { return std::make_unique<BenchLinearise>(); }

}  // namespace unlazy::tools
