#include "synthetic/records/run.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <exception>
#include <mutex>
#include <thread>

#include "core/error.h"
#include "core/format.h"
#include "core/stopwatch.h"

namespace unlazy::synthetic {
namespace {

constexpr int64_t kMostShown = 2000;    // neurons of a snapshot
constexpr double kHistogramTop = 1.25;  // of the largest initial norm

std::vector<int64_t> histogram(const std::vector<double>& norms, int64_t bins, double width) {
  std::vector<int64_t> counts(static_cast<size_t>(bins));
  for (const double norm : norms) {
    const double bin = std::min(norm / width, static_cast<double>(bins - 1));
    ++counts[static_cast<size_t>(bin >= 0 ? bin : 0)];
  }
  return counts;
}

Snapshot take_snapshot(const Observation& seen, int64_t step) {
  Snapshot shot;
  shot.step = step;
  const auto m = static_cast<int64_t>(seen.norm.size()), count = std::min(m, kMostShown);
  for (int64_t k = 0; k < count; ++k) {
    const auto i = static_cast<size_t>(k * m / count);
    shot.neuron.push_back(static_cast<int64_t>(i));
    shot.norm.push_back(seen.norm[i]);
    shot.align.push_back(seen.align[i]);
    shot.cos.push_back(seen.cos[i]);
    shot.a.push_back(seen.a[i]);
    shot.moved.push_back(seen.distance[i]);
  }
  return shot;
}

// Keeps what one look at the network yields.
class Keeper {
 public:
  Keeper(const SyntheticOptions& options, const Problem& problem, const Engine& engine,
         RunResult& result)
      : options_(options),
        problem_(problem),
        engine_(engine),
        result_(result),
        ball_(1 / std::sqrt(static_cast<double>(engine.num_neurons()))) {
    result_.escape.assign(static_cast<size_t>(engine.num_neurons()), -1);
  }

  void look(int64_t step) {
    engine_.observe(seen_);
    const double loss_factor = options_.method.loss == "full" ? 1.0 : 0.5;
    result_.records.push_back(summarise(seen_, problem_, loss_factor, ball_, step));
    const auto bins = options_.record.histogram_bins;
    if (result_.bin_width == 0) {
      result_.bin_width =
          kHistogramTop * result_.records.front().norm_max / static_cast<double>(bins);
    }
    result_.histograms.push_back(histogram(seen_.norm, bins, result_.bin_width));
    for (size_t i = 0; i < seen_.distance.size(); ++i) {
      if (result_.escape[i] < 0 && seen_.distance[i] > ball_) result_.escape[i] = step;
    }
    for (const int64_t i : options_.record.neurons) {
      const auto k = static_cast<size_t>(i);
      result_.neurons.push_back({step, i, seen_.norm[k], seen_.align[k], seen_.cos[k], seen_.a[k],
                                 seen_.distance[k], engine_.neuron(i)});
    }
    const auto& shots = options_.record.snapshots;
    if (std::binary_search(shots.begin(), shots.end(), step))
      result_.snapshots.push_back(take_snapshot(seen_, step));
  }

