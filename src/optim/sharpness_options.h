// Options of the SAM family.
#pragma once

#include <cstdint>
#include <string>

#include "core/options.h"
#include "core/step.h"

namespace unlazy::optim {

/// --rho, --rho-schedule, --rho-end, --sam-base, --sam-variant, --sam-m, --sam-interval,
/// --sam-start, --sam-end, --asam-eta, --asam-scaling, --gsam-alpha
struct SharpnessOptions {
  double rho = 0.05;
  std::string rho_schedule = "constant";  // constant, linear, cosine, lr
  double rho_end = 0;
  std::string base = "sgd";            // a name of base_registry()
  std::string variant = "normalized";  // normalized, unnormalized
  int64_t group_size = 0;              // m of m-SAM; 0: the whole batch
  int64_t interval = 1;
  Step start = Step::iterations(0);
  Step end = Step::never();
  double eta = 0.01;            // asam
  std::string scaling = "all";  // asam: all, weights
  double alpha = 0.4;           // gsam
};
OptionTable describe(SharpnessOptions& options);

/// Throws a misuse Error when --sam-m does not divide the batch.
void check_group_size(const SharpnessOptions& options, int64_t batch_size);

}  // namespace unlazy::optim
