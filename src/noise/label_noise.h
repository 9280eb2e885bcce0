// Label noise turns the labels of a batch into the labels that the loss sees.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "core/options.h"
#include "core/registry.h"
#include "core/rng.h"

namespace unlazy::noise {

/// --noise, --noise-rate, --noise-sigma, --noise-start, --noise-end, --noise-ramp, --noise-period
struct NoiseOptions {
  std::string kind = "none";  // a name of registry()
  double rate = 0;            // tau, probability in [0, 1]
  double sigma = 0;  // rademacher and gaussian: size of the noise on regression targets, >= 0
  Step start = Step::iterations(0);  // noise is on from here ...
  Step end = Step::never();          // ... to here
  Step ramp = Step::iterations(0);   // rate grows linearly from 0 over this length after `start`
  Step period = Step::never();       // on for one period, off for the next, and so on
};
OptionTable describe(NoiseOptions& options);

/// The size of the noise as a function of the step: rate (or sigma) times a factor in [0, 1].
class NoiseSchedule {
 public:
  /// Throws a misuse Error for an empty range of steps or a period of 0.
  NoiseSchedule(const NoiseOptions& options, int64_t steps_per_epoch);
  /// Factor in [0, 1] at `step`.
  double factor(int64_t step) const;

 private:
  int64_t start_, end_, ramp_, period_;
};

/// One kind of noise. It has no state except what it was built with: the same arguments give the
/// same labels.
class LabelNoise {
 public:
  virtual ~LabelNoise() = default;

  /// Classification: writes the labels that the loss sees. `indices` [B] are the samples' indices
  /// in the training set (static noise depends on them), `labels` [B] their true classes, `factor`
  /// that of the schedule. Draws come from `rng`, which is Rng(seed, Stream::kNoise, step). `noisy`
  /// [B] may be `labels` itself. Throws for a kind that acts on targets.
  virtual void labels(std::span<const int64_t> indices, std::span<const int64_t> labels,
                      double factor, Rng& rng, std::span<int64_t> noisy) const;

  /// Regression: adds noise to targets [B * K], row-major. Throws for a kind that acts on class
  /// labels.
  virtual void targets(double factor, Rng& rng, std::span<float> targets) const;

  /// Does it act on class labels (labels()) or on regression targets (targets())?
  virtual bool is_for_targets() const { return false; }
};

/// What a kind is built from.
struct NoiseContext {
  NoiseOptions options;
  int64_t num_classes = 0;
  uint64_t seed = 0;  // static noise is drawn from it
};
using MakeNoise = std::unique_ptr<LabelNoise>(const NoiseContext& context);
const Registry<MakeNoise>& registry();

/// Builds the kind that the options name. Throws a misuse Error for a rate, sigma or schedule that
/// the kind does not use, and for a number of classes that it does not support.
std::unique_ptr<LabelNoise> make_noise(const NoiseContext& context);

}  // namespace unlazy::noise
