// A run that was saved, for commands that look at one.
#pragma once

#include <cstdint>
#include <string>

#include "train/experiment.h"

namespace unlazy::tools {

/// `step`, or for -1 the newest, of the checkpoints in the run `folder`. Throws a misuse Error when
/// there is none.
int64_t chosen_checkpoint(const std::string& folder, int64_t step);

/// The options that the run was made with, on the device asked for now; `precision_is_given`: in
/// the precision asked for now too.
train::TrainOptions options_of_run(const std::string& folder, const ComputeOptions& compute,
                                   bool precision_is_given);

}  // namespace unlazy::tools
