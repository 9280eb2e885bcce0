// The outputs of runs on the same images while they train, and how far apart they are: is a network
// still the function that its linearisation has become?
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>

#include "measure/measurement.h"
#include "report/metrics.h"

namespace unlazy::experiments {

/// As many of the first images of each split are recorded, at most.
constexpr int64_t kMostRecorded = 512;

/// Writes RUN/outputs/STEP.safetensors: train [n, K], test [m, K], rounded to fp32.
void save_outputs(const std::string& run, int64_t step, const at::Tensor& train,
                  const at::Tensor& test);
/// The same for a network as it is now, in evaluation mode.
void record_outputs(const std::string& run, int64_t step, const measure::Subject& subject);

/// Of two runs that recorded outputs: |f - g| / |g - g(0)| with g the outputs of `reference`, at the
/// steps that both recorded and where g has moved. (With BatchNorm the network, whose running
/// statistics begin at 0 and 1, is another function at the start than its linearisation.) Curves "outputs_apart_train" and
/// "outputs_apart_test"; none where a run has no record.
report::Curves outputs_apart(const std::string& run, const std::string& reference,
                             int64_t steps_per_epoch);

}  // namespace unlazy::experiments
