// Lanczos' method for a symmetric operator, with full re-orthogonalisation (Golub and Van Loan,
// chapter 10). After m steps, the tridiagonal T_m represents the operator on the Krylov space of
// `start`. Without re-orthogonalisation, converged eigenvalues would appear several times.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

namespace unlazy::measure {

/// Eigenvalues of T_m, ascending; all [m], fp64, on the CPU.
struct RitzValues {
  at::Tensor values;
  at::Tensor weights;    // squared first components: the quadrature weights of `start`; sum 1
  at::Tensor residuals;  // bounds of the distance to an eigenvalue of the operator
};

/// Takes steps until the `num_top` largest values have residuals of at most `tolerance` times the
/// largest magnitude, the Krylov space is exhausted, or `max_steps` are done. With num_top = 0 only
/// the last two apply. `start` [P] must not be zero. Keeps one vector per step in memory. Waits for
/// the device at each step.
RitzValues lanczos(const std::function<at::Tensor(const at::Tensor&)>& apply,
                   const at::Tensor& start, int64_t max_steps, int64_t num_top = 0,
                   double tolerance = 0);

}  // namespace unlazy::measure
