// unlazy bench prune: a level of a one-shot pruning curve, which is one mask and one pass over the
// test images. It is compared with the loop that a PyTorch user writes (prune_torch.py), which
// sorts the weights again at each level. CPU time is shown too, since other programs disturb it
// little. The floor is the multiply-adds of the network at the rate of a large matrix product in
// the same precision.
#include <ATen/core/grad_mode.h>
#include <ATen/ops/mm.h>
#include <ATen/ops/randn.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <functional>
#include <iostream>

#include "bench/benchmarks.h"
#include "core/error.h"
#include "core/format.h"
#include "experiments/pruning/pruned_network.h"
#include "prune/select.h"

namespace unlazy::tools {
namespace {

struct Seconds {
  double wall, cpu;  // cpu: of all threads
};

Seconds seconds_of(const std::function<void()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const auto cpu = std::clock();
  work();
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - begin;
  return {wall.count(), static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC};
}

// Multiply-adds a second of CPU time in a product of 2048 x 2048 matrices, the best of five.
double matrix_rate(const at::TensorOptions& kind) {
  constexpr int64_t kSize = 2048;
  const auto a = at::randn({kSize, kSize}, kind), b = at::randn({kSize, kSize}, kind);
  double best = 1e300;
  for (int i = 0; i < 5; ++i) best = std::min(best, seconds_of([&] { at::mm(a, b); }).cpu);
  return static_cast<double>(kSize * kSize * kSize) / best;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

class BenchPrune : public Command {
 public:
  BenchPrune() {
    train_.data.source = "cifar10-sample";
    train_.compute.precision = "fp32";
    auto tables = train::describe(train_);
    for (auto& table : {prune::describe(prune_.criterion), prune::describe(prune_.levels)})
      tables.insert(tables.begin(), table);
    options_ = std::make_unique<Options>("bench prune", std::move(tables));
  }

  Options& options() override { return *options_; }
  std::string description() const override {
    return "Times the levels of a one-shot pruning curve, masks and evaluation, of the network in "
           "--weights.\n"
           "--precision is fp32 unless given, as the peer's.";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench prune", words);
    UNLAZY_CHECK_USAGE(!train_.run.weights.empty(),
                       "bench prune: wants --weights, a model.safetensors of unlazy train, which "
                       "the peer reads too");
    const at::NoGradGuard no_grad;
    experiments::PrunedNetwork network(train_, train_.run.weights);
    const auto criterion = prune::registry().find(prune_.criterion.name).make();
    std::vector<at::Tensor> masks;
    const auto densities = prune::densities(prune_.levels);
    const auto sort = seconds_of([&] {
      masks = prune::one_shot_masks(
          criterion->scores(network.candidate(*criterion, prune_.gradient_batches)),
          {prune::prunable_layers(prune_.criterion, network.parameters()),
           criterion->is_layerwise()},
          densities);
    });
    print_head(network, masks.size());
    std::vector<double> wall, cpu;
    int64_t multiply_adds = 0;
    for (size_t i = 0; i < masks.size(); ++i) {
      experiments::CurveLevel level;
      const auto seconds = seconds_of([&] {
        network.apply(masks[i]);
        level = network.evaluate(densities[i]);
      });
      if (i == 0) multiply_adds = level.multiply_adds;
      const double share = 1.0 / static_cast<double>(masks.size());
      wall.push_back(seconds.wall + share * sort.wall);
      cpu.push_back(seconds.cpu + share * sort.cpu);
      std::cout << rounded_text(densities[i], 4) << "  " << rounded_text(level.accuracy, 4) << "  "
                << rounded_text(wall.back(), 3) << "  " << rounded_text(cpu.back(), 3) << std::endl;
    }
    print_summary(network, sort, median(wall), median(cpu), multiply_adds);
    return 0;
  }

 private:
  void print_head(experiments::PrunedNetwork& network, size_t count) const {
    const auto& experiment = network.experiment();
    std::cout << train_.model.name << ", " << count << " levels, "
              << experiment.splits().test.size() << " test images, "
              << c10::toString(experiment.compute().dtype) << " on "
              << experiment.compute().device.str() << "\ndensity  accuracy  seconds  CPU seconds\n";
  }

  void print_summary(experiments::PrunedNetwork& network, const Seconds& sort, double wall,
                     double cpu, int64_t multiply_adds) const {
    const auto& splits = network.experiment().splits();
    const auto& compute = network.experiment().compute();
    std::cout << "one sort for all levels  " << rounded_text(sort.cpu, 3)
              << " s of CPU time\nmedian level  " << rounded_text(wall, 3) << " s, "
              << rounded_text(cpu, 3) << " s of CPU time; " << rounded_text(1 / wall, 3)
              << " levels/s\n";
    if (compute.device.is_cpu()) {
      const double floor = static_cast<double>(multiply_adds * splits.test.size()) /
                           matrix_rate(at::TensorOptions().dtype(compute.dtype));
      std::cout << "floor (multiply-adds at the rate of a matrix product)  "
                << rounded_text(floor, 3) << " s of CPU time, "
                << rounded_text(100 * floor / cpu, 3) << " % of a level\n";
    }
    const auto list = [](const std::array<double, 3>& values) {
      return number_text(values[0]) + "," + number_text(values[1]) + "," + number_text(values[2]);
    };
    std::cout << "peer: python tools/bench/prune_torch.py " << train_.run.weights
              << " FOLDER_OF_THE_DATA/test_batch.bin " << list(splits.normalization.mean) << " "
              << list(splits.normalization.stddev) << "\n";
  }

  train::TrainOptions train_;
  experiments::PruneOptions prune_;
  std::unique_ptr<Options> options_;
};

}  // namespace

std::unique_ptr<Command> make_bench_prune() { return std::make_unique<BenchPrune>(); }

}  // namespace unlazy::tools
