// Does this build agree with neural-tangents? Everything in a file of reference values (written by
// tests/golden/make_neural_tangents_golden.py) is computed and compared: outputs, kernels, gradient
// descent, the linearised network in function space and in weight space, closed forms, the largest
// learning rate.
#pragma once

#include <string>
#include <vector>

#include "core/device.h"

namespace unlazy::experiments {

struct TensorError {
  std::string name;       // in the file; "lin_f_train (weight space)" for a second method
  std::string shape;      // "[640, 640]"
  double by_norm = 0;     // |ours - theirs| / |theirs|, Euclidean
  double by_entry = 0;    // largest |ours - theirs| / largest |theirs|
  bool is_close = false;  // by_entry within golden_tolerance()
};

/// 1e-9 in fp64, 1e-4 in fp32.
double golden_tolerance(c10::ScalarType dtype);

/// The errors of all tensors that the file at `path` has reference values for. `compute` gives
/// device and precision, fp32 or fp64. Throws an Error for a file that lacks a tensor or an entry
/// of metadata, or has one of another shape.
std::vector<TensorError> check_golden(const std::string& path, const Compute& compute);

}  // namespace unlazy::experiments
