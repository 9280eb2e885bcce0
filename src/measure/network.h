// The measured network as a function of its parameters.
#pragma once

#include "linearise/network.h"
#include "measure/measurement.h"

namespace unlazy::measure {

/// At the run's present parameters; pruned weights are constants.
linearise::Network network_of(const Subject& subject);

}  // namespace unlazy::measure
