#include "core/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <thread>

#include "core/error.h"
#include "core/format.h"

#ifdef UNLAZY_HAS_CUDA
#include <ATen/cuda/CUDAContext.h>
#include <c10/cuda/CUDACachingAllocator.h>
#include <c10/cuda/CUDAFunctions.h>
#endif

namespace unlazy {
namespace {

std::string cpuinfo_field(const std::string& key) {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind(key, 0) == 0 && line.find(':') != std::string::npos)
      return line.substr(line.find(':') + 2);
  }
  return {};
}

c10::Device choose_device(const std::string& name) {
  if (name == "cpu") return c10::Device(c10::kCPU);
  if (name == "auto") return at::hasCUDA() ? c10::Device(c10::kCUDA, 0) : c10::Device(c10::kCPU);
  const bool is_cuda =
      name == "cuda" || (name.rfind("cuda:", 0) == 0 && name.size() > 5 && name.size() < 8 &&
                         name.find_first_not_of("0123456789", 5) == std::string::npos);
  UNLAZY_CHECK_USAGE(is_cuda, "--device must be auto, cpu, cuda or cuda:N, got '", name, "'");
  UNLAZY_CHECK_USAGE(at::hasCUDA(), "--device ", name,
                     ": this build of unlazy or this machine has no CUDA device; use --device cpu");
  const int index = name == "cuda" ? 0 : std::stoi(name.substr(5));
  const int count = static_cast<int>(at::getNumGPUs());
  UNLAZY_CHECK_USAGE(index < count, "--device ", name, ": there are ", count,
                     " CUDA devices, numbered from 0");
  return c10::Device(c10::kCUDA, static_cast<c10::DeviceIndex>(index));
}

bool has_fast_bf16(const c10::Device& device) {
  if (device.is_cpu()) {
    const auto features = cpu_features();
    return std::find(features.begin(), features.end(), "avx512_bf16") != features.end();
  }
#ifdef UNLAZY_HAS_CUDA
  return at::cuda::getDeviceProperties(device.index())->major >= 8;
#else
  return false;
#endif
}

// Before the first call of cuBLAS: it reads this variable once, and its products are the same in
// every run only with one of two values. The one set here is LibTorch's own choice on Hopper.
void prepare_cublas(bool is_deterministic) {
  constexpr const char* kName = "CUBLAS_WORKSPACE_CONFIG";
  setenv(kName, ":4096:8", /*overwrite=*/0);
  const std::string value = std::getenv(kName);
  UNLAZY_CHECK_USAGE(!is_deterministic || value == ":4096:8" || value == ":16:8",
                     "--deterministic: ", kName, " is '", value,
                     "'; unset it, or set it to :4096:8 or :16:8");
}

c10::ScalarType choose_dtype(const std::string& name, const c10::Device& device) {
  if (name == "fp32") return c10::kFloat;
  if (name == "fp64") return c10::kDouble;
  if (name == "bf16") return c10::kBFloat16;
  return has_fast_bf16(device) ? c10::kBFloat16 : c10::kFloat;
}

int64_t num_cores() {
  return std::max<int64_t>(1, static_cast<int64_t>(std::thread::hardware_concurrency()));
}

// Threads beyond the cores wait for each other and crawl. A few more are allowed, so that a run of
// a larger machine can go on here with the digits that it had.
void check_threads(int64_t threads) {
  const int64_t cores = num_cores(), most = most_threads();
  UNLAZY_CHECK_USAGE(threads <= most, "--threads ", threads, ": this machine has ", cores,
                     " cores, where more than ", most,
                     " threads would only wait for each other; give --threads ", cores,
                     " or less, or 0 for all cores");
}

}  // namespace

