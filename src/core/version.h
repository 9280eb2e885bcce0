// Versions of the program, LibTorch and the compiler.
#pragma once

#include <string>

namespace unlazy {

std::string version();           // "0.1.0"
std::string libtorch_version();  // "2.11.0"
std::string compiler();          // "g++ 12.2.0"
std::string build_type();        // "Release"

}  // namespace unlazy
