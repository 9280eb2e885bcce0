// A network's Taylor polynomial (linearised.h) as a model of its own, which trains, is measured and
// is saved like any other.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "linearise/linearised.h"
#include "models/model.h"

namespace unlazy::linearise {

class LinearisedModel : public models::Model {
 public:
  /// Expands `network` at its present parameters, in evaluation mode: statistics of BatchNorm are
  /// constants, and dropout does nothing. `low`: the same network with the same parameters for
  /// images in bf16, or null. Takes both over (Linearisation). They may share buffers. Throws an
  /// Error naming layer and reason when LibTorch cannot differentiate the network as this needs;
  /// `images` [N, ...], a few, are for trying that.
  LinearisedModel(std::shared_ptr<models::Model> network, std::shared_ptr<models::Model> low,
                  int64_t order, const at::Tensor& images);

  /// [B, C, H, W] in the dtype of the network or, with `low`, in bf16 -> [B, K] in the dtype of
  /// this model's parameters.
  at::Tensor forward(const at::Tensor& images) override;
  /// Parameters theta, which start at theta0, and the network's buffers, under the network's names.
  torch::nn::Module& module() override { return *theta_tree_; }
  void begin_step(uint64_t seed, int64_t step) override;
  bool is_random() const override { return network_->is_random(); }
  int64_t max_batch() const override { return network_->max_batch(); }

  int64_t order() const { return full_.order(); }
  /// Names of the parameters that the outputs depend on, and theta0 in their order.
  const std::vector<std::string>& names() const { return full_.network().names(); }
  const std::vector<at::Tensor>& start() const { return full_.start(); }
  /// J v [B, K], one tensor for each of names().
  at::Tensor derivative(const at::Tensor& images, const std::vector<at::Tensor>& v) const;

 private:
  const Linearisation& used_for(const at::Tensor& images) const;
  void try_derivatives(const at::Tensor& images) const;

  std::shared_ptr<models::Model> network_, low_network_;
  std::shared_ptr<ParameterTree> theta_tree_;
  Linearisation full_;
  std::unique_ptr<Linearisation> low_;
  std::vector<at::Tensor> theta_;
};

}  // namespace unlazy::linearise
