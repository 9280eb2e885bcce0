// A network whose loss is a quadratic, for optimizers:
//   f(w) = mean over samples b of 1/2 sum_i h_i (w_i - c_b)^2
// Parameters: "weight" [2, 2] and "bias" [2], so that rules about weights have both.
#pragma once

#include <ATen/core/grad_mode.h>
#include <ATen/ops/tensor.h>
#include <torch/nn/module.h>

#include <vector>

#include "optim/optimizer.h"

namespace unlazy::testing {

class Quadratic : public torch::nn::Module {
 public:
  /// `centers`: c_b of each sample of the batch.
  explicit Quadratic(c10::ScalarType dtype = c10::kDouble, std::vector<double> centers = {0})
      : centers_(std::move(centers)) {
    weight_ = register_parameter("weight", at::tensor({3.0, -1.0, 0.5, 2.0}).view({2, 2}));
    bias_ = register_parameter("bias", at::tensor({-4.0, 1.0}));
    flat_ = std::make_unique<optim::FlatParameters>(*this, c10::kCPU, dtype);
  }

  optim::FlatParameters& flat() { return *flat_; }
  int64_t batch_size() const { return static_cast<int64_t>(centers_.size()); }
  static at::Tensor curvatures() { return at::tensor({1.0, 0.5, 2.0, 1.5, 1.0, 0.7}, at::kDouble); }

  /// By backward through the network's own parameters, which are bf16 copies in bf16 training.
  optim::GradientPass gradient() {
    return [this](bool updates_statistics, const Span& samples) {
      passes.push_back({updates_statistics, samples});
      flat_->clear_gradients();
      const auto h = curvatures();
      for (int64_t b = samples.begin; b < samples.end; ++b) {
        const double c = centers_[static_cast<size_t>(b)];
        const auto loss = half_square(weight_.view({4}).to(c10::kDouble), h.narrow(0, 0, 4), c) +
                          half_square(bias_.to(c10::kDouble), h.narrow(0, 4, 2), c);
        (loss / static_cast<double>(samples.end - samples.begin)).backward();
        flat_->collect_gradients(b == samples.begin);
      }
    };
  }

  double loss() const {
    const auto w = flat_->values().to(c10::kDouble);
    double sum = 0;
    for (const double c : centers_)
      sum += half_square(w, curvatures(), c).item<double>() / static_cast<double>(batch_size());
    return sum;
  }

  optim::StepInputs inputs(double lr, double rho, bool is_perturbed = true) const {
    const auto options = flat_->values().options();
    return {at::tensor(lr, options), at::tensor(rho, options), is_perturbed, batch_size()};
  }

  struct Pass {
    bool updates_statistics;
    Span samples;
  };
  std::vector<Pass> passes;  // as they were asked for

 private:
  static at::Tensor half_square(const at::Tensor& w, const at::Tensor& h, double c) {
    return (h * (w - c).pow(2)).sum() * 0.5;
  }

  std::vector<double> centers_;
  at::Tensor weight_, bias_;
  std::unique_ptr<optim::FlatParameters> flat_;
};

}  // namespace unlazy::testing
