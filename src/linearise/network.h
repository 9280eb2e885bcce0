// A network as a function of its parameters, f(x; theta), and its first derivatives.
//   J = df/dtheta   [N K, P]; row n K + k is the gradient of f_k(x_n), never summed over a batch
//   jvp: J v        by forward differentiation; the tangent is set on the parameter itself, so the
//                   module's code needs no change
//   vjp: J^T c      by one backward pass
// Vectors in parameter space are flat, [P], in the order of torch::nn::Module::parameters(), each
// parameter row-major. This works for every torch::nn::Module made of ATen operators. The project's
// normalisation layers use their plain operators meanwhile (models/norm.h). A parameter that
// several places of the module share counts as one (models/parameters.h). A module with a custom
// torch::autograd::Function has no jvp, since such a function has no forward derivative in C++.
// vmap is not used, since it is slower than passes in sequence on a CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "linearise/leaves.h"

namespace torch::nn {
class Module;
}

namespace unlazy::linearise {

using Forward = std::function<at::Tensor(const at::Tensor& inputs)>;

class Network {
 public:
  /// `module` owns the parameters and buffers; `forward` runs it: inputs [N, ...] -> outputs [N,
  /// K]. Both must outlive this. Parameters that do not require gradients are constants.
  Network(torch::nn::Module& module, Forward forward);
  /// For a module with a member forward(inputs).
  template <class M>
  explicit Network(M& module)
      : Network(module_of(module),
                [&module](const at::Tensor& inputs) { return module.forward(inputs); }) {}

  /// f(inputs; theta) at the present parameters. Gradients are recorded if the caller records them.
  at::Tensor operator()(const at::Tensor& inputs) const;

  torch::nn::Module& module() const { return module_; }
  /// The parameters themselves, not copies.
  const std::vector<at::Tensor>& parameters() const { return parameters_; }
  /// Their names in the module.
  const std::vector<std::string>& names() const { return names_; }
  int64_t num_parameters() const { return num_parameters_; }

  /// Makes single entries constants, such as pruned weights: their columns of J are 0. `free` has
  /// one bool tensor per parameter, in its shape, that is false at the constants; an undefined
  /// tensor means that the parameter has no constants.
  void set_free(std::vector<at::Tensor> free);
  const std::vector<at::Tensor>& free() const { return free_; }

  /// A copy of theta, [P].
  at::Tensor values() const;
  /// theta <- flat [P].
  void set_values(const at::Tensor& flat) const;
  /// One tensor per parameter, in its shape, -> [P]; an undefined tensor counts as zeros.
  at::Tensor flatten(const std::vector<at::Tensor>& parts) const;
  /// [P] -> one view per parameter.
  std::vector<at::Tensor> split(const at::Tensor& flat) const;

 private:
  template <class M>
  static torch::nn::Module& module_of(M& module) {
    if constexpr (requires { module.module(); }) {
      return module.module();
    } else {
      return module;
    }
  }

  torch::nn::Module& module_;
  Forward forward_;
  std::vector<at::Tensor> parameters_, free_;
  std::vector<std::string> names_;
  int64_t num_parameters_ = 0;
};

/// Parameters and buffers of a network at one moment, such as theta0.
class Point {
 public:
  explicit Point(const Network& network);
  /// theta, [P].
  const at::Tensor& values() const { return values_; }

 private:
  friend class AtPoint;
  at::Tensor values_;
  std::vector<at::Tensor> parameters_, buffers_;
};

/// While one of these lives, the network is at `point`; afterwards it is back where it was. Nothing
/// that the network holds is written.
class AtPoint {
 public:
  AtPoint(const Network& network, const Point& point);

 private:
  OtherMemory memory_;
};

struct Jvp {
  at::Tensor value;    // [N, K] f(x)
  at::Tensor tangent;  // [N, K] J v
};
/// One pass with dual numbers. `directions` has one tensor for each parameter, in its shape; they
/// are converted to its dtype. Gradients are recorded if the caller records them, also for the
/// directions. The tangent is undefined where the outputs do not depend on the parameters. Only one
/// at a time: LibTorch's levels of forward differentiation do not nest.
Jvp dual_outputs(const Network& network, const at::Tensor& inputs,
                 const std::vector<at::Tensor>& directions);
/// `tangent` [P]. Costs about two forward passes more than one. No gradients are recorded.
Jvp jvp(const Network& network, const at::Tensor& inputs, const at::Tensor& tangent);

struct Vjp {
  at::Tensor value;     // [N, K] f(x)
  at::Tensor gradient;  // [P] J^T c
};
/// `cotangent` maps f(x) [N, K] to c [N, K]. It may be constant, or the derivative of a loss.
Vjp vjp(const Network& network, const at::Tensor& inputs,
        const std::function<at::Tensor(const at::Tensor& outputs)>& cotangent);
Vjp vjp(const Network& network, const at::Tensor& inputs, const at::Tensor& cotangent);

/// Rows [begin, end) of the Jacobian: [end - begin, P], one backward pass each. For checks and
/// small networks.
at::Tensor jacobian(const Network& network, const at::Tensor& inputs, int64_t begin, int64_t end);
/// All N K rows.
at::Tensor jacobian(const Network& network, const at::Tensor& inputs);

}  // namespace unlazy::linearise
