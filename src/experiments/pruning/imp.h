// Iterative magnitude pruning with rewinding: theta(T) is pruned, the remaining weights are set
// back to theta(k), k = --rewind-to, and trained to the end; then the same again (Frankle and
// Carbin 2019, Frankle et al. 2020; the rule of open_lth).
#pragma once

#include "experiments/pruning/level_training.h"

namespace unlazy::experiments {

class Imp : public TrainingProtocol {
 public:
  bool is_rewinding() const final { return true; }

 protected:
  /// Throws Error when the run has no checkpoint of the step to rewind to.
  void begin(const PruneOptions& options, const LevelStart& start,
             train::TrainOptions& train) const final;
};

}  // namespace unlazy::experiments
