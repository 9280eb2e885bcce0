// All parameters of a network in one buffer.
// The parameters are views into one flat master buffer, gradients and optimizer state are buffers
// of the same layout, so that an update, a norm, a perturbation, a mask or a checkpoint is one pass
// over memory. Order: weights (2 dimensions and more) first, then biases, then the scales and
// shifts of normalisation layers; each class in the order of the module's own parameters.
//   [ 0 .. num_weights )            decayed by --decay weights, pruned
//   [ 0 .. num_low_precision )      weights and biases: computed in bf16 in bf16 training
//   [ num_low_precision .. P )      normalisation: always computed in the master's dtype
// In bf16 training the network's weights are views into a bf16 copy ("shadow") that publish()
// writes after each update. Convolution weights keep channels_last strides inside the buffer.
#pragma once

#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <cstdint>
#include <string>
#include <vector>

namespace torch::nn {
class Module;
}

namespace unlazy::optim {

/// One parameter's place in the flat buffer.
struct Segment {
  std::string name;            // PyTorch's: "layer1.0.conv1.weight"
  std::vector<int64_t> shape;  // as the network sees it
  int64_t offset = 0;          // of its first element
  int64_t count = 0;           // elements
  bool is_channels_last = false;
};

class FlatParameters {
 public:
  /// Takes over the parameters of `module`, each once (models/parameters.h): moves it to `device`
  /// and replaces each parameter's data by a view. `dtype` is the dtype of forward and backward:
  /// Float, Double or BFloat16 (then the master buffer is Float).
  FlatParameters(torch::nn::Module& module, c10::Device device, c10::ScalarType dtype);

  /// [P] master values. Change them in place, then call publish().
  const at::Tensor& values() const { return values_; }
  /// [P] gradients in the master's dtype, complete after collect_gradients().
  const at::Tensor& gradients() const { return gradients_; }

  /// Before the first backward pass of an update.
  void zero_gradients();
  /// After each backward pass: adds what it left to gradients(). `is_first`: the first since
  /// zero_gradients().
  void collect_gradients(bool is_first);
  /// Shows changed values to the network (a copy to bf16; nothing in fp32, in fp64 and in
  /// MasterPrecision), pruned weights as 0.
  void publish();
  /// The dtype that the network computes in now: its input must have it.
  c10::ScalarType compute_dtype() const;

  /// Prunes: at once and after every publish() the weights are exactly 0 where `mask`
  /// [num_weights] bool is false, and so are their gradients after collect_gradients(). So
  /// momentum, weight decay and SAM's perturbation leave them at 0, and norms are those of the
  /// weights that are left. The mask is cloned; an undefined one ends it. A captured step keeps the
  /// mask of its capture.
  void set_mask(at::Tensor mask);
  /// [num_weights] bool, true where a weight is kept; undefined without a mask.
  const at::Tensor& mask() const { return mask_; }

  int64_t size() const { return values_.numel(); }
  int64_t num_weights() const { return num_weights_; }
  const std::vector<Segment>& segments() const { return segments_; }
  /// The part of a flat buffer [P] that belongs to `segment`, in the parameter's shape.
  static at::Tensor view(const at::Tensor& flat, const Segment& segment);
  class MasterPrecision;
  /// Sets the pruned weights of a buffer `flat` [P] to 0; without a mask nothing.
  void zero_pruned_(const at::Tensor& flat) const;
  /// A buffer of zeros in the layout of values().
  at::Tensor zeros_like_values() const;

 private:
  void show(bool is_master);

  std::vector<Segment> segments_;
  std::vector<at::Tensor> parameters_;  // the network's own, in the order of segments_
  int64_t num_weights_ = 0;
  int64_t num_low_precision_ = 0;
  at::Tensor values_, gradients_;
  at::Tensor mask_, pruned_;  // [num_weights] bool and its complement; undefined: no mask
  at::Tensor shadow_,
      shadow_gradients_;           // [num_low_precision] bf16, undefined unless training in bf16
  bool is_low_precision_ = false;  // does the network look at the shadow?
};

/// While one of these lives, the network looks at the master values themselves and its gradients go
/// straight into gradients(); afterwards at its bf16 copy again, which was not written meanwhile.
/// In fp32 and fp64 it changes nothing. One at a time, and not during a forward or backward pass.
class FlatParameters::MasterPrecision {
 public:
  explicit MasterPrecision(FlatParameters& parameters) : parameters_(parameters) {
    parameters_.show(/*is_master=*/true);
  }
  ~MasterPrecision() { parameters_.show(/*is_master=*/false); }
  MasterPrecision(const MasterPrecision&) = delete;
  MasterPrecision& operator=(const MasterPrecision&) = delete;

 private:
  FlatParameters& parameters_;
};

}  // namespace unlazy::optim