OptionTable describe(ComputeOptions& o) {
  return {"Compute",
          {{.name = "device",
            .target = &o.device,
            .help = "Where to compute: auto, cpu, cuda or cuda:N.",
            .role = Role::kPlace,
            .is_common = true},
           {.name = "precision",
            .target = &o.precision,
            .help = "Number format of weights and activations in the forward and backward pass; "
                    "the update is always in fp32 (in fp64 with fp64).",
            .choices = {{"auto",
                         "bf16 where the device is fast at it, else fp32; always fp32 with sam, "
                         "asam and gsam"},
                        {"fp32", "single precision"},
                        {"bf16", "bfloat16, with fp32 master weights, normalisation and loss"},
                        {"fp64", "double precision"}},
            .is_common = true},
           {.name = "threads",
            .target = &o.threads,
            .range = Range::at_least(0),
            .help = "Number of CPU threads, at most four a core (16 are always allowed); 0: "
                    "OMP_NUM_THREADS if it is set, else all cores.",
            .role = Role::kPlace,
            .is_common = true},
           {.name = "deterministic",
            .target = &o.deterministic,
            .help = "Use only kernels whose result does not depend on timing (slower on a GPU)."},
           {.name = "tf32",
            .target = &o.tf32,
            .help = "On a GPU: in fp32, let convolutions and matrix products round their inputs to "
                    "TF32 (11 bits), as PyTorch's convolutions do by default."}}};
}

int64_t most_threads() {
  constexpr int64_t kAlways = 16, kPerCore = 4;
  return std::max(kAlways, kPerCore * num_cores());
}

Compute resolve(const ComputeOptions& options) {
  const c10::Device device = choose_device(options.device);
  check_threads(options.threads);
  const int threads =
      options.threads > 0 ? static_cast<int>(options.threads) : at::intraop_default_num_threads();
  at::set_num_threads(threads);
  auto& context = at::globalContext();
  context.setDeterministicAlgorithms(options.deterministic, /*warn_only=*/false);
  context.setDeterministicCuDNN(options.deterministic);
  context.setDeterministicFillUninitializedMemory(false);  // it is slow, and nothing reads it
  context.setBenchmarkCuDNN(!options.deterministic);
  const bool has_tf32 = options.tf32 && device.is_cuda();  // the second is for oneDNN as well
  context.setAllowTF32CuDNN(has_tf32);
  context.setAllowTF32CuBLAS(has_tf32);
  if (device.is_cuda()) prepare_cublas(options.deterministic);
#ifdef UNLAZY_HAS_CUDA
  if (device.is_cuda()) c10::cuda::set_device(device.index());
#endif
  return {device, choose_dtype(options.precision, device)};
}

void wait_for(const c10::Device& device) {
  if (device.is_cuda()) at::detail::getCUDAHooks().deviceSynchronize(device.index());
}

int64_t peak_device_bytes(const c10::Device& device) {
#ifdef UNLAZY_HAS_CUDA
  if (device.is_cuda()) {
    using c10::CachingAllocator::StatType;
    return c10::cuda::CUDACachingAllocator::getDeviceStats(device.index())
        .reserved_bytes[static_cast<size_t>(StatType::AGGREGATE)]
        .peak;
  }
#endif
  static_cast<void>(device);
  return 0;
}

std::string precision_name(c10::ScalarType dtype) {
  return dtype == c10::kDouble ? "fp64" : dtype == c10::kBFloat16 ? "bf16" : "fp32";
}

std::vector<std::string> cuda_devices() {
  std::vector<std::string> list;
#ifdef UNLAZY_HAS_CUDA
  if (!at::hasCUDA()) return list;
  for (c10::DeviceIndex i = 0; i < static_cast<c10::DeviceIndex>(at::getNumGPUs()); ++i) {
    const auto* device = at::cuda::getDeviceProperties(i);
    list.push_back(internal::concat(device->name, " (sm_", device->major, device->minor, ", ",
                                    bytes_text(static_cast<double>(device->totalGlobalMem)), ")"));
  }
#endif
  return list;
}

std::vector<std::string> cpu_features() {
  std::istringstream flags(cpuinfo_field("flags"));
  const std::vector<std::string> wanted = {"avx2", "avx512f", "avx512_bf16", "amx_bf16"};
  std::vector<std::string> found;
  for (std::string flag; flags >> flag;) {
    if (std::find(wanted.begin(), wanted.end(), flag) != wanted.end()) found.push_back(flag);
  }
  return found;
}

std::string cpu_name() {
  const std::string name = cpuinfo_field("model name");
  return name.empty() ? "unknown" : name;
}

}  // namespace unlazy
