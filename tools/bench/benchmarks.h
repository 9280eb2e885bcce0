// The benchmarks of `unlazy bench`: each is a subcommand with options of its own.
#pragma once

#include "command.h"

namespace unlazy::tools {

const Registry<MakeCommand>& benchmarks();

}  // namespace unlazy::tools
