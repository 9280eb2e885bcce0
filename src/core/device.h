// On which device and in which precision a run computes.
#pragma once

#include <c10/core/Device.h>
#include <c10/core/ScalarType.h>

#include <string>
#include <vector>

#include "core/options.h"

namespace unlazy {

/// --device, --precision, --threads, --deterministic, --tf32.
struct ComputeOptions {
  std::string device = "auto";     // auto, cpu, cuda, cuda:1
  std::string precision = "auto";  // auto, fp32, bf16, fp64
  int64_t threads = 0;             // 0: OMP_NUM_THREADS where it is set, else all cores
  bool deterministic = false;
  bool tf32 = false;
};
OptionTable describe(ComputeOptions& options);

/// The options as resolved on this machine.
struct Compute {
  c10::Device device;
  c10::ScalarType
      dtype;  // of weights and activations in forward and backward: Float, BFloat16 or Double
};

/// The largest number of CPU threads that --threads takes: four a core, and 16 on every machine.
int64_t most_threads();

/// Chooses and checks device and precision, and sets LibTorch's process-wide switches (threads,
/// determinism, cuDNN benchmark, TF32, the calling thread's CUDA device). `auto` chooses CUDA where
/// there is a device, and bf16 on a GPU of compute capability >= 8.0 and on a CPU with avx512_bf16,
/// otherwise fp32. Throws a misuse Error for a device that is not there, and for more threads than
/// the machine can run.
Compute resolve(const ComputeOptions& options);

/// Waits until `device` has done all work given to it so far; nothing to do on a CPU.
void wait_for(const c10::Device& device);

/// The most memory that tensors on a CUDA device have taken so far; 0 for a CPU.
int64_t peak_device_bytes(const c10::Device& device);

/// What to write for --precision to get `dtype`: "fp32", "bf16", "fp64".
std::string precision_name(c10::ScalarType dtype);

/// "NVIDIA H100 80GB HBM3 (sm_90, 85.0 GB)" for each CUDA device; empty where there is none.
std::vector<std::string> cuda_devices();

/// Features of this CPU that matter to us: "avx2", "avx512f", "avx512_bf16", "amx_bf16".
std::vector<std::string> cpu_features();
/// "Intel(R) Xeon(R) Processor", as /proc/cpuinfo says; "unknown" elsewhere.
std::string cpu_name();

}  // namespace unlazy
