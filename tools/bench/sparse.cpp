// unlazy bench sparse: does an unstructured mask make a layer faster on this CPU? Compares layers
// of resnet18 and of an mlp, dense and as compressed rows (CSR) of the same weights:
//   dense   the convolution or product as networks here compute it, with all zeros
//   CSR     sparse matrix times dense matrix (for a convolution: of the unfolded patches; the time
//           of unfolding is included)
// Measured in CPU time, which other programs disturb little; the best of several.
#include <ATen/TensorOperators.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/im2col.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randn.h>

#include <c10/util/Exception.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <iostream>

#include "bench/benchmarks.h"
#include "core/device.h"
#include "core/format.h"

namespace unlazy::tools {
namespace {

constexpr double kDensities[] = {0.5, 0.2, 0.1, 0.05, 0.02};

double best_milliseconds(const std::function<void()>& work, int64_t rounds) {
  double best = 1e300;
  work();
  for (int64_t i = 0; i < rounds; ++i) {
    const auto begin = std::clock();
    work();
    best = std::min(best, static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC);
  }
  return 1e3 * best;
}

// LibTorch says once that its sparse tensors are young; a table is no place for it.
class Quiet : public c10::WarningHandler {
  void process(const c10::Warning&) override {}
};

struct Layer {
  int64_t in, out, kernel, side, batch;  // side: of the square image; 0 for a linear layer
};

std::string name_of(const Layer& layer) {
  const std::string shape = std::to_string(layer.in) + " -> " + std::to_string(layer.out);
  return layer.side == 0 ? "linear " + shape
                         : "conv 3x3 " + shape + ", " + std::to_string(layer.side) + " x " +
                               std::to_string(layer.side);
}

class BenchSparse : public Command {
 public:
  Options& options() override { return options_; }
  std::string description() const override {
    return "Times layers with pruned weights, dense against compressed sparse rows: where does an "
           "unstructured mask save time?\n"
           "What saves time in every network is removing filters: unlazy prune --protocol filters.";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench sparse", words);
    ComputeOptions compute;
    compute.device = "cpu";
    compute.threads = threads_;
    resolve(compute);
    const at::NoGradGuard no_grad;
    Quiet quiet;
    const c10::WarningUtils::WarningHandlerGuard guard(&quiet);
    std::cout << "milliseconds of CPU time, best of " << rounds_
              << "; CSR is fp32, its convolutions with unfolding\n"
              << "layer                               batch  dense fp32  dense bf16";
    for (const double density : kDensities) std::cout << "  CSR " << number_text(density);
    std::cout << "\n";
    for (const Layer& layer :
         {Layer{64, 64, 3, 32, 16}, Layer{128, 128, 3, 16, 32}, Layer{256, 256, 3, 8, 64},
          Layer{512, 512, 3, 4, 64}, Layer{3072, 512, 1, 0, 128}, Layer{512, 512, 1, 0, 128}}) {
      measure(layer);
    }
    return 0;
  }

 private:
  static std::string column(double value, size_t width) {
    std::string text = rounded_text(value, 3);
    return std::string(width - std::min(width - 1, text.size()), ' ') + text;
  }

  void measure(const Layer& layer) const {
    std::string line = name_of(layer);
    line.resize(36, ' ');
    std::cout << line << column(static_cast<double>(layer.batch), 5);
    const int64_t fan_in = layer.in * layer.kernel * layer.kernel;
    const auto weight = at::randn({layer.out, fan_in});
    if (layer.side == 0) {
      const auto x = at::randn({layer.batch, layer.in});
      dense([](const at::Tensor& a, const at::Tensor& w) { at::linear(a, w); }, x, weight);
      const auto transposed = x.t().contiguous();
      sparse(weight, [&] { return transposed; });
    } else {
      const auto x = at::randn({layer.batch, layer.in, layer.side, layer.side});
      const auto last = [](const at::Tensor& t) {
        return t.contiguous(at::MemoryFormat::ChannelsLast);
      };
      dense([](const at::Tensor& a,
               const at::Tensor& w) { at::conv2d(a, w, {}, /*stride=*/1, /*padding=*/1); },
            last(x), last(weight.view({layer.out, layer.in, layer.kernel, layer.kernel})));
      sparse(weight, [&] {
        return at::im2col(x, {3, 3}, {1, 1}, {1, 1}, {1, 1})
            .permute({1, 0, 2})
            .reshape({fan_in, -1});
      });
    }
    std::cout << std::endl;
  }

  void dense(const std::function<void(const at::Tensor&, const at::Tensor&)>& layer,
             const at::Tensor& x, const at::Tensor& weight) const {
    std::cout << column(best_milliseconds([&] { layer(x, weight); }, rounds_), 12);
    const auto x16 = x.to(c10::kBFloat16), weight16 = weight.to(c10::kBFloat16);
    std::cout << column(best_milliseconds([&] { layer(x16, weight16); }, rounds_), 12);
  }

  void sparse(const at::Tensor& weight, const std::function<at::Tensor()>& columns) const {
    for (const double density : kDensities) {
      const auto kept = (weight * (at::rand(weight.sizes()) < density)).to_sparse_csr();
      const double time = best_milliseconds([&] { at::mm(kept, columns()); }, rounds_);
      std::cout << column(time, 5 + number_text(density).size() + 1);
    }
  }

  int64_t rounds_ = 7;
  int64_t threads_ = 1;
  Options options_{"bench sparse",
                   {OptionTable("Benchmark", {{.name = "rounds",
                                               .target = &rounds_,
                                               .range = Range::at_least(1),
                                               .help = "How many times to measure each."},
                                              {.name = "threads",
                                               .target = &threads_,
                                               .range = Range::closed(1, 1024),
                                               .help = "Threads; CPU time is their sum."}})}};
};

}  // namespace

std::unique_ptr<Command> make_bench_sparse() { return std::make_unique<BenchSparse>(); }

}  // namespace unlazy::tools
