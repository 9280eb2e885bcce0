// Large blocks of CPU memory, kept for reuse.
// A training step makes and drops the same large tensors at every step. The C library gives blocks
// of this size back to the system and gets them back as untouched pages, so that each step pays
// hundreds of thousands of page faults (5-10 % of a bf16 ResNet-18 step). As LibTorch does on GPUs,
// this allocator keeps freed blocks, on huge pages where the system has them.
#pragma once

#include <cstddef>

namespace unlazy {

/// Makes the caching allocator LibTorch's CPU allocator, and tells the C library to keep freed
/// memory (oneDNN's scratch space comes from there). For programs: call once at the start of main.
/// The library itself never calls it. Further calls do nothing.
void use_caching_cpu_allocator();

/// Peak resident memory of this process in bytes (0 where the system does not say).
size_t peak_resident_bytes();

}  // namespace unlazy
