// unlazy bench train: the whole training step (augmentation, noise, forward, backward, update), on
// random images of CIFAR's size. The same step in PyTorch, to compare with, has no augmentation and
// no noise.

#include <algorithm>
#include <functional>
#include <iostream>
#include <vector>

#include "bench/benchmarks.h"
#include "core/cpu_memory.h"
#include "core/device.h"
#include "core/format.h"
#include "core/operator_count.h"
#include "core/stopwatch.h"
#include "train/experiment.h"

namespace unlazy::tools {
namespace {

double wall_seconds_of(const std::function<void()>& work) {
  const Stopwatch watch;
  work();
  return watch.seconds();
}

struct Times {
  double best, median;
};

Times summary(std::vector<double> seconds) {
  std::sort(seconds.begin(), seconds.end());
  return {seconds.front(), seconds[seconds.size() / 2]};
}

class BenchTrain : public Command {
 public:
  BenchTrain() {
    choice_.data.source = "cifar10-sample";
    choice_.noise.kind = "flip";
    choice_.noise.rate = 0.1;
    choice_.optimizer.momentum = 0.9;
    choice_.optimizer.weight_decay = 5e-4;
    choice_.measure.names = {};
    auto tables = train::describe(choice_);
    tables.insert(
        tables.begin(),
        OptionTable("Benchmark",
                    {{.name = "steps",
                      .target = &steps_,
                      .range = Range::at_least(1),
                      .unit = "steps",
                      .help = "Steps that are timed, after three that are not; on a GPU in "
                              "groups of ten, after three groups.",
                      .is_common = true}}));
    options_ = std::make_unique<Options>("bench train", std::move(tables));
  }

  Options& options() override { return *options_; }
  std::string description() const override {
    return "Times whole training steps: gather and augmentation, label noise, forward, backward, "
           "update. All options of\n"
           "`unlazy train` apply; momentum 0.9, weight decay 5e-4 and label noise 0.1 unless given "
           "otherwise.";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench train", words);
    train::Experiment experiment(choice_);
    const auto device = experiment.compute().device;
    const int64_t batch = choice_.batch.batch_size;
    // Full batches only: the last, smaller one of an epoch would look fast.
    const int64_t num_full = std::max<int64_t>(1, experiment.splits().train.size() / batch);
    int64_t next = 0;
    const auto seconds_a_step = [&](int64_t count, const std::function<void(int64_t)>& work) {
      return wall_seconds_of([&] {
               for (int64_t i = 0; i < count; ++i) work(next++ % num_full);
               wait_for(device);
             }) /
             static_cast<double>(count);
    };
    const auto step = [&](int64_t i) { experiment.run_step(i); };
    const auto read = [&](int64_t i) { experiment.read_batch(i); };
    // On a GPU the host only gives orders; on the CPU it is the device too, so there what it decides
    // about a step is timed alone.
    const auto step_of_host = [&](int64_t i) {
      if (device.is_cuda()) {
        experiment.run_step(i);
      } else {
        experiment.step().prepare(experiment.indices(i), i);
      }
    };
    // The first step also makes what later ones find.
    step(next++ % num_full);
    operators_ = operators_of([&] { step(next++ % num_full); });
    // A GPU is given several steps before it is waited for, as in training.
    const int64_t together = device.is_cuda() ? kStepsTogether : 1;
    seconds_a_step(kWarmup * together, step);
    std::vector<double> steps, batches, calls;
    for (int64_t i = 0; i < steps_; i += together) {
      steps.push_back(seconds_a_step(together, step));
      batches.push_back(seconds_a_step(together, read));
      calls.push_back(wall_seconds_of([&] {
                        for (int64_t k = 0; k < together; ++k) step_of_host(next++ % num_full);
                      }) /
                      static_cast<double>(together));
      wait_for(device);
    }
    print(summary(steps), summary(batches), summary(calls), static_cast<double>(batch), experiment);
    return 0;
  }

 private:
  static constexpr int64_t kWarmup = 3, kStepsTogether = 10;

  void print(const Times& step, const Times& reading, const Times& host, double batch,
             train::Experiment& experiment) const {
    std::cout << choice_.model.name << ", batch " << batch << ", "
              << c10::toString(experiment.compute().dtype) << " on "
              << experiment.compute().device.str() << ", " << steps_ << " steps\n"
              << "  best    " << rounded_text(step.best * 1e3) << " ms a step   "
              << rounded_text(batch / step.best) << " images/s\n"
              << "  median  " << rounded_text(step.median * 1e3) << " ms a step   "
              << rounded_text(batch / step.median) << " images/s\n"
              << "  batch (gather, crop, flip, normalise)  " << rounded_text(reading.median * 1e3)
              << " ms, " << rounded_text(100 * reading.median / step.median, 2) << " % of a step\n"
              << "  host  " << rounded_text(host.median * 1e6) << " us a step to "
              << (experiment.compute().device.is_cuda() ? "start it" : "decide what it does")
              << "\n"
              << "  peak memory  " << bytes_text(static_cast<double>(peak_resident_bytes()));
    const auto device_bytes = peak_device_bytes(experiment.compute().device);
    if (device_bytes > 0)
      std::cout << " on the host, " << bytes_text(static_cast<double>(device_bytes))
                << " on the device";
    std::cout << "\n  operators a step  " << operators_ << " (without views and allocations)\n";
    if (experiment.step().num_kernels() > 0)
      std::cout << "  kernels in the graph of a step  " << experiment.step().num_kernels() << "\n";
    const auto problem = experiment.step().graph_problem();
    if (!problem.empty()) std::cout << "  no CUDA graph: " << problem << "\n";
  }

  int64_t steps_ = 20, operators_ = 0;
  train::TrainOptions choice_;
  std::unique_ptr<Options> options_;
};

}  // namespace

std::unique_ptr<Command> make_bench_train() { return std::make_unique<BenchTrain>(); }

}  // namespace unlazy::tools
