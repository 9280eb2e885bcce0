// What a comparison with the linearised network would cost, by a short trial. Nothing is written.
#pragma once

#include <cstdint>
#include <string>

#include "experiments/lazy_comparison.h"
#include "train/trial.h"

namespace unlazy::experiments {

struct ComparisonTrial {
  train::Trial clean, perturbed;          // the two networks of a seed
  train::Trial linear, linear_perturbed;  // in weight space; empty in function space
  std::string space;                      // and why
  double kernel_seconds = 0;              // of one kernel; a seed needs one
  int64_t kernel_bytes = 0;
  int64_t record_bytes = 0;  // outputs of the four runs of a seed
  int64_t seeds = 0;

  /// Without linearised runs in function space, which read a small matrix a step and take seconds.
  double seconds() const;
  int64_t disk_bytes() const;
};

/// Tries the first seed, at --lr. Throws the misuse Errors of check_comparison().
ComparisonTrial try_comparison(const CompareOptions& options, const train::TrainOptions& train);

/// The lines of --dry-run.
std::string text_of(const ComparisonTrial& trial);

}  // namespace unlazy::experiments
