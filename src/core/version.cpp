#include "core/version.h"

#include <torch/version.h>

namespace unlazy {

std::string version() { return UNLAZY_VERSION; }
std::string libtorch_version() { return TORCH_VERSION; }
std::string build_type() { return UNLAZY_BUILD_TYPE; }
std::string compiler() {
#ifdef __clang__
  return "clang " __clang_version__;
#else
  return "g++ " __VERSION__;
#endif
}

}  // namespace unlazy