 private:
  const SyntheticOptions& options_;
  const Problem& problem_;
  const Engine& engine_;
  RunResult& result_;
  double ball_;
  Observation seen_;
};

// Steps between two questions whether to stop, about a tenth of a second. A step of the linear
// network goes over its weights, a square of d at most (engine gram).
int64_t steps_at_once(const RunResult& run) {
  const double weights =
      static_cast<double>(run.d) * static_cast<double>(std::min(run.num_neurons, run.d + 1));
  constexpr double kWeights = 1e8;
  return std::max<int64_t>(16, static_cast<int64_t>(kWeights / weights) / 1024 * 1024);
}

// So many runs at once that their largest arrays stay below about a gigabyte.
int64_t threads_that_fit(const SyntheticOptions& options, int64_t threads) {
  if (options.model.family == "diagonal") return threads;
  const double bytes = 3.0 * 8 * static_cast<double>(options.model.width) *
                       static_cast<double>(options.model.dim + 1);
  return std::clamp<int64_t>(static_cast<int64_t>(1e9 / bytes), 1, threads);
}

}  // namespace

std::vector<int64_t> record_times(const SyntheticOptions& options) {
  constexpr int64_t kEarly = 40;
  const int64_t steps = options.method.steps, count = options.record.records;
  std::vector<int64_t> times = {0, steps};
  const auto add_log = [&](double end, int64_t number) {
    for (int64_t i = 0; i < number; ++i) {
      const double part =
          static_cast<double>(i) / static_cast<double>(std::max<int64_t>(number - 1, 1));
      times.push_back(
          std::min(steps, static_cast<int64_t>(std::llround(std::pow(std::max(end, 1.0), part)))));
    }
  };
  if (options.record.spacing == "linear") {
    const double gap =
        static_cast<double>(steps) / static_cast<double>(std::max<int64_t>(count - 1, 1));
    for (int64_t i = 0; i < count; ++i)
      times.push_back(
          std::min(steps, static_cast<int64_t>(std::llround(gap * static_cast<double>(i)))));
    add_log(gap, kEarly);
  } else {
    add_log(static_cast<double>(steps), count);
  }
  times.insert(times.end(), options.record.snapshots.begin(), options.record.snapshots.end());
  std::sort(times.begin(), times.end());
  times.erase(std::unique(times.begin(), times.end()), times.end());
  return times;
}

RunResult simulate(const SyntheticOptions& options, const Setting& setting,
                   const std::function<bool()>& should_stop) {
  const Problem problem = make_problem(options.model, setting.seed);
  const Rule rule = make_rule(options, setting, problem.n);
  const auto engine = make_engine(options.model, rule, problem, setting.seed);
  RunResult result;
  result.setting = setting;
  result.num_neurons = engine->num_neurons();
  result.d = problem.d;
  result.teacher_norm = problem.teacher_norm;
  result.largest_input = problem.largest_input;
  Keeper keeper(options, problem, *engine, result);
  const auto is_stopped = [&] { return should_stop && should_stop(); };
  const int64_t at_once = steps_at_once(result);
  int64_t now = 0;
  for (const int64_t time : record_times(options)) {
    while (now < time) {
      if (is_stopped()) return result;
      const int64_t next = std::min(time, now + at_once);
      const Stopwatch watch;
      now = engine->run_to(next);
      result.step_seconds += watch.seconds();
      if (now == next) continue;
      result.diverged_at = now;
      return result;
    }
    keeper.look(time);
    if (is_stopped()) return result;
  }
  return result;
}

std::vector<RunResult> simulate_all(const SyntheticOptions& options, int64_t threads,
                                    const std::function<void(int64_t, int64_t)>& on_done,
                                    const std::function<bool()>& should_stop) {
  const auto list = settings(options);
  const auto total = static_cast<int64_t>(list.size());
  if (threads == 0) threads = std::max<int64_t>(1, std::thread::hardware_concurrency());
  threads = threads_that_fit(options, std::min(threads, total));
  std::vector<RunResult> results(list.size());
  std::vector<std::exception_ptr> failures(list.size());
  std::atomic<int64_t> next = 0;
  std::mutex mutex;
  int64_t done = 0;
  const auto work = [&] {
    for (int64_t i = next++; i < total; i = next++) {
      const auto k = static_cast<size_t>(i);
      try {
        results[k] = simulate(options, list[k], should_stop);
      } catch (...) {
        failures[k] = std::current_exception();
      }
      const std::lock_guard lock(mutex);
      ++done;
      if (on_done) on_done(done, total);
    }
  };
  std::vector<std::thread> pool;
  for (int64_t t = 1; t < threads; ++t) pool.emplace_back(work);
  work();
  for (auto& thread : pool) thread.join();
  for (const auto& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  return results;
}

std::string divergence_message(const SyntheticOptions& options,
                               const std::vector<RunResult>& results) {
  std::string text;
  for (const auto& run : results) {
    if (run.diverged_at < 0) continue;
    const auto& s = run.setting;
    if (!text.empty()) text += "\n";
    text += internal::concat("synthetic: lr ", number_text(s.lr), ", sigma ", number_text(s.sigma),
                             ", rho ", number_text(s.rho), ", seed ", s.seed, " diverged at step ",
                             run.diverged_at, " (its residual passed 1e100 or is not a number); ",
                             run.records.size(), " records before it are kept; use a smaller --lr");
    if (options.model.family == "linear") {
      const double factor = options.method.loss == "full" ? 2 : 1;
      text += " (lr times width is " +
              rounded_text(factor * s.lr * static_cast<double>(run.num_neurons), 3) +
              ", stable below about 2)";
    }
  }
  return text;
}

report::Band band_over_seeds(const std::vector<RunResult>& results, int64_t group,
                             double Record::*value) {
  std::vector<report::SeedCurve> seeds;
  for (const auto& run : results) {
    if (run.setting.group != group) continue;
    auto& seed = seeds.emplace_back();
    for (const auto& record : run.records) {
      seed.steps.push_back(static_cast<double>(record.step));
      seed.values.push_back(record.*value);
    }
  }
  return report::band_over_seeds(seeds);
}

}  // namespace unlazy::synthetic
