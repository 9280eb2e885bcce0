// All parameters of a network in one buffer.
// The parameters are views into one flat master buffer. Gradients and optimizer state are buffers
// of the same layout. So an update, a norm, a perturbation, a mask or a checkpoint is one pass over
// memory. Order: weights (tensors of 2 dimensions and more) first, then biases, then the scales and
// shifts of normalisation layers; within each class, the order of the module's own parameters.
//   [ 0 .. num_weights )            decayed by --decay weights; can be pruned
//   [ 0 .. num_low_precision )      weights and biases: computed in bf16 in bf16 training
//   [ num_low_precision .. P )      normalisation: always computed in the master buffer's dtype
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
  /// Takes over the parameters of `module`, each once (models/parameters.h): moves the module to
  /// `device` and replaces the data of each parameter by a view. `dtype` is the dtype of forward
  /// and backward: Float, Double or BFloat16 (then the master buffer is Float). `has_copy` false: in
  /// bf16 training the module reads the master values themselves, and only its inputs are bf16. For
  /// a linearised network, whose theta - theta0 would be lost in the rounding.
  FlatParameters(torch::nn::Module& module, c10::Device device, c10::ScalarType dtype,
                 bool has_copy = true);

  /// [P] master values. Change them in place, then call publish().
  const at::Tensor& values() const { return values_; }
  /// [P] gradients in the dtype of the master buffer, complete after collect_gradients().
  const at::Tensor& gradients() const { return gradients_; }

  /// Call before the first backward pass of an update, so that it finds no gradients.
  void clear_gradients();
  /// Call after each backward pass: moves its result from the parameters to gradients(). `is_first`:
  /// it replaces what is there; otherwise it is added to that.
  void collect_gradients(bool is_first);
  /// Makes changed values visible to the network (copies them to bf16; does nothing in fp32, fp64
  /// and MasterPrecision), with pruned weights as 0.
  void publish();
  /// The dtype that the network computes in now: its input must have it.
  c10::ScalarType compute_dtype() const;

  /// Prunes. From now on, and after every publish(), the weights are exactly 0 where `mask`
  /// [num_weights] bool is false, and so are their gradients after collect_gradients(). So
  /// momentum, weight decay and SAM's perturbation leave them at 0, and norms count only the
  /// remaining weights. The mask is cloned; pass an undefined tensor to remove it. A captured step
  /// keeps the mask that it was captured with.
  void set_mask(at::Tensor mask);
  /// [num_weights] bool, true where a weight is kept; undefined without a mask.
  const at::Tensor& mask() const { return mask_; }

  /// [num_low_precision] what publish() writes besides the values; undefined where it writes no
  /// copy. For kernels that do its work, with mask(), in a pass of their own.
  at::Tensor published() const { return is_low_precision_ ? shadow_ : at::Tensor(); }

  int64_t size() const { return values_.numel(); }
  int64_t num_weights() const { return num_weights_; }
  const std::vector<Segment>& segments() const { return segments_; }
  /// The part of a flat buffer [P] that belongs to `segment`, in the parameter's shape.
  static at::Tensor view(const at::Tensor& flat, const Segment& segment);
  class MasterPrecision;
  /// Sets the pruned weights of a buffer `flat` [P] to 0; does nothing without a mask.
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
  at::Tensor mask_, pruned_;       // [num_weights] bool and its complement; undefined: no mask
  at::Tensor shadow_;              // [num_low_precision] bf16, undefined unless training in bf16
  bool is_low_precision_ = false;  // does the network use the shadow?
};

/// While one of these lives, the network uses the master values themselves, and its gradients have
/// their dtype. Afterwards it uses its bf16 copy again, which is not written
/// meanwhile. Changes nothing in fp32 and fp64. Only one at a time, and not during a forward or
/// backward pass.
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
