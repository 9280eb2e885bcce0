// Keeps large blocks of CPU memory for reuse.
// Each training step makes and frees the same large tensors. The C library returns blocks of this
// size to the system and later gets them back as untouched pages, so each step pays for hundreds of
// thousands of page faults (5-10 % of a bf16 ResNet-18 step). This allocator keeps freed blocks, as
// LibTorch does on GPUs, and uses huge pages where the system has them.
#pragma once

#include <cstddef>

namespace unlazy {

/// Makes the caching allocator LibTorch's CPU allocator, and tells the C library to keep freed
/// memory (which oneDNN uses as scratch space). For programs: call it once at the start of main.
/// The library itself never calls it. Further calls do nothing.
void use_caching_cpu_allocator();

/// Peak resident memory of this process in bytes; 0 where the system does not report it.
size_t peak_resident_bytes();

}  // namespace unlazy
