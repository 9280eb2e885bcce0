// unlazy bench synthetic: nanoseconds per step of the two-layer linear network (fp64, one sample
// per step, random numbers included). The floor is 2 (d + 1)^2 multiply-adds per step at the
// machine's rate, measured here on registers alone.
#include <algorithm>
#include <chrono>
#include <ctime>
#include <iostream>
#include <thread>

#include "bench/benchmarks.h"
#include "core/device.h"
#include "core/error.h"
#include "core/format.h"
#include "synthetic/engine/engine.h"
#include "synthetic/records/run.h"

namespace unlazy::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int64_t kLongRun = 1000000;  // steps a seed, beside which set-up does not count

// Rounds are short, about a millisecond, so that some of them are not disturbed by other programs.
struct BenchOptions {
  int64_t width = 1000, dim = 20, samples = 200;
  int64_t steps = 20000;
  int64_t rounds = 100;
  int64_t seeds = 64;
};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

class BenchSynthetic : public Command {
 public:
  Options& options() override { return options_; }
  bool runs_networks() const override { return false; }
  std::string description() const override {
    return "Times steps of label-noise-sgd and sam on one core, and many seeds on all cores, and "
           "prints the best and the median of the rounds.\n"
           "To compare with a JAX scan over the m neurons, run linear_net.py (pip install "
           "\"jax<0.11\" numpy) on the same machine, in turns with this.";
  }

  int run(const std::vector<std::string>& words) override {
    refuse_words("bench synthetic", words);
    const double floor = floor_nanoseconds();
    std::cout << "m " << choice_.width << ", d " << choice_.dim << ", n " << choice_.samples
              << ", fp64, one sample a step; " << cpu_name() << ", "
              << synthetic::vector_loops().name << " loops; " << choice_.rounds << " rounds of "
              << choice_.steps << " steps\n"
              << "floor             " << rounded_text(floor, 3)
              << " ns a step: 2 (d + 1)^2 multiply-adds\n";
    for (const char* method : {"label-noise-sgd", "sam"}) {
      print(method, one_core(method), floor);
    }
    std::vector<double> wall, processor;
    for (int round = 0; round < 3; ++round) {
      const auto together = all_cores();
      wall.push_back(together.wall);
      processor.push_back(together.processor);
    }
    print("all cores, wall", wall, floor);
    print("all cores, used", processor, floor);
    std::cout << "all cores: " << choice_.seeds << " seeds of label-noise-sgd at once, " << kLongRun
              << " steps each, wall time x cores and processor time over seeds x steps, set-up and "
                 "two records included\n"
              << "peer: python linear_net.py, in turns with this command; its 'jax scan 1 seed "
                 "us/step' x 1000 is the same in ns\n";
    return 0;
  }

 private:
  synthetic::SyntheticOptions settings_for(const std::string& method) const {
    synthetic::SyntheticOptions o;
    o.model.width = choice_.width;
    o.model.dim = choice_.dim;
    o.model.samples = choice_.samples;
    o.method.method = method;
    o.method.steps = kLongRun;
    o.record.records = 1;
    o.record.snapshots = {0};
    return o;
  }

  std::vector<double> one_core(const std::string& method) const {
    auto options = settings_for(method);
    synthetic::resolve(options);
    const auto setting = synthetic::settings(options).front();
    const auto problem = synthetic::make_problem(options.model, 0);
    const auto engine = synthetic::make_engine(
        options.model, synthetic::make_rule(options, setting, problem.n), problem, 0);
    engine->run_to(2000);  // warm
    std::vector<double> times;
    for (int64_t round = 1; round <= choice_.rounds; ++round) {
      const auto start = Clock::now();
      const int64_t end = 2000 + round * choice_.steps;
      UNLAZY_CHECK(engine->run_to(end) == end, "bench synthetic: the run diverged");
      times.push_back(seconds_since(start) / static_cast<double>(choice_.steps) * 1e9);
    }
    return times;
  }

  struct Together {
    double wall, processor;  // nanoseconds a step and seed: wall time x cores, processor time
  };

  Together all_cores() const {
    auto options = settings_for("label-noise-sgd");
    options.method.num_seeds = choice_.seeds;
    synthetic::resolve(options);
    const double cores = std::max(1u, std::thread::hardware_concurrency());
    const double work = static_cast<double>(kLongRun * choice_.seeds) / 1e9;
    const auto start = Clock::now();
    const auto clock = std::clock();
    synthetic::simulate_all(options, 0);
    const double used = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
    return {seconds_since(start) * std::min(cores, static_cast<double>(choice_.seeds)) / work,
            used / work};
  }

  // (d + 1)^2 state entries, padded to the vector width, at the rate of independent multiply-adds.
  double floor_nanoseconds() const {
    const double entries =
        static_cast<double>(choice_.dim + 1) * static_cast<double>(choice_.dim + 1);
    double best = 0;
    for (int round = 0; round < 5; ++round) {
      const auto start = Clock::now();
      const double done = synthetic::vector_loops().multiply_adds(2000000);
      best = std::max(best, done / seconds_since(start));
    }
    return 2 * entries / best * 1e9;
  }

  static void print(const std::string& name, std::vector<double> times, double floor) {
    std::sort(times.begin(), times.end());
    const double best = times.front(), median = times[times.size() / 2];
    std::cout << name << std::string(18 - std::min<size_t>(17, name.size()), ' ')
              << rounded_text(median, 3) << " ns a step (best " << rounded_text(best, 3)
              << "), floor / ours " << rounded_text(floor / median, 2) << "\n";
  }

  BenchOptions choice_;
  Options options_{"bench synthetic",
                   {OptionTable("Benchmark", {{.name = "width",
                                               .target = &choice_.width,
                                               .range = Range::closed(1, 1e7),
                                               .unit = "neurons",
                                               .help = "Number of neurons m."},
                                              {.name = "dim",
                                               .target = &choice_.dim,
                                               .range = Range::closed(1, 1000),
                                               .help = "Input dimension d."},
                                              {.name = "samples",
                                               .target = &choice_.samples,
                                               .range = Range::closed(1, 1e6),
                                               .help = "Number of training samples n."},
                                              {.name = "steps",
                                               .target = &choice_.steps,
                                               .range = Range::closed(1000, 1e10),
                                               .help = "Steps per round."},
                                              {.name = "rounds",
                                               .target = &choice_.rounds,
                                               .range = Range::closed(1, 1000),
                                               .help = "Number of rounds."},
                                              {.name = "seeds",
                                               .target = &choice_.seeds,
                                               .range = Range::closed(1, 10000),
                                               .help = "Seeds run on all cores."}})}};
};

}  // namespace

std::unique_ptr<Command> make_bench_synthetic() { return std::make_unique<BenchSynthetic>(); }

}  // namespace unlazy::tools
