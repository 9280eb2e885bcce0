// The loss of a network on fixed samples as a function of its parameters, with derivatives.
//   L(theta) = 1/n sum_n loss(f(x_n; theta), y_n)
// It uses evaluation mode, clean labels and no augmentation, and BatchNorm's statistics (running or
// collected again, --measure-bn-statistics) are constants, so it is deterministic and smooth
// (except at the kinks of ReLU). It has its own copy of the parameters, in the precision of the
// master weights even if the run computes in bf16. While this lives, the network uses the copy;
// afterwards it uses the run's parameters again, which are never written. Pruned weights are
// constants: derivatives and random vectors are 0 there.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/rng.h"
#include "core/span.h"
#include "linearise/leaves.h"
#include "measure/evaluation_mode.h"
#include "measure/measurement.h"
#include "models/norm.h"

namespace unlazy::linearise {
class LinearisedModel;
}

namespace unlazy::measure {

class LossSurface {
 public:
  /// On the split and the number of samples of subject.probe. Only one at a time for a network.
  explicit LossSurface(const Subject& subject, models::PlainOperators::Derivatives derivatives =
                                                   models::PlainOperators::Derivatives::kAll);
  LossSurface(const LossSurface&) = delete;
  LossSurface& operator=(const LossSurface&) = delete;

  /// [P] the point; write into it to move it.
  const at::Tensor& point() const { return point_; }
  int64_t num_samples() const { return num_samples_; }
  /// With recalibrated statistics: collects them again at the point, as the constructor has done.
  /// Otherwise does nothing. The run's own statistics come back at the end.
  void collect_statistics();
  /// P minus the number of pruned weights. Waits for the device.
  int64_t num_free() const;

  /// L, a scalar in fp64.
  at::Tensor loss();
  /// [P] gradient of the mean loss over the samples `span`, or over all of them.
  at::Tensor gradient(const Span& span);
  at::Tensor gradient() { return gradient({0, num_samples_}); }
  /// [P] the Hessian of L times `v` [P], for the free parameters (pruned weights have neither row
  /// nor column): the forward derivative of the gradient. Throws Error where LibTorch lacks a
  /// derivative that this needs (softmax, in networks from Python). `unlazy measure --help` says what it
  /// costs.
  at::Tensor hessian_vector(const at::Tensor& v);
  /// An unbiased estimate of sum_n sum_k norm(df_k(x_n)/dtheta)^2, which is norm(J^T v)^2 for a v
  /// of random signs from `rng`; chunk by chunk. A scalar in fp64.
  at::Tensor squared_jacobian(Rng& rng);
  /// The images of all samples, chunk by chunk.
  void for_each_batch(const std::function<void(const at::Tensor& images)>& use);
  /// Runs the network on all samples, chunk by chunk, without gradients; calls `before` before
  /// each.
  void for_each_forward(const std::function<void()>& before);

  /// [P] random vectors with entries -1 or 1, or from N(0, 1). They are 0 for pruned weights.
  at::Tensor signs(Rng& rng) const;
  at::Tensor normals(Rng& rng) const;

 private:
  std::vector<Span> chunks(const Span& span) const;
  at::Tensor images(const Span& span);
  at::Tensor logits(const Span& span);
  at::Tensor mean_loss(const Span& span);
  at::Tensor flat(const std::vector<at::Tensor>& parts) const;
  at::Tensor free_part(const at::Tensor& v) const;
  at::Tensor gauss_newton_vector(const linearise::LinearisedModel& model, const at::Tensor& v);

  const Subject& subject_;
  const LabelledReader& data_;
  int64_t num_samples_;
  EvaluationMode mode_;
  SavedBuffers buffers_;
  models::PlainOperators plain_;
  std::vector<at::Tensor> parameters_;  // in the order of the segments
  at::Tensor point_;
  linearise::OtherMemory memory_;
};

/// A vector in the layout and on the device of `like` with entries from N(0, 1).
at::Tensor normals_like(const at::Tensor& like, Rng& rng);

/// The generator of measurement `name`. It gives the same vectors at every step, so that curves are
/// smooth.
Rng probe_rng(const std::string& name);

/// Mean of `samples` (scalars) as NAME and its standard error as NAME_stderr.
std::vector<Value> mean_and_error(const std::string& name, const std::vector<at::Tensor>& samples);

}  // namespace unlazy::measure
